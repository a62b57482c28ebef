// SPDX-License-Identifier: Apache-2.0
//
// Instructions on a device's memory: walked to, decoded, carried out. The bytes of each are written out, and what they
// mean stands beside them.
#include "drivers/model/emulate.hpp"
#include "tests/host/service_fake.hpp"
#include <doctest/doctest.h>

using namespace kennel;
using namespace kennel::service;

namespace {

constexpr u64 code = 0x5'0000, io_apic_window = IoApic::address + 0x10;

struct Cpu {
    std::vector<u8> ram = std::vector<u8>(4 << 20), out_space = std::vector<u8>(64), in_space = std::vector<u8>(64);
    ByteRing    output{out_space}, input{in_space};
    GuestMemory memory;
    Platform    platform{output, input};
    DecodeCache cache;
    abi::ExecutionState state{};
    abi::Registers registers{};

    Cpu()
    {
        fake::reset();
        memory.add(ram.data(), ram.size());
        platform.reset(1, memory);
        // 4-level tables: the first 4 MiB and the device pages at their own addresses, in 2 MiB leaves.
        put(0x1000, 0x2007), put(0x2000, 0x3007), put(0x2018, 0x4007);
        put(0x3000, 0x87), put(0x3008, 0x20'0087);
        for (u64 i = 0; i < 512; i++)
            put(0x4000 + 8 * i, (0xc000'0000 + i * large_page) | 0x87);
        state.cr0 = 0x8001'0011, state.cr3 = 0x1000, state.cr4 = 0x20, state.efer = 0xd00, state.cs_access = 0xa09b;
        state.rip = code, state.rflags = 2, state.complete = 1;
    }
    void put(u64 at, u64 value) { memory.copy_out(at, value); }
    void bytes(u64 at, std::initializer_list<int> list)
    {
        for (int b : list)
            memory.copy_out(at++, static_cast<u8>(b));
    }
    Emulated run(u64 address, bool write = false) { return emulate_memory(memory, platform, cache, state, {address, write, 0, 1, {}}, registers); }
    Emulated run(std::initializer_list<int> list, u64 address = IoApic::address, bool write = false)
    {
        bytes(state.rip, list);
        return run(address, write);
    }
    // The I/O APIC's entry 0, low word: a register of 17 bits to play with.
    void select() { platform.write_memory(IoApic::address, 4, 0x10); }
    u32  entry() { select(); return static_cast<u32>(platform.read_memory(io_apic_window, 4)); }
    void entry(u32 value) { select(); platform.write_memory(io_apic_window, 4, value); }
};

void check_page_fault(Emulated const& result, u32 error, u64 address)
{
    CHECK(result.next == Emulated::Next::page_fault);
    CHECK(result.length == error);
    CHECK(result.value == address);
}

void check_skip(Emulated const& result, u32 length)
{
    CHECK(result.next == Emulated::Next::skip);
    CHECK(result.length == length);
}

} // namespace

TEST_CASE("emulate: loads of each width follow the register's rules")
{
    Cpu cpu;
    cpu.entry(0x1'a5c3);
    cpu.registers.rax = cpu.registers.rcx = cpu.registers.rdx = cpu.registers.r9 = 0x1111'2222'3333'4444;
    check_skip(cpu.run({0x8b, 0x07}, io_apic_window), 2);                    // mov (%rdi), %eax
    CHECK(cpu.registers.rax == 0x1'a5c3);
    check_skip(cpu.run({0x8a, 0x2f}, io_apic_window), 2);                    // mov (%rdi), %ch
    CHECK(cpu.registers.rcx == 0x1111'2222'3333'c344);
    check_skip(cpu.run({0x66, 0x8b, 0x17}, io_apic_window), 3);              // mov (%rdi), %dx
    CHECK(cpu.registers.rdx == 0x1111'2222'3333'a5c3);
    check_skip(cpu.run({0x44, 0x0f, 0xb7, 0x0f}, io_apic_window), 4);        // movzwl (%rdi), %r9d
    CHECK(cpu.registers.r9 == 0xa5c3);
    check_skip(cpu.run({0x48, 0x0f, 0xbe, 0x07}, io_apic_window), 4);        // movsbq (%rdi), %rax
    CHECK(cpu.registers.rax == 0xffff'ffff'ffff'ffc3);
    check_skip(cpu.run({0x48, 0x63, 0x07}, io_apic_window), 3);              // movslq (%rdi), %rax
    CHECK(cpu.registers.rax == 0x1'a5c3);
    check_skip(cpu.run({0x8b, 0x07}, 0xb000'0000), 2);                       // nobody there
    CHECK(cpu.registers.rax == 0xffff'ffff);
    check_skip(cpu.run({0x40, 0x8a, 0x37}, io_apic_window), 3);              // mov (%rdi), %sil
    CHECK((cpu.registers.rsi & 0xff) == 0xc3);
}

TEST_CASE("emulate: stores of registers and immediates")
{
    Cpu cpu;
    cpu.select();
    cpu.registers.r8 = 0xffff'ffff'0000'8123;
    check_skip(cpu.run({0x44, 0x89, 0x07}, io_apic_window, true), 3);        // mov %r8d, (%rdi)
    CHECK(cpu.entry() == 0x8123);
    check_skip(cpu.run({0xc7, 0x47, 0x10, 0x45, 0x81, 0, 0}, io_apic_window, true), 7);   // movl $0x8145, 16(%rdi)
    CHECK(cpu.entry() == 0x8145);
    cpu.registers.rax = 0x10;
    check_skip(cpu.run({0xa2, 0, 0, 0xc0, 0xfe, 0, 0, 0, 0}, IoApic::address, true), 9);  // movabs %al, 0xfec00000
    CHECK(cpu.platform.read_memory(IoApic::address, 4) == 0x10);
    check_skip(cpu.run({0x88, 0x27}, IoApic::address, true), 2);             // mov %ah, (%rdi)
    CHECK(cpu.platform.read_memory(IoApic::address, 4) == 0);
    cpu.select();
    check_skip(cpu.run({0x4c, 0x0f, 0xc3, 0x07}, io_apic_window, true), 4);  // movnti %r8, (%rdi)
    CHECK(cpu.entry() == 0x8123);
}

TEST_CASE("emulate: operations change the register or the device, and the flags as the manual says")
{
    constexpr u64 carry = 1, parity = 4, adjust = 0x10, zero = 0x40, sign = 0x80, overflow = 0x800;
    Cpu cpu;
    cpu.entry(0x8055);
    auto result = cpu.run({0xf7, 0x07, 0xaa, 0, 0, 0}, io_apic_window);      // testl $0xaa, (%rdi)
    check_skip(result, 6);
    CHECK(result.value == (zero | parity));
    result = cpu.run({0x81, 0x3f, 0x55, 0x80, 0, 0}, io_apic_window);        // cmpl $0x8055, (%rdi)
    CHECK(result.value == (zero | parity));
    cpu.registers.rax = 0x8056;
    result = cpu.run({0x39, 0x07}, io_apic_window);                          // cmp %eax, (%rdi): 0x8055 - 0x8056
    CHECK(result.value == (carry | adjust | sign | parity));
    result = cpu.run({0x3b, 0x07}, io_apic_window);                          // cmp (%rdi), %eax: 1
    CHECK(result.value == 0);
    result = cpu.run({0x83, 0x0f, 0x02}, io_apic_window, true);              // orl $2, (%rdi)
    CHECK(result.value == parity * (__builtin_parity(0x57) == 0));
    CHECK(cpu.entry() == 0x8057);
    cpu.run({0x83, 0x27, 0x0f}, io_apic_window, true);                       // andl $15, (%rdi)
    CHECK(cpu.entry() == 7);
    cpu.run({0x83, 0x37, 0x01}, io_apic_window, true);                       // xorl $1, (%rdi)
    CHECK(cpu.entry() == 6);
    cpu.registers.rcx = 0xffff'ffff'7fff'ffff;
    result = cpu.run({0x03, 0x0f}, io_apic_window);                          // add (%rdi), %ecx
    CHECK(cpu.registers.rcx == 0x8000'0005);
    CHECK(result.value == (overflow | sign | adjust | parity));
    cpu.run({0x83, 0x2f, 0x02}, io_apic_window, true);                       // subl $2, (%rdi)
    CHECK(cpu.entry() == 4);
    cpu.registers.rdx = 0x33;
    check_skip(cpu.run({0x87, 0x17}, io_apic_window, true), 2);              // xchg %edx, (%rdi)
    CHECK(cpu.registers.rdx == 4);
    CHECK(cpu.entry() == 0x33);
}

TEST_CASE("emulate: strings between RAM and a device, one element at a time")
{
    Cpu cpu;
    cpu.select();
    cpu.put(0x6000, 0x0000'0042'0000'0041);
    cpu.registers.rsi = 0x6000, cpu.registers.rdi = io_apic_window, cpu.registers.rcx = 2;
    auto result = cpu.run({0xf3, 0xa5}, io_apic_window, true);               // rep movsl
    CHECK(result.next == Emulated::Next::retry);
    CHECK(cpu.entry() == 0x41);
    CHECK(cpu.registers.rcx == 1);
    CHECK(cpu.registers.rsi == 0x6004);
    cpu.registers.rdi = io_apic_window;
    check_skip(cpu.run(io_apic_window, true), 2);
    CHECK(cpu.entry() == 0x42);
    CHECK(cpu.registers.rcx == 0);

    cpu.registers.rsi = io_apic_window, cpu.registers.rdi = 0x6100, cpu.state.rflags |= 0x400;
    check_skip(cpu.run({0xa5}, io_apic_window), 1);                          // movsl, downwards
    u32 word = 0;
    cpu.memory.copy_in(0x6100, word);
    CHECK(word == 0x42);
    CHECK(cpu.registers.rdi == 0x60fc);
    cpu.state.rflags = 2;
    cpu.registers.rax = 0x50, cpu.registers.rdi = io_apic_window;
    check_skip(cpu.run({0xab}, io_apic_window, true), 1);                    // stosl
    CHECK(cpu.entry() == 0x50);
    cpu.registers.rsi = io_apic_window, cpu.registers.rdi = 0x80'0000;       // not mapped
    check_page_fault(cpu.run({0xa5}, io_apic_window), 2, 0x80'0000);
    cpu.registers.rsi = 0x80'0004, cpu.registers.rdi = io_apic_window;
    check_page_fault(cpu.run({0xa5}, io_apic_window, true), 0, 0x80'0004);
    CHECK(cpu.entry() == 0x50);
}

TEST_CASE("emulate: what is remembered is used only while bytes, tables and state are the same")
{
    Cpu cpu;
    cpu.entry(0x22);
    check_skip(cpu.run({0x8b, 0x07}, io_apic_window), 2);
    check_skip(cpu.run(io_apic_window), 2);
    cpu.registers.rbx = 0;
    check_skip(cpu.run({0x8b, 0x1f}, io_apic_window), 2);                    // the code changed: mov (%rdi), %ebx
    CHECK(cpu.registers.rbx == 0x22);
    cpu.bytes(0x25'0000, {0x8b, 0x0f});                                      // mov (%rdi), %ecx in another page ...
    cpu.put(0x3000, 0x20'0087);                                              // ... which is now where the code was
    cpu.registers.rbx = cpu.registers.rcx = 0;
    check_skip(cpu.run(io_apic_window), 2);
    CHECK(cpu.registers.rcx == 0x22);
    CHECK(cpu.registers.rbx == 0);
    cpu.put(0x3000, 0);                                                      // and now it is gone
    CHECK(cpu.run(io_apic_window).next == Emulated::Next::impossible);
}

TEST_CASE("emulate: an instruction across two pages, and one that ends before a missing page")
{
    Cpu cpu;
    cpu.entry(0x23);
    // 4 KiB leaves for the first 2 MiB; page 0x51 lies elsewhere.
    cpu.put(0x3000, 0x5007);
    for (u64 i = 0; i < 512; i++)
        cpu.put(0x5000 + 8 * i, (i << 12) | 7);
    cpu.put(0x5000 + 8 * 0x51, 0x6'0007);
    cpu.state.rip = 0x5'0ffe;
    cpu.bytes(0x5'0ffe, {0x0f, 0xb7});
    cpu.bytes(0x6'0000, {0x07});                                             // movzwl (%rdi), %eax
    check_skip(cpu.run(io_apic_window), 3);
    CHECK(cpu.registers.rax == 0x23);
    cpu.put(0x5000 + 8 * 0x51, 0);
    CHECK(cpu.run(io_apic_window).next == Emulated::Next::impossible);
    cpu.bytes(0x5'0ffe, {0x8b, 0x0f});
    check_skip(cpu.run(io_apic_window), 2);
    CHECK(cpu.registers.rcx == 0x23);
}

TEST_CASE("emulate: refuses clearly what it does not carry out")
{
    Cpu cpu;
    for (auto const& list : {std::initializer_list<int>{0x0f, 0x0b},         // ud2
                             {0xff, 0x17},                                   // call *(%rdi)
                             {0xf3, 0x0f, 0x6f, 0x07},                       // movdqu (%rdi), %xmm0
                             {0x0f, 0xc3, 0xc1},                             // movnti %eax, %ecx: there is none
                             {0x8b, 0xc1},                                   // mov %ecx, %eax: touches no memory
                             {0x13, 0x07}}) {                                // adc (%rdi), %eax
        auto const result = cpu.run(list);
        CHECK(result.next == Emulated::Next::impossible);
        CHECK(std::string_view{result.why}.size() > 10);
    }
    CHECK(emulate_memory(cpu.memory, cpu.platform, cpu.cache, cpu.state, {0xb000'0000, 0, 1, 0, {}}, cpu.registers).next == Emulated::Next::impossible);
}

TEST_CASE("paging: PAE, 32-bit with both page sizes, and none")
{
    Cpu cpu;
    constexpr u64 absent = ~0ull - 1, forbidden = ~0ull - 2, outside = ~0ull - 3;
    auto walk = [&](u64 linear, Reach reach = Reach::read) {
        auto const address = translate(cpu.memory, cpu.state, linear, reach);
        return address ? *address : address.error() == Unreachable::absent ? absent : address.error() == Unreachable::forbidden ? forbidden : outside;
    };
    CHECK(walk(0x12'3456) == 0x12'3456);
    CHECK(walk(0x40'0000) == absent);
    CHECK(walk(1ull << 39) == absent);

    cpu.put(0x3000, 0x85);                                                   // read-only
    CHECK(walk(0x1000, Reach::write) == forbidden);
    cpu.state.cr0 &= ~0x1'0000ull;                                           // without CR0.WP the supervisor may
    CHECK(walk(0x1000, Reach::write) == 0x1000);
    cpu.state.cpl = 3;
    CHECK(walk(0x1000, Reach::write) == forbidden);
    cpu.put(0x3000, 0x83);
    CHECK(walk(0x1000) == forbidden);                                        // not the user's
    cpu.put(0x2000, 0x3003);
    CHECK(walk(0x40'0000) == absent);                                        // nor is the way there, but a missing page counts first
    CHECK(page_fault_code(cpu.state, Reach::write, Unreachable::forbidden) == 7);
    CHECK(page_fault_code(cpu.state, Reach::read, Unreachable::absent) == 4);

    cpu.state = {};
    cpu.state.cr0 = 0x8000'0011, cpu.state.cr4 = 0x20, cpu.state.cr3 = 0x7020;
    cpu.put(0x7020 + 8, 0x3001);
    cpu.put(0x3000, 0x20'0083);
    CHECK(walk(0x4000'0123) == 0x20'0123);
    CHECK(walk(0x123) == absent);

    cpu.state.cr4 = 0x10, cpu.state.cr3 = 0x8000;
    cpu.memory.copy_out(0x8000, u32{0x40'0083 & ~0x40'0000u});
    cpu.memory.copy_out(0x8004, u32{0x9003});
    cpu.memory.copy_out(0x9000 + 4 * 5, u32{0x1'1003});
    CHECK(walk(0x1234) == 0x1234);
    CHECK(walk(0x40'5678) == 0x1'1678);
    CHECK(walk(0x40'6000) == absent);
    CHECK(walk(0x80'0000) == absent);
    cpu.memory.copy_out(0x9000 + 4 * 6, u32{0x1'1001});
    cpu.state.cr0 |= 0x1'0000;
    CHECK(walk(0x40'6000, Reach::write) == forbidden);

    cpu.state.cr0 = 0x11;
    CHECK(walk(0x1'2345'6789) == 0x2345'6789);
    cpu.state.cr0 = 0x8000'0011, cpu.state.cr4 = 0x20, cpu.state.efer = 0xd00, cpu.state.cr3 = 0xf'ffff'f000;   // tables outside RAM
    CHECK(walk(0) == outside);
}

TEST_CASE("emulate: string port accesses move bounded amounts and end exactly")
{
    Cpu cpu;
    for (u32 i = 0; i < 300; i++)
        cpu.memory.copy_out(0x6000 + i, static_cast<u8>('a' + i % 26));
    cpu.registers.rsi = 0x6000, cpu.registers.rcx = 300;
    abi::PortIntercept const outs{0x3ff, 1, 0, 1, 1, 8, 3};
    auto result = emulate_port_string(cpu.memory, cpu.platform, cpu.state, outs, cpu.registers);
    CHECK(result.next == Emulated::Next::retry);
    CHECK(cpu.registers.rcx == 44);
    result = emulate_port_string(cpu.memory, cpu.platform, cpu.state, outs, cpu.registers);
    CHECK(result.next == Emulated::Next::skip);
    CHECK(cpu.registers.rsi == 0x6000 + 300);
    CHECK(cpu.platform.read_port(0x3ff, 1) == 'a' + 299 % 26);
    cpu.registers.rdi = 0x7000, cpu.registers.rcx = 3;
    CHECK(emulate_port_string(cpu.memory, cpu.platform, cpu.state, {0x3ff, 1, 1, 1, 1, 8, 0}, cpu.registers).next == Emulated::Next::skip);
    u8 last = 0;
    cpu.memory.copy_in(0x7002, last);
    CHECK(last == 'a' + 299 % 26);
    cpu.registers.rcx = 0;
    CHECK(emulate_port_string(cpu.memory, cpu.platform, cpu.state, outs, cpu.registers).next == Emulated::Next::skip);
    cpu.state.cr3 = 0xf'ffff'f000, cpu.registers.rcx = 1;                    // page tables outside RAM
    CHECK(emulate_port_string(cpu.memory, cpu.platform, cpu.state, outs, cpu.registers).next == Emulated::Next::impossible);
}

TEST_CASE("emulate: a string port access that faults has done what came before, and goes on behind it")
{
    Cpu cpu;
    // 4 KiB leaves for the first 2 MiB; nothing at page 0x62.
    cpu.put(0x3000, 0x5007);
    for (u64 i = 0; i < 512; i++)
        cpu.put(0x5000 + 8 * i, i == 0x62 ? 0 : (i << 12) | 7);
    cpu.bytes(0x6'1ffe, {0x11, 0x22, 0x33, 0x44});
    abi::PortIntercept const outs{0x3ff, 1, 0, 1, 1, 8, 3}, ins{0x3ff, 1, 1, 1, 1, 8, 0};
    auto run = [&](abi::PortIntercept const& access) { return emulate_port_string(cpu.memory, cpu.platform, cpu.state, access, cpu.registers); };
    cpu.registers.rsi = 0x6'1ffe, cpu.registers.rcx = 4;
    check_page_fault(run(outs), 0, 0x6'2000);
    CHECK(cpu.registers.rsi == 0x6'2000);
    CHECK(cpu.registers.rcx == 2);
    CHECK(cpu.platform.read_port(0x3ff, 1) == 0x22);
    cpu.put(0x5000 + 8 * 0x62, 0x6'2005);                                    // there, and read-only
    CHECK(run(outs).next == Emulated::Next::skip);
    CHECK(cpu.platform.read_port(0x3ff, 1) == 0x44);

    cpu.registers.rdi = 0x6'1fff, cpu.registers.rcx = 2;
    check_page_fault(run(ins), 3, 0x6'2000);
    CHECK(cpu.registers.rcx == 1);
    cpu.state.cpl = 3;
    check_page_fault(run(ins), 7, 0x6'2000);
    cpu.state.cpl = 0;
    cpu.registers.rdi = 0x8000'0000'0000;
    CHECK(run(ins).next == Emulated::Next::general_protection);

    // One element in two pages: all of it or nothing.
    cpu.put(0x5000 + 8 * 0x62, 0);
    abi::PortIntercept const out{0xcf8, 4, 0, 1, 0, 8, 3}, in{0xcf8, 4, 1, 1, 0, 8, 0};
    cpu.bytes(0x6'1ffd, {0x04, 0x08, 0x01});
    cpu.bytes(0x6'2000, {0x80});
    cpu.registers.rsi = 0x6'1ffd;
    check_page_fault(run(out), 0, 0x6'2000);
    CHECK(cpu.registers.rsi == 0x6'1ffd);
    cpu.put(0x5000 + 8 * 0x62, 0x6'2007);
    CHECK(run(out).next == Emulated::Next::skip);
    CHECK(cpu.platform.read_port(0xcf8, 4) == 0x8001'0804);
    cpu.registers.rdi = 0x6'2ffd;
    CHECK(run(in).next == Emulated::Next::skip);
    u32 word = 0;
    cpu.memory.copy_in(0x6'2ffd, word);
    CHECK(word == 0x8001'0804);

    // Not in 64-bit code an address wraps at 4 GiB.
    cpu.state.cs_access = 0xc09b, cpu.state.ds_base = 0xffff'f000;
    cpu.registers.rsi = 0x6'2ffe, cpu.registers.rcx = 1;
    CHECK(run({0x3ff, 1, 0, 1, 1, 4, 3}).next == Emulated::Next::skip);
    CHECK(cpu.platform.read_port(0x3ff, 1) == 0x08);
}
