// SPDX-License-Identifier: Apache-2.0
//
// A guest whose code, registers, page tables and state are anything, touching devices: decoding, walking and carrying out end
// after bounded work, and no access leaves the guest's RAM.
#include "drivers/model/emulate.hpp"
#include "drivers/model/paging.hpp"
#include "tests/fuzz/input.hpp"
#include <memory>
#include <vector>

using namespace kennel;
using namespace kennel::service;
using fuzz::demand;

namespace {

struct alignas(page_size) Page { u8 bytes[page_size]; };
constexpr u64 area_at = high_memory;

struct Guest {
    std::vector<u8> ram = std::vector<u8>(1u << 20), output = std::vector<u8>(64), input = std::vector<u8>(64);
    ByteRing    out{output}, in{input};
    GuestMemory memory;
    Platform    platform{out, in};
    DecodeCache cache;
    std::vector<Page> pages = std::vector<Page>(2);
    VirtioPmem  pmem{{{pages[0].bytes, 1000}, {pages[1].bytes, page_size}, area_at, false}};

    Guest() { platform.virtio.add(pmem); }
};

} // namespace

extern "C" int LLVMFuzzerTestOneInput(unsigned char const* data, size_t size)
{
    static Guest guest;
    fuzz::Input input{data, size};
    std::memset(guest.ram.data(), 0, 0x8000);
    guest.memory.clear();
    guest.memory.add(guest.ram.data(), guest.ram.size());
    guest.platform.reset(1, guest.memory);
    guest.cache.clear();

    // Page tables at 0x1000: identity for the first 2 MiB and the device hole, then whatever the input says.
    auto put = [&](u64 at, u64 value) { guest.memory.copy_out(at, value); };
    put(0x1000, 0x2007), put(0x2000, 0x3007), put(0x2018, 0x4007), put(0x3000, 0x87);
    for (u64 i = 0; i < 512; i++)
        put(0x4000 + 8 * i, (0xc000'0000 + i * large_page) | 0x87);
    for (u8 n = input.take<u8>() % 6; n; n--) {
        u64 const at = 0x1000 + 8 * (input.take<u16>() % 2048u), entry = input.take<u64>();
        put(at, entry);
    }

    while (!input.empty()) {
        u8 const how = input.take<u8>();
        abi::ExecutionState state{};
        state.rip = (how & 1) ? 0x6ff8 + input.take<u8>() % 16u : input.take<u64>();
        state.cr3 = 0x1000;
        state.cr4 = 0x20;
        bool const long_mode = (how & 2) == 0;
        state.cr0 = long_mode ? 0x8000'0011 : (how & 4) ? 0x8000'0011 : 0x11;
        state.efer = long_mode ? 0xd00 : 0;
        state.cs_access = long_mode ? 0xa09b : (how & 8) ? 0xc09b : 0x9b;
        state.rflags = 2 | ((how & 16) ? 0x400 : 0);
        state.complete = 1;
        if (how & 128) {
            state.cr0 = input.take<u32>(), state.cr4 = input.take<u32>(), state.efer = input.take<u16>(), state.cr3 = input.take<u32>();
            state.cs_base = input.take<u32>(), state.cs_access = input.take<u16>(), state.cpl = input.take<u8>() & 3, state.ds_base = input.take<u32>();
            state.es_base = input.take<u64>();
        }
        auto const code = input.bytes(15);
        for (usize i = 0; i < code.size(); i++)
            guest.memory.copy_out(((how & 1) ? state.rip : 0x7000) + i, code[i]);
        abi::Registers registers{};
        u64* const all = &registers.rax;
        for (u32 i = 0; i < 16; i++)
            all[i] = 0x1234'5678'9abc'def0 + i;
        registers.rcx = input.take<u16>();
        registers.rsi = (how & 32) ? input.take<u64>() : 0x5000;
        registers.rdi = (how & 32) ? input.take<u64>() : 0x6000;
        Emulated result;
        if (how & 64) {
            abi::PortIntercept const access{input.take<u16>(), static_cast<u8>(1 << input.take<u8>() % 3), static_cast<u8>(how & 1), 1, static_cast<u8>(input.take<u8>() & 1),
                                            static_cast<u8>(2 << input.take<u8>() % 3), static_cast<u8>(input.take<u8>() % 6)};
            result = emulate_port_string(guest.memory, guest.platform, state, access, registers);
        } else {
            static constexpr u64 bases[] = {IoApic::address, PciHost::ecam_base, PciHost::window_base, 0xb000'0000, area_at, area_at + large_page - 0x8000};
            abi::MemoryIntercept const access{bases[input.take<u8>() % 6] + input.take<u16>(), static_cast<u8>(how & 1), 0, 1, {}};
            result = emulate_memory(guest.memory, guest.platform, guest.cache, state, access, registers);
        }
        demand(result.next <= Emulated::Next::impossible && result.length <= 15);
        demand(result.next != Emulated::Next::skip || result.length > 0 || (how & 64));
        for (Page const& page : guest.pages)
            demand(std::all_of(page.bytes, page.bytes + page_size, [](u8 byte) { return byte == 0; }));   // nobody writes to an area
        demand(result.next != Emulated::Next::page_fault || (result.length < 8 && result.value));
        // And what a guest may do to its devices by itself.
        guest.platform.write_port(input.take<u16>() % 2 ? static_cast<u16>(0x3f8 + how % 8) : static_cast<u16>(0xcf8 + how % 8), 1u << how % 3, input.take<u32>());
        (void)guest.platform.read_port(static_cast<u16>(0x3f8 + how % 8), 1);
        (void)guest.platform.read_port(static_cast<u16>(0xcf8 + how % 8), 1u << how % 3);
        guest.platform.write_memory(IoApic::address + (how & 16), 4, input.take<u32>());
        guest.platform.clock.write(guest.memory, KvmClock::wall_clock_msr + (how & 1), input.take<u64>(), 5'000'000);
        while (!guest.out.empty())
            guest.out.pop();
    }
    return 0;
}
