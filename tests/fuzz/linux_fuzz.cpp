// SPDX-License-Identifier: Apache-2.0
//
// Any kernel file, initrd and command line for a guest of any small size: what is loaded lies in the guest's RAM.
#include "drivers/guest/linux.hpp"
#include "tests/fuzz/elf_file.hpp"

using namespace kennel;
using namespace kennel::service;
using fuzz::demand;

namespace {

// A bzImage whose header is right until the input changes it.
std::vector<u8> bzimage(fuzz::Input& input)
{
    std::vector<u8> file(1024 + input.take<u16>() % 8192u, 0);
    auto put = [&](usize at, auto value) { std::memcpy(&file[at], &value, sizeof value); };
    put(0x1f1, u8{1}), put(0x1fe, u16{0xaa55}), put(0x201, u8{0x6a}), put(0x202, u32{0x5372'6448}), put(0x206, u16{0x20f}), put(0x211, u8{1});
    put(0x22c, u32{0x7fff'ffff}), put(0x230, u32{0x20'0000}), put(0x234, u8{1}), put(0x236, u16{0x3f}), put(0x238, u32{2047}), put(0x258, u64{0x20'0000});
    put(0x260, u32{0x10'0000});
    while (!input.empty()) {
        usize const at = 0x1f1 + input.take<u8>() % 0x80u;
        file[at] = input.take<u8>();
    }
    return file;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(unsigned char const* data, size_t size)
{
    fuzz::Input input{data, size};
    static std::vector<u8> ram(8 << 20);
    u64 const ram_size = (1 + input.take<u8>() % 8u) << 20;
    GuestMemory memory;
    memory.add(ram.data(), ram_size);
    auto const initrd = input.bytes(input.take<u16>() % 64u);
    u8 const options = input.take<u8>();
    std::vector<u8> large_initrd((options & 4) ? 5u << 20 : 0u);
    std::string_view const line{reinterpret_cast<char const*>("console=ttyS0 quiet"), static_cast<usize>(options % 20)};
    std::vector<u8> kernel;
    if (options & 1)
        kernel = bzimage(input);
    else
        kernel = fuzz::elf_file(input, 0x10'0000);
    auto const entry = load_linux(memory, {kernel, (options & 4) ? std::span<u8 const>{large_initrd} : initrd, line, 0xe'0000});
    if (!entry) {
        demand(describe(entry.error(), "kernel", "initrd").view().size() > 10);
        return 0;
    }
    demand(entry->rip < ram_size + 0x1000);
    abi::VcpuState state{};
    start_state(state, *entry);
    return 0;
}
