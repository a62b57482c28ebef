// SPDX-License-Identifier: Apache-2.0
//
// Bochs 2.7 (Debian's package) and 3.0 (tools/bochs) as the machine: its configuration file, and the differences of the two.
#include "tools/kennel/machine.hpp"

namespace kennel::tool {

namespace {

// 2.7 as packaged is a debugger build: it waits for a command, insists on a sound card and always wants a display.
// 3.0 as we build it has none of these, and refuses to hear of sound.
std::string_view display(Emulator emulator)
{
    return emulator == Emulator::bochs_3 ? "display_library: nogui\n"
                                         : "display_library: rfb, options=\"timeout=0\"\n"
                                           "sound: waveoutdrv=dummy, midioutdrv=dummy, waveindrv=dummy\n";
}

// A word goes into a configuration file: nothing that ends a line or an option may be in it.
Or<void> require_plain(std::string_view what, std::string_view word)
{
    for (char const c : word)
        if (!(std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '-' || c == '.'))
            return bad_usage("{} '{}': only letters, digits, '_', '-' and '.' are allowed", what, word);
    return {};
}

Or<std::string> configuration(Settings const& settings)
{
    auto const firmware = TRY(find_firmware("OVMF", {"/usr/share/ovmf/OVMF.fd", "/usr/share/OVMF/OVMF.fd", "/usr/share/qemu/OVMF.fd"}));
    // A card the firmware has a driver for gives us a framebuffer. The packaged Bochs has it too, and its only display stops on it.
    bool const screen = settings.emulator == Emulator::bochs_3;
    auto const vga_bios = TRY(find_firmware("SeaBIOS", {screen ? "/usr/share/seabios/vgabios-cirrus.bin" : "/usr/share/seabios/vgabios-stdvga.bin"}));
    std::string const model = settings.cpu_model.empty() ? "corei7_skylake_x" : settings.cpu_model;
    TRY(require_plain("CPU model", model));
    u64 const megabytes = settings.memory >> 20;

    std::string text;
    text += display(settings.emulator);
    text += std::format("cpu: model={}, count={}, ips={}, reset_on_triple_fault=0\n", model, settings.cpus, settings.instructions_per_second);
    text += std::format("memory: guest={}, host={}\n", megabytes, megabytes);
    text += std::format("romimage: file={}\n", firmware.string());
    text += std::format("vgaromimage: file={}\n", vga_bios.string());
    text += std::format("pci: enabled=1, chipset=i440fx, slot1={}\n", screen ? "cirrus" : "pcivga");
    text += std::format("vga: extension={}\n", screen ? "cirrus" : "vbe");
    text += "clock: sync=none\n";
    text += std::format("com1: enabled=1, mode=socket-client, dev=127.0.0.1:{}\n", settings.console_port);
    text += std::format("com2: enabled=1, mode=socket-client, dev=127.0.0.1:{}\n", settings.log_port);
    text += std::format("ata0-master: type=disk, path={}, mode=flat\n", settings.disk.string());
    text += "boot: disk\n"
            "log: bochs.log\n"
            "panic: action=report\n"     // `fatal` would end 3.0 at its start
            "error: action=report\n"
            "info: action=ignore\n"
            "debug: action=ignore\n";
    return text;
}

} // namespace

Or<Program> bochs_program(Settings const& settings)
{
    auto const text = TRY(configuration(settings));
    TRY(write_file(settings.folder / "bochsrc", text));
    std::error_code ignored;
    fs::remove(settings.disk.string() + ".lock", ignored);   // a killed run leaves it, and 3.0 would not open the disk
    Program program{.path = settings.program, .arguments = {"-q", "-f", "bochsrc"}, .folder = settings.folder, .output = settings.folder / "emulator.log"};
    if (settings.emulator == Emulator::bochs_2) {
        TRY(write_file(settings.folder / "debugger", std::string_view{"c\n"}));
        program.arguments.insert(program.arguments.end(), {"-rc", "debugger"});
    }
    return program;
}

} // namespace kennel::tool
