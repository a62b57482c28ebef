// SPDX-License-Identifier: Apache-2.0
//
// What a compiler may call for plain copies, fills and lengths, for images without a C library.
// Compiled with -fno-builtin, or these loops would become calls to themselves.
#include <cstddef>
#include <cstdint>

extern "C" {

void* memset(void* to, int value, std::size_t size);
void* memcpy(void* __restrict to, void const* __restrict from, std::size_t size);
void* memmove(void* to, void const* from, std::size_t size);
int   memcmp(void const* a, void const* b, std::size_t size);
std::size_t strlen(char const* text);

void* memset(void* to, int value, std::size_t size)
{
    auto* byte = static_cast<unsigned char*>(to);
    if (reinterpret_cast<std::uintptr_t>(byte) % 8 == 0) {
        std::uint64_t const word = 0x0101'0101'0101'0101ull * static_cast<unsigned char>(value);
        for (; size >= 8; size -= 8, byte += 8)
            *reinterpret_cast<std::uint64_t*>(byte) = word;
    }
    for (; size; size--)
        *byte++ = static_cast<unsigned char>(value);
    return to;
}

void* memcpy(void* __restrict to, void const* __restrict from, std::size_t size)
{
    auto* out = static_cast<unsigned char*>(to);
    auto const* in = static_cast<unsigned char const*>(from);
    if ((reinterpret_cast<std::uintptr_t>(out) | reinterpret_cast<std::uintptr_t>(in)) % 8 == 0)
        for (; size >= 8; size -= 8, out += 8, in += 8)
            *reinterpret_cast<std::uint64_t*>(out) = *reinterpret_cast<std::uint64_t const*>(in);
    for (; size; size--)
        *out++ = *in++;
    return to;
}

void* memmove(void* to, void const* from, std::size_t size)
{
    auto* out = static_cast<unsigned char*>(to);
    auto const* in = static_cast<unsigned char const*>(from);
    if (out < in)
        while (size--)
            *out++ = *in++;
    else
        while (size--)
            out[size] = in[size];
    return to;
}

int memcmp(void const* a, void const* b, std::size_t size)
{
    auto const* x = static_cast<unsigned char const*>(a);
    auto const* y = static_cast<unsigned char const*>(b);
    for (; size; size--, x++, y++)
        if (*x != *y)
            return *x < *y ? -1 : 1;
    return 0;
}

std::size_t strlen(char const* text)
{
    std::size_t length = 0;
    while (text[length])
        length++;
    return length;
}

} // extern "C"
