// SPDX-License-Identifier: Apache-2.0
//
// The loader's story, top to bottom: look at the machine, refuse it or say what it has, bring hypervisor, services and
// files into memory, share the memory out, leave the firmware, jump. Nothing of it stays behind.
#include "boot/clock.hpp"
#include "boot/framebuffer.hpp"
#include "boot/handover.hpp"
#include "boot/instructions.hpp"
#include "boot/load.hpp"
#include "boot/processor.hpp"
#include "boot/serial.hpp"
#include "boot/topology.hpp"
#include <algorithm>
#include <cstring>

extern "C" kennel::u64 __stack_chk_guard;

namespace kennel::boot {

namespace {

constexpr EFI_GUID acpi_1_table{0xeb9d2d30, 0x2d88, 0x11d3, {0x9a, 0x16, 0x00, 0x90, 0x27, 0x3f, 0xc1, 0x4d}};
constexpr EFI_GUID acpi_2_table{0x8868e871, 0xe4f1, 0x11d3, {0xbc, 0x22, 0x00, 0x80, 0xc7, 0x3c, 0x88, 0x81}};

constexpr u64 four_gib = u64{1} << 32;

// Too large for the stack the firmware gives us. All of it is dead once hv runs, except through the copy of `info`.
constinit abi::BootInfo info{};
constinit AcpiFacts     acpi{};
constinit MemoryPlan    plan{};

// Tables are read only where the firmware's map says memory is: a bad address is then a fault of the table, not ours.
class FirmwareTables final : public TableReader {
public:
    explicit FirmwareTables(Firmware& firmware) : map_(firmware.memory()) {}

    std::span<u8 const> bytes(u64 physical, u64 size) const override
    {
        for (FirmwareRange const& range : map_)
            if (range.use != FirmwareUse::device && physical >= range.base && size <= range.size && physical - range.base <= range.size - size)
                return {reinterpret_cast<u8 const*>(physical), size};
        return {};
    }

private:
    std::span<FirmwareRange const> map_;
};

void find_acpi(Screen& screen, Firmware& firmware)
{
    info.rsdp = firmware.configuration_table(acpi_2_table);
    if (info.rsdp == 0)
        info.rsdp = firmware.configuration_table(acpi_1_table);
    if (info.rsdp == 0) {
        screen.say("acpi: the firmware publishes no tables");
        info.power = no_power_control();
        return;
    }
    read_acpi(FirmwareTables(firmware), info.rsdp, acpi);
    info.power = acpi.power;
    screen.say("acpi: root pointer at ", Hex{info.rsdp}, ", ", acpi.table_count, " tables");
    for (AcpiFault const& fault : acpi.faults.all())
        screen.say("acpi: table ", fault.table, " left out: ", fault.what);

    screen.say("acpi: ", acpi.apic_ids.count, " processors, local APIC at ", Hex{acpi.local_apic});
    for (abi::IoApic const& io : acpi.io_apics.all())
        screen.say("acpi: IOAPIC at ", Hex{io.address}, " from line ", io.first_line);
    for (abi::LineOverride const& line : acpi.overrides.all())
        screen.say("acpi: ISA line ", line.isa_line, " is line ", line.global_line, line.level != 0 ? ", level" : ", edge",
                   line.active_low != 0 ? ", active low" : ", active high");
    for (EcamWindow const& window : acpi.ecam.all())
        screen.say("acpi: ECAM at ", Hex{window.base}, ", segment ", window.segment, ", buses ", window.first_bus, " to ", window.last_bus);
    if (acpi.hpet != 0)
        screen.say("acpi: HPET at ", Hex{acpi.hpet});
    if (acpi.pm_timer != 0)
        screen.say("acpi: PM timer at port ", Hex{acpi.pm_timer});
    if (acpi.remapping_units != 0)
        screen.say("acpi: ", acpi.remapping_units, " DMA remapping units (not used yet)");
    if (info.power.reset_space != abi::AddressSpace::none)
        screen.say("acpi: reset register in ", info.power.reset_space == abi::AddressSpace::port ? "port" :
                   info.power.reset_space == abi::AddressSpace::memory ? "memory" : "PCI configuration", " space at ",
                   Hex{info.power.reset_address}, ", value ", Hex{info.power.reset_value});
    if (info.power.sleep_known != 0)
        screen.say("acpi: S5 (power off) is SLP_TYP ", u32{info.power.sleep_a}, ",", u32{info.power.sleep_b}, " in PM1 control at ports ",
                   Hex{info.power.pm1a_control}, ",", Hex{info.power.pm1b_control});
}

// COM2 is hv's log, COM1 the service's. With one port they share it: hv then speaks before the service, and in a panic.
void assign_ports(Screen& screen, ManifestReader const& manifest)
{
    bool const first = serial_present(console_port_base);
    bool const second = serial_present(log_port_base) && !manifest.has(abi::MachineOption::log_on_console);
    info.console_port = first ? console_port_base : u16{0};
    info.log_port = second ? log_port_base : info.console_port;
    info.log_until_service = !second && first;
    screen.say("ports: guests' consoles on ", first ? "COM1" : "no port", ", the hypervisor's log on ",
               second ? "COM2" : first ? "COM1 until the service starts" : "the screen only");
}

MemoryClaims claims_for(HypervisorBlock const& block, std::span<ServiceClaim const> services)
{
    MemoryClaims claims;
    claims.hypervisor = {block.base, block.size};
    claims.trampoline = info.trampoline;
    constexpr u64 usual_local_apic = 0xfee0'0000;
    claims.registers[0] = acpi.local_apic != 0 ? acpi.local_apic : usual_local_apic;
    for (u32 i = 0; i < info.io_apic_count; i++)
        claims.registers[i + 1] = info.io_apics[i].address;
    for (u32 i = 0; i < acpi.ecam.count; i++) {
        EcamWindow const& window = acpi.ecam.items[i];
        claims.windows[i] = {window.base + (u64{window.first_bus} << 20), u64{window.last_bus - window.first_bus + 1} << 20};
    }
    claims.screen = {info.screen.base, info.screen.size};
    claims.services = services;
    return claims;
}

bool report_plan(Screen& screen, ManifestReader const& manifest)
{
    switch (plan.fault) {
    case MemoryFault::none:
        break;
    case MemoryFault::too_many_ranges:
        screen.refuse("the firmware's memory map has more than ", abi::max_ranges, " different ranges");
        return false;
    case MemoryFault::too_little_memory:
        screen.refuse("service ", manifest.service(plan.service).name, " wants ", Size{manifest.service(plan.service).memory}, " of memory, ",
                      Size{plan.missing}, " more than there is");
        return false;
    case MemoryFault::less_than_block:
        screen.refuse("service ", manifest.service(plan.service).name, " gets ", Size{manifest.service(plan.service).memory},
                      " of memory, but its image and files alone take ", Size{info.services[plan.service].block_size});
        return false;
    case MemoryFault::too_scattered:
        screen.refuse("service ", manifest.service(plan.service).name, ": ", Size{plan.missing}, " of its memory lie in too many pieces");
        return false;
    }
    for (u32 s = 0; s < manifest.service_count(); s++)
        screen.say("memory: ", Size{plan.granted[s]}, " for service ", manifest.service(s).name);
    return true;
}

void complete_info(HypervisorBlock const& block, ManifestReader const& manifest)
{
    info.magic = abi::boot_info_magic;
    info.version = abi::boot_info_version;
    info.size = sizeof info;
    info.block_base = block.base;
    info.block_size = block.size;
    info.image_size = block.image_size;
    info.pool_base = round_up(reinterpret_cast<u64>(block.info) + sizeof info, page_size);
    info.pool_size = block.base + block.size - info.pool_base;
    info.trust_guests = manifest.has(abi::MachineOption::trust_guests);
    info.power.emulator_exit = manifest.has(abi::MachineOption::emulator_exit);
    info.service_count = manifest.service_count();
    constexpr std::string_view build = KENNEL_BUILD_ID;
    static_assert(build.size() < sizeof info.build_id);
    std::memcpy(info.build_id, build.data(), build.size());
}

// From here on the firmware must not be asked for anything but its map. The map is shared out before each attempt, so
// that a refusal can still return to the firmware.
bool leave_firmware(Screen& screen, Firmware& firmware, ManifestReader const& manifest, MemoryClaims const& claims)
{
    constexpr u32 attempts = 8;
    for (u32 attempt = 0; attempt < attempts; attempt++) {
        plan_memory(firmware.memory(), claims, plan);
        if (plan.fault != MemoryFault::none) {
            if (attempt > 0) {
                screen.firmware_is_gone();
                report_plan(screen, manifest);
                firmware.reset();
            }
            return report_plan(screen, manifest);
        }
        if (firmware.leave())
            return true;
    }
    screen.refuse("the firmware does not let go: its memory map changed ", attempts, " times in a row");
    return false;
}

void run(Screen& screen, Firmware& firmware)
{
    screen.say("Kennel " KENNEL_BUILD_ID);
    find_acpi(screen, firmware);
    check_processor(screen);
    if (screen.refused())
        return;
    find_processors(screen, firmware, acpi, info);
    set_clock(screen, firmware, acpi, info);
    info.screen = find_framebuffer(firmware);
    if (info.screen.format != abi::PixelFormat::none)
        screen.say("screen: ", info.screen.width, " x ", info.screen.height, " at ", Hex{info.screen.base});

    MemoryTotals const memory = measure_memory(firmware.memory());
    screen.say("memory: ", Size{memory.ram & ~(large_page - 1)}, " of RAM up to ", Hex{memory.end_of_ram});
    u64 const screen_end = info.screen.base + info.screen.size;
    u64 const identity_end = round_up(std::max({four_gib, memory.end_of_ram, screen_end}), large_page);
    AddressReach const reach{.identity_end = has_huge_pages() ? std::max(identity_end, u64{512} << 30) : identity_end,
                             .huge_pages = has_huge_pages()};

    Files files(screen, firmware);
    auto const manifest = files.read_manifest();
    if (!manifest)
        return;
    auto const hypervisor = files.load_hypervisor(memory.ram);
    if (!hypervisor)
        return;
    ServiceClaim services[abi::max_services];
    for (u32 s = 0; s < manifest->service_count(); s++) {
        if (!files.load_service(*manifest, s, info.cpu_count, reach, info.services[s]))
            return;
        services[s] = {.block = {info.services[s].block_base, info.services[s].block_size}, .memory = manifest->service(s).memory};
    }
    assign_ports(screen, *manifest);

    constexpr u64 below_video = 0xa'0000;
    info.trampoline = firmware.allocate(page_size, page_size, below_video);
    u64 const root = build_transitional_tables(firmware, *hypervisor, identity_end);
    if (info.trampoline == 0 || root == 0)
        return screen.refuse("the firmware has no free page ", root == 0 ? "below 4 GiB for page tables" : "below 640 KiB for starting processors");

    complete_info(*hypervisor, *manifest);
    MemoryClaims const claims = claims_for(*hypervisor, std::span(services).first(manifest->service_count()));
    plan_memory(firmware.memory(), claims, plan);
    if (!report_plan(screen, *manifest))
        return;
    screen.say("starting the hypervisor");
    if (!leave_firmware(screen, firmware, *manifest, claims))
        return;
    info.range_count = plan.count;
    std::memcpy(info.ranges, plan.ranges.data(), plan.count * sizeof plan.ranges[0]);
    std::memcpy(hypervisor->info, &info, sizeof info);
    enter_hypervisor(*hypervisor, root);
}

// Where nobody reads a serial port, the firmware's next picture would wipe the reason away before it can be read.
void let_read(Screen const& screen, Firmware const& firmware)
{
    if (screen.reaches_serial())
        return;
    EFI_SYSTEM_TABLE& system = firmware.system();
    for (u32 tenths = 0; tenths < 600; tenths++) {
        EFI_INPUT_KEY key;
        if (system.ConIn->ReadKeyStroke(system.ConIn, &key) == EFI_SUCCESS)
            return;
        system.BootServices->Stall(100'000);
    }
}

EFI_STATUS start(EFI_HANDLE image, EFI_SYSTEM_TABLE* system)
{
    Firmware firmware(image, system);
    Screen screen(firmware);
    run(screen, firmware);
    screen.say("back to the firmware");
    let_read(screen, firmware);
    return EFI_UNSUPPORTED;
}

} // namespace

} // namespace kennel::boot

// Called by GNU-EFI's crt0 in the System V convention. It never returns through a frame the new guard would not fit.
extern "C" __attribute__((no_stack_protector)) EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE* system);
extern "C" EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE* system)
{
    __stack_chk_guard ^= kennel::boot::read_tsc() * 0x9e37'79b9'7f4a'7c15;
    return kennel::boot::start(image, system);
}
