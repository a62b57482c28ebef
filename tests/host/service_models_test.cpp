// SPDX-License-Identifier: Apache-2.0
//
// The devices a guest finds, driven as Linux drives them.
#include "drivers/model/platform.hpp"
#include "tests/host/service_fake.hpp"
#include <doctest/doctest.h>

using namespace kennel;
using namespace kennel::service;

namespace {

struct Machine {
    fake::World&    world = fake::reset();
    std::vector<u8> out_space = std::vector<u8>(64), in_space = std::vector<u8>(64);
    ByteRing        output{out_space}, input{in_space};
    Platform        platform{output, input};

    GuestMemory     memory;

    Machine() { platform.reset(77, memory); }

    void io_apic(u8 index, u32 value)
    {
        platform.write_memory(IoApic::address, 4, index);
        platform.write_memory(IoApic::address + 0x10, 4, value);
    }
    u32 io_apic(u8 index)
    {
        platform.write_memory(IoApic::address, 4, index);
        return static_cast<u32>(platform.read_memory(IoApic::address + 0x10, 4));
    }
    void unmask_uart() { io_apic(0x10 + 2 * 4, 0x31), io_apic(0x11 + 2 * 4, 0); }
    usize interrupts() const { return world.count(abi::Call::interrupt_raise); }

    u8   uart(u16 offset) { return static_cast<u8>(platform.read_port(static_cast<u16>(0x3f8 + offset), 1)); }
    void uart(u16 offset, u8 value) { platform.write_port(static_cast<u16>(0x3f8 + offset), 1, value); }
    std::string said()
    {
        std::string text;
        while (!output.empty())
            text += static_cast<char>(output.pop());
        return text;
    }
};

} // namespace

TEST_CASE("ioapic: version, masked at start, destination and vector in the message")
{
    Machine m;
    CHECK(m.io_apic(1) == 0x17'0011);
    CHECK(m.io_apic(0x10) == 0x1'0000);
    m.io_apic(0x18, 0x8031), m.io_apic(0x19, 0x0500'0000);
    m.platform.io_apic.set_input(4, true);
    m.platform.io_apic.set_input(4, true);
    REQUIRE(m.interrupts() == 1);
    fake::Made const& made = m.world.last(abi::Call::interrupt_raise);
    CHECK(made.rdi == 77);
    CHECK(made.rsi == 0xfee0'5000);
    CHECK((made.rdx & 0xff) == 0x31);
    m.platform.io_apic.set_input(4, false);
    m.platform.io_apic.set_input(4, true);
    CHECK(m.interrupts() == 2);
}

TEST_CASE("ioapic: an edge that comes while masked arrives when unmasked, once")
{
    Machine m;
    m.platform.io_apic.set_input(9, true);
    CHECK(m.interrupts() == 0);
    m.io_apic(0x10 + 18, 0x40);
    CHECK(m.interrupts() == 1);
    m.io_apic(0x10 + 18, 0x41);
    CHECK(m.interrupts() == 1);
}

TEST_CASE("ioapic: indices that do not exist read 0 and swallow writes")
{
    Machine m;
    for (u32 index : {3u, 0xfu, 0x40u, 0xffu}) {
        m.io_apic(static_cast<u8>(index), ~0u);
        CHECK(m.io_apic(static_cast<u8>(index)) == 0);
    }
    CHECK(m.platform.read_memory(IoApic::address + 0x20, 4) == 0);
}

TEST_CASE("uart: is a 16550A by Linux' probe: IER holds 4 bits, loopback works, FIFOs are there")
{
    Machine m;
    m.uart(1, 0);
    CHECK(m.uart(1) == 0);
    m.uart(1, 0xff);
    CHECK(m.uart(1) == 0x0f);
    m.uart(1, 0);
    m.uart(4, 0x1a);                                   // loopback, RTS, OUT2
    CHECK((m.uart(6) & 0xf0) == 0x90);
    m.uart(4, 0x0b);
    m.uart(2, 1);
    CHECK((m.uart(2) & 0xc0) == 0xc0);
    m.uart(2, 0x21);                                   // a 16750 would show bit 5
    CHECK((m.uart(2) & 0xe0) == 0xc0);
    m.uart(7, 0x5a);
    CHECK(m.uart(7) == 0x5a);
    m.uart(3, 0x83);
    m.uart(0, 0x12), m.uart(1, 0x34);
    CHECK(m.uart(0) == 0x12);
    CHECK(m.uart(1) == 0x34);
    m.uart(3, 3);
    CHECK((m.uart(5) & 0x60) == 0x60);                 // reading 0 here costs Linux 15 s
}

TEST_CASE("uart: the empty interrupt is raised when enabled, cleared by IIR, raised again by enabling anew")
{
    Machine m;
    m.unmask_uart();
    m.uart(2, 1);
    m.uart(1, 2);
    CHECK(m.interrupts() == 1);
    CHECK((m.uart(2) & 0xf) == 2);
    CHECK((m.uart(2) & 0xf) == 1);
    m.uart(1, 0);
    m.uart(1, 2);
    CHECK(m.interrupts() == 2);
    m.uart(2);
    m.uart(0, 'x');
    CHECK(m.interrupts() == 3);
    CHECK(m.said() == "x");
    CHECK(m.platform.uart.take_output_mark());
    CHECK_FALSE(m.platform.uart.take_output_mark());
}

TEST_CASE("uart: a full console holds the guest back, and says so when there is room again")
{
    Machine m;
    m.unmask_uart();
    m.uart(2, 1), m.uart(1, 2), m.uart(2);
    usize sent = 0;
    while (m.uart(5) & 0x20)
        m.uart(0, static_cast<u8>('a' + sent++ % 26));
    CHECK(sent == 64 - 15);
    CHECK(m.platform.uart.is_blocked());
    m.uart(2);
    usize const before = m.interrupts();
    m.platform.uart.rings_changed();
    CHECK(m.interrupts() == before);
    CHECK(m.said().size() == sent);
    m.platform.uart.rings_changed();
    CHECK(m.interrupts() == before + 1);
    CHECK((m.uart(5) & 0x20) != 0);
    for (u32 i = 0; i < 100; i++)                      // against our word: counted, not kept
        m.uart(0, '!');
    CHECK(m.said().size() == 64);
    CHECK(m.platform.uart.lost() == 36);
}

TEST_CASE("uart: input interrupts, is read in order, and waits outside when the FIFO is full")
{
    Machine m;
    m.unmask_uart();
    m.uart(2, 0x81);                                   // trigger at 8
    m.uart(1, 1);
    std::string const typed = "abcdefghijklmnopqrstuvwxyz";
    for (char c : typed)
        m.input.push(static_cast<u8>(c));
    m.platform.uart.rings_changed();
    CHECK(m.interrupts() == 1);
    CHECK(m.input.size() == typed.size() - 16);
    CHECK((m.uart(2) & 0xf) == 4);
    std::string read;
    while (m.uart(5) & 1)
        read += static_cast<char>(m.uart(0));
    CHECK(read == typed);
    CHECK((m.uart(2) & 0xf) == 1);
    m.input.push('x');
    m.platform.uart.rings_changed();
    CHECK((m.uart(2) & 0xf) == 0xc);                   // below the trigger: character timeout
    m.uart(2, 0);                                      // FIFOs off: what was there is gone
    CHECK((m.uart(5) & 1) == 0);
}

TEST_CASE("pci: what is there, what is not, and sizing a BAR")
{
    Machine m;
    auto read = [&](u32 device, u32 offset) {
        m.platform.write_port(0xcf8, 4, 0x8000'0000 | device << 11 | offset);
        return m.platform.read_port(0xcfc, 4);
    };
    auto write = [&](u32 device, u32 offset, u32 value) {
        m.platform.write_port(0xcf8, 4, 0x8000'0000 | device << 11 | offset);
        m.platform.write_port(0xcfc, 4, value);
    };
    CHECK(read(0, 0) == 0x0008'1b36);
    CHECK((read(0, 8) >> 8) == 0x06'0000);
    CHECK(read(1, 0) == 0x0011'1b36);
    CHECK(read(2, 0) == 0xffff'ffff);
    CHECK(read(31, 0) == 0xffff'ffff);
    CHECK((read(1, 0x3c) & 0xff00) == 0);              // no interrupt pin
    u32 const assigned = read(1, 0x10);
    CHECK(assigned == 0xc000'0000);
    CHECK((read(1, 4) & 2) == 2);                      // assigned and on before the guest starts
    write(1, 0x10, 0xffff'ffff);
    CHECK(read(1, 0x10) == 0xffff'f000);
    write(1, 0x10, assigned);
    CHECK(read(1, 0x14) == 0);
    write(1, 0, 0);
    CHECK(read(1, 0) == 0x0011'1b36);
    m.platform.write_port(0xcf8, 4, 0x8000'0000 | 1 << 11);
    CHECK(m.platform.read_port(0xcfe, 2) == 0x11);
    CHECK(m.platform.read_port(0xcfd, 1) == 0x1b);
    CHECK(m.platform.read_port(0xcff, 4) == 0xffff'ffff);   // across a word
    m.platform.write_port(0xcf8, 4, 0);
    CHECK(m.platform.read_port(0xcfc, 4) == 0xffff'ffff);   // not enabled
}

TEST_CASE("pci: ECAM says the same, and nothing beyond it")
{
    Machine m;
    u64 const ecam = PciHost::ecam_base;
    CHECK(m.platform.read_memory(ecam, 4) == 0x0008'1b36);
    CHECK(m.platform.read_memory(ecam + (1 << 15) + 2, 2) == 0x11);
    CHECK(m.platform.read_memory(ecam + (1 << 15) + 0x100, 4) == 0);
    CHECK(m.platform.read_memory(ecam + (1 << 12), 4) == 0xffff'ffff);      // function 1
    CHECK(m.platform.read_memory(ecam + PciHost::ecam_size, 4) == 0xffff'ffff);
    CHECK(m.platform.unclaimed == 1);
}

TEST_CASE("pvpanic: follows its BAR, and reports a panic")
{
    Machine m;
    CHECK(m.platform.read_memory(0xc000'0000, 1) == 3);
    m.platform.write_memory(0xc000'0000, 1, 2);
    CHECK(m.platform.take_happening() == Happening::none);
    m.platform.write_memory(PciHost::ecam_base + (1 << 15) + 0x10, 4, 0xd000'0000);
    CHECK(m.platform.read_memory(0xc000'0000, 1) == 0xff);
    m.platform.write_memory(0xd000'0000, 1, 1);
    CHECK(m.platform.take_happening() == Happening::panic);
    m.platform.write_memory(PciHost::ecam_base + (1 << 15) + 4, 2, 0);      // memory off
    CHECK(m.platform.read_memory(0xd000'0000, 1) == 0xff);
}

TEST_CASE("power: off and reset by their registers, and by nothing else")
{
    Machine m;
    m.platform.write_port(0x604, 1, 5 << 2);           // without SLP_EN
    m.platform.write_port(0x604, 1, 0x20 | 3 << 2);    // S3
    m.platform.write_port(0x600, 1, 2);
    m.platform.write_port(0xcf9, 1, 2);
    CHECK(m.platform.take_happening() == Happening::none);
    m.platform.write_port(0x604, 1, 0x34);
    CHECK(m.platform.take_happening() == Happening::power_off);
    m.platform.write_port(0x600, 1, 1);
    CHECK(m.platform.take_happening() == Happening::reset);
    m.platform.write_port(0xcf9, 1, 6);
    CHECK(m.platform.take_happening() == Happening::reset);
    CHECK(m.platform.take_happening() == Happening::none);
    CHECK(m.platform.read_port(0x605, 1) == 0);
}

TEST_CASE("kvm clock: ticks become nanoseconds within a part in a million, for any frequency")
{
    for (u64 hz : {1'000'000ull, 100'007'000ull, 999'999'999ull, 1'000'000'000ull, 2'000'000'000ull, 3'500'000'000ull, 5'700'000'000ull}) {
        TickScale const scale = TickScale::for_frequency(hz);
        for (u64 seconds : {1ull, 3600ull, 86'400ull * 30}) {
            double const expected = 1e9 * static_cast<double>(seconds);
            CHECK(static_cast<double>(scale.nanoseconds(hz * seconds)) == doctest::Approx(expected).epsilon(1e-6));
        }
    }
}

TEST_CASE("kvm clock: both structures as Linux reads them, and nothing outside RAM")
{
    fake::reset();
    std::vector<u8> ram(4096);
    GuestMemory memory;
    memory.add(ram.data(), ram.size());
    abi::InfoPage info{};
    info.tsc_hz = 1'000'000'000;
    info.wall_clock_ns = 1'700'000'000ull * 1'000'000'000;
    info.wall_clock_tsc = 500;
    KvmClock clock;
    clock.reset(info, 500 + 2'000'000'000ull);         // the guest starts two seconds after the loader looked

    CHECK(clock.write(memory, KvmClock::wall_clock_msr, 0x100, 0));
    u32 wall[3];
    memory.copy_in(0x100, wall);
    CHECK(wall[0] % 2 == 0);
    CHECK(wall[1] + wall[2] / 1e9 == doctest::Approx(1'700'000'002));

    CHECK(clock.write(memory, KvmClock::system_time_msr, 0x201, 500 + 5'000'000'000ull));
    u64 words[4];
    memory.copy_in(0x200, words);
    CHECK((words[0] & 1) == 0);
    CHECK(words[1] == 500 + 5'000'000'000ull);
    CHECK(static_cast<double>(words[2]) == doctest::Approx(3e9).epsilon(1e-6));
    CHECK((words[3] >> 40 & 0xff) == 1);               // stable
    CHECK(clock.read(KvmClock::system_time_msr) == 0x201);

    CHECK_FALSE(clock.write(memory, KvmClock::system_time_msr, 0xff1, 0));
    CHECK_FALSE(clock.write(memory, KvmClock::wall_clock_msr, ~0ull, 0));
    CHECK(clock.write(memory, KvmClock::system_time_msr, ~1ull, 0));        // off: the address does not matter
    CHECK_FALSE(clock.write(memory, 0x11, 0, 0));
}
