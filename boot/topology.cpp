// SPDX-License-Identifier: Apache-2.0
//
// See topology.hpp.
#include "boot/topology.hpp"
#include "boot/instructions.hpp"
#include "boot/mp_services.hpp"
#include "boot/processor.hpp"
#include <atomic>

namespace kennel::boot {

namespace {

constexpr u32 rounds     = 64;
constexpr u32 most_spins = 100'000'000;   // while the other side is silent

// What the boot processor and another one exchange while the latter runs meet().
struct Meeting {
    std::atomic<u32> question{0};        // round + 1: the boot processor asks for the TSC
    std::atomic<u32> answer{0};          // round + 1: `tsc` is the other processor's
    std::atomic<u64> tsc{0};
    std::atomic<u32> fault{0};           // ProcessorFault
};

void EFIAPI meet(void* argument)
{
    auto& meeting = *static_cast<Meeting*>(argument);
    meeting.fault.store(static_cast<u32>(enable_vmx()));
    for (u32 round = 1; round <= rounds; round++) {
        for (u32 spins = 0; meeting.question.load(std::memory_order_acquire) != round; spins++) {
            if (spins > most_spins)
                return;
            pause();
        }
        meeting.tsc.store(read_tsc(), std::memory_order_relaxed);
        meeting.answer.store(round, std::memory_order_release);
    }
}

struct Comparison { bool answered = false; u64 round_trip = ~u64{0}; s64 ahead = 0; };

// Each round gives the other's TSC between two of ours; the fastest one bounds the difference best.
Comparison compare(Meeting& meeting)
{
    Comparison best;
    for (u32 round = 1; round <= rounds; round++) {
        u64 const before = read_tsc();
        meeting.question.store(round, std::memory_order_release);
        for (u32 spins = 0; meeting.answer.load(std::memory_order_acquire) != round; spins++) {
            if (spins > most_spins)
                return best;
            pause();
        }
        u64 const after = read_tsc();
        best.answered = true;
        if (after - before < best.round_trip) {
            best.round_trip = after - before;
            best.ahead = static_cast<s64>(meeting.tsc.load(std::memory_order_relaxed) - before - (after - before) / 2);
        }
    }
    return best;
}

// Runs meet() on one processor. False: it must be left out.
bool visit(Screen& screen, Firmware const& firmware, MpServices& services, UINTN number, u32 apic_id)
{
    static constinit Meeting meetings[abi::max_cpus];   // one each: a late processor must not disturb the next
    static constinit u32 used = 0;
    if (used == abi::max_cpus)
        return true;
    Meeting& meeting = meetings[used++];
    EFI_BOOT_SERVICES& boot = *firmware.system().BootServices;
    EFI_EVENT done = nullptr;
    if (boot.CreateEvent(0, 0, nullptr, nullptr, &done) != EFI_SUCCESS)
        return true;
    constexpr UINTN one_second = 1'000'000;
    if (services.startup_this_ap(&services, meet, number, done, one_second, &meeting, nullptr) != EFI_SUCCESS) {
        screen.say("cpu with APIC id ", apic_id, ": the firmware cannot start it for a check");
        boot.CloseEvent(done);
        return true;
    }
    Comparison const result = compare(meeting);
    bool finished = false;
    for (u32 wait = 0; wait < 2000 && !finished; wait++) {
        finished = boot.CheckEvent(done) == EFI_SUCCESS;
        if (!finished)
            boot.Stall(1000);
    }
    boot.CloseEvent(done);
    if (!result.answered || !finished) {
        screen.say("cpu with APIC id ", apic_id, ": did not answer the firmware; left out");
        return false;
    }
    if (meeting.fault.load() != 0) {
        screen.say("cpu with APIC id ", apic_id, ": VT-x is missing, or switched off and locked; left out");
        return false;
    }
    u64 const distance = static_cast<u64>(result.ahead < 0 ? -result.ahead : result.ahead);
    if (distance > result.round_trip)
        screen.say("cpu with APIC id ", apic_id, ": its TSC is ", distance, result.ahead < 0 ? " ticks behind" : " ticks ahead of",
                   " the boot processor's; time will differ between guests' processors");
    return true;
}

void add_processor(Screen& screen, abi::BootInfo& info, u32 apic_id, bool is_boot)
{
    if (info.cpu_count == abi::max_cpus) {
        screen.say("cpu with APIC id ", apic_id, ": more than ", abi::max_cpus, " processors; left out");
        return;
    }
    info.cpus[info.cpu_count++] = {.apic_id = apic_id, .is_boot = is_boot ? 1u : 0u};
}

void add_others(Screen& screen, Firmware const& firmware, AcpiFacts const& facts, abi::BootInfo& info)
{
    u32 const own = boot_apic_id();
    auto* const services = firmware.protocol<MpServices>(mp_services_guid);
    UINTN all = 0, enabled = 0;
    if (services != nullptr && services->get_number_of_processors(services, &all, &enabled) == EFI_SUCCESS) {
        for (UINTN n = 0; n < all; n++) {
            ProcessorInformation cpu{};
            if (services->get_processor_info(services, n, &cpu) != EFI_SUCCESS || (cpu.status & processor_is_boot) != 0)
                continue;
            auto const apic_id = static_cast<u32>(cpu.processor_id);
            if ((cpu.status & processor_enabled) == 0 || (cpu.status & processor_healthy) == 0)
                screen.say("cpu with APIC id ", apic_id, ": the firmware has it disabled; left out");
            else if (visit(screen, firmware, *services, n, apic_id))
                add_processor(screen, info, apic_id, false);
        }
        return;
    }
    for (u32 const apic_id : facts.apic_ids.all())
        if (apic_id != own)
            add_processor(screen, info, apic_id, false);
    if (info.cpu_count > 1)
        screen.say("cpu: the firmware offers no multi-processor services; the other processors are checked later");
}

// Where the architecture puts the first IOAPIC; absent registers read as all ones. 82093AA, "IOAPIC Registers".
bool has_io_apic_at(u64 address)
{
    auto* const select = reinterpret_cast<u32 volatile*>(address);
    auto* const window = reinterpret_cast<u32 volatile*>(address + 0x10);
    constexpr u32 version_register = 1;
    *select = version_register;
    u32 const version = *window;
    return version != 0xffff'ffff && version != 0 && (version >> 16 & 0xff) >= 15;   // at least 16 inputs
}

} // namespace

void find_processors(Screen& screen, Firmware const& firmware, AcpiFacts const& facts, abi::BootInfo& info)
{
    add_processor(screen, info, boot_apic_id(), true);
    add_others(screen, firmware, facts, info);
    if (facts.apic_ids.left_out > 0 || facts.io_apics.left_out > 0)
        screen.say("cpu: the MADT lists more processors or IOAPICs than Kennel has room for");

    for (abi::IoApic const& io : facts.io_apics.all())
        info.io_apics[info.io_apic_count++] = io;
    for (abi::LineOverride const& line : facts.overrides.all())
        info.overrides[info.override_count++] = line;

    constexpr u64 usual_io_apic = 0xfec0'0000;
    if (info.io_apic_count == 0 && has_io_apic_at(usual_io_apic)) {
        info.io_apics[info.io_apic_count++] = {.address = usual_io_apic, .first_line = 0, .reserved = 0};
        // MultiProcessor Specification, "Default Configurations": the PIT is wired to input 2.
        info.overrides[info.override_count++] = {.isa_line = 0, .global_line = 2, .level = 0, .active_low = 0};
    }
    screen.say("cpu: ", info.cpu_count, info.cpu_count == 1 ? " processor, " : " processors, ", info.io_apic_count, " IOAPIC",
               info.io_apic_count == 1 ? "" : "s", facts.apic_ids.count > 0 ? " (ACPI)" : " (no ACPI MADT: asked the firmware)");
}

} // namespace kennel::boot
