// SPDX-License-Identifier: Apache-2.0
//
// QEMU as the machine: q35 with OVMF, the host's own processor where KVM is there.
#include "tools/kennel/machine.hpp"

namespace kennel::tool {

namespace {

// A comma ends an option of QEMU's; a doubled one stands for itself.
std::string escaped(std::string_view text)
{
    std::string result;
    for (char const c : text)
        result.append(c == ',' ? 2 : 1, c);
    return result;
}

std::string serial(std::string_view name, u16 port)
{
    return std::format("socket,id={},host=127.0.0.1,port={},server=off,nodelay=on", name, port);
}

} // namespace

Or<Program> qemu_program(Settings const& settings)
{
    auto const firmware = TRY(find_firmware("OVMF", ovmf_places));
    bool const kvm = settings.emulator == Emulator::qemu_kvm;
    std::string const model = !settings.cpu_model.empty() ? settings.cpu_model : kvm ? "host" : "max";
    // The user's disks need the IDE controller the service has a driver for: it is that of the older machine.
    std::string_view const machine = settings.drives.empty() ? "q35" : "pc";
    Program program{
        .path = settings.program,
        .arguments = {
            "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-monitor", "none", "-vga", "std",
            "-machine", std::format("{},accel={}", machine, kvm ? "kvm" : "tcg"),
            "-cpu", escaped(model),
            "-smp", std::to_string(settings.cpus),
            "-m", std::format("{}M", settings.memory >> 20),
            "-bios", firmware.string(),
            "-drive", std::format("file={},format=raw,if=ide", escaped(settings.disk.string())),
            "-chardev", serial("com1", settings.console_port), "-serial", "chardev:com1",
            "-chardev", serial("com2", settings.log_port),     "-serial", "chardev:com2",
        },
        .folder = settings.folder,
        .output = settings.folder / "emulator.log",
    };
    if (settings.network_card) {
        std::string network = "user,id=outside";          // without an address it would listen on every one of this machine's
        for (auto const& forward : settings.forwards)
            network += std::format(",hostfwd={}:127.0.0.1:{}-{}:{}", forward.protocol_name(), forward.port, emulator_gives, forward.port);
        // No option ROM: the firmware shall not look for something to boot there.
        program.arguments.insert(program.arguments.end(), {"-netdev", network, "-device", std::format("e1000,netdev=outside,mac={},romfile=", card_address)});
    }
    for (usize i = 0; i < settings.drives.size(); i++) {
        auto const& drive = settings.drives[i];            // `snapshot` opens the file for reading only
        program.arguments.insert(program.arguments.end(), {"-drive", std::format("file={},format=raw,if=ide,index={}{}", escaped(drive.path.string()), i + 1,
                                                                                 drive.read_only ? ",snapshot=on" : "")});
    }
    return program;
}

} // namespace kennel::tool
