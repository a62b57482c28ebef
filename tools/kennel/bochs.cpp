// SPDX-License-Identifier: Apache-2.0
//
// Bochs 2.7 (Debian's package) and 3.0 (tools/bochs) as the machine: its configuration file, and the differences of the two.
#include "tools/kennel/machine.hpp"
#include <algorithm>
#include <fstream>

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

// Drives are named by a link in the machine's folder: so any file name will do, and the lock file Bochs makes is not left
// beside the user's.
std::string drive_link(usize number) { return std::format("drive{}.img", number + 1); }

// In the mode that opens a file for reading only, Bochs guesses by content whether it is an image of another emulator's, and
// would then show what is inside. A guest can write such content, so where it would guess anything but "raw" we do not go on.
Or<void> require_raw(fs::path const& path)
{
    std::ifstream stream{path, std::ios::binary};
    std::string first(512, 0), last(512, 0);
    stream.read(first.data(), 512);
    stream.seekg(-512, std::ios::end);
    stream.read(last.data(), 512);
    if (!stream)
        return machine_failed("{}: cannot be read", path.string());
    using namespace std::string_view_literals;
    std::string_view const vdi = "\x01\x00\x01\x00"sv;
    constexpr std::string_view marks[] = {"COWD"sv, "KDMV"sv, "conectix"sv, "Bochs Virtual HD Image"sv, "\xce\x8a\x46\x02"sv};
    if (std::ranges::any_of(marks, [&](std::string_view mark) { return first.starts_with(mark); }) || last.starts_with("conectix"sv) || first.substr(68, 4) == vdi)
        return bad_usage("{}: looks like an image of VMware, VirtualBox, Virtual PC or Bochs; only raw ones can be used with 'ro' or 'overlay'", path.string());
    return {};
}

Or<void> link_drives(Settings const& settings)
{
    for (usize i = 0; i < settings.drives.size(); i++) {
        if (settings.drives[i].read_only)
            TRY(require_raw(settings.drives[i].path));
        auto const link = settings.folder / drive_link(i);
        std::error_code error;
        fs::remove(link, error);
        fs::remove(link.string() + ".lock", error);
        fs::create_symlink(settings.drives[i].path, link, error);
        if (error)
            return machine_failed("{}: cannot be made: {}", link.string(), error.message());
    }
    return {};
}

// Bochs keeps its clock in local time, and we want UTC. Its 2.7 also takes the date that the firmware writes back for one in summer
// time (it leaves tm_isdst unset, mktime(3)): so a zone whose summer is no different. 2.7's own time0=utc would be an hour behind.
constexpr char time_zone[] = "TZ=UTC0UTC0";

constexpr char network_script[] = "network.conf";

// Its user network. Without an address it would listen on every one of this machine's.
std::string network_configuration(Settings const& settings)
{
    std::string text = "# slirp config\n";
    for (auto const& forward : settings.forwards)
        text += std::format("hostfwd = {}:127.0.0.1:{}-{}:{}\n", forward.protocol_name(), forward.port, emulator_gives, forward.port);
    return text;
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
    auto const firmware = TRY(find_firmware("OVMF", ovmf_places));
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
    text += std::format("pci: enabled=1, chipset=i440fx, slot1={}{}\n", screen ? "cirrus" : "pcivga", settings.network_card ? ", slot2=e1000" : "");
    if (settings.network_card)
        text += std::format("e1000: enabled=1, mac={}, ethmod=slirp, script={}\n", card_address, network_script);
    text += std::format("vga: extension={}\n", screen ? "cirrus" : "vbe");
    text += "clock: sync=none\n";
    text += std::format("com1: enabled=1, mode=socket-client, dev=127.0.0.1:{}\n", settings.console_port);
    text += std::format("com2: enabled=1, mode=socket-client, dev=127.0.0.1:{}\n", settings.log_port);
    text += std::format("ata0-master: type=disk, path={}, mode=flat\n", settings.disk.string());
    text += "ata1: enabled=1, ioaddr1=0x170, ioaddr2=0x370, irq=15\n";
    constexpr std::string_view places[most_drives] = {"ata0-slave", "ata1-master", "ata1-slave"};
    for (usize i = 0; i < settings.drives.size(); i++)     // `volatile` opens the file for reading only, and forgets what is written
        text += std::format("{}: type=disk, path={}, mode={}\n", places[i], drive_link(i), settings.drives[i].read_only ? "volatile" : "flat");
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
    TRY(link_drives(settings));
    TRY(write_file(settings.folder / "bochsrc", text));
    if (settings.network_card)
        TRY(write_file(settings.folder / network_script, network_configuration(settings)));
    std::error_code ignored;
    fs::remove(settings.disk.string() + ".lock", ignored);   // a killed run leaves it, and 3.0 would not open the disk
    Program program{.path = settings.program, .arguments = {"-q", "-f", "bochsrc"}, .folder = settings.folder, .output = settings.folder / "emulator.log",
                    .environment = {time_zone}};
    if (settings.emulator == Emulator::bochs_2) {
        TRY(write_file(settings.folder / "debugger", std::string_view{"c\n"}));
        program.arguments.insert(program.arguments.end(), {"-rc", "debugger"});
    }
    return program;
}

} // namespace kennel::tool
