// SPDX-License-Identifier: Apache-2.0
//
// The machine Kennel runs in: which emulator, with what processor and memory, and how it is started.
// bochs.cpp and qemu.cpp turn Settings into a Program.
#pragma once
#include "tools/kennel/drive_files.hpp"
#include "tools/kennel/network.hpp"
#include "tools/kennel/process.hpp"

namespace kennel::tool {

enum class Emulator { bochs_3, bochs_2, qemu_kvm, qemu };

struct Settings {
    Emulator    emulator = Emulator::bochs_2;
    fs::path    program;                    // the emulator's
    std::string cpu_model;                  // the emulator's name for it; empty: the emulator's default here
    u32         cpus = 1;
    u64         memory = 512 << 20;         // bytes
    u64         instructions_per_second = 100'000'000;   // Bochs only: how fast its clocks believe it is
    fs::path    disk;
    std::vector<DriveFile> drives;          // the user's, behind it
    bool        network_card = false;       // with the emulator's own network behind it ...
    std::vector<ForwardPlan> forwards;      // ... and ports of our 127.0.0.1 that lead there
    fs::path    folder;                     // for what the emulator leaves behind
    u16         console_port = 0;           // local TCP ports of COM1 and COM2
    u16         log_port = 0;
};

struct Choice {
    Emulator    emulator;
    fs::path    program;
    std::string why;                        // one line, empty where there is nothing to explain
};

// NAME: auto, bochs, bochs-2.7, bochs-3.0, qemu. `auto` takes QEMU only where KVM can give a guest VT-x.
Or<Choice>  choose_emulator(std::string_view name);
Or<Choice>  choose_bochs();
std::string describe(Emulator emulator);

Or<Program> bochs_program(Settings const& settings);
Or<Program> qemu_program(Settings const& settings);
Or<Program> machine_program(Settings const& settings);

// The machine's network card, and the address that the emulator's network gives whoever asks first.
inline constexpr char card_address[] = "52:54:00:4b:4e:4c", emulator_gives[] = "10.0.2.15";

// Where Debian and others keep the firmware of the machines.
inline constexpr std::initializer_list<char const*> ovmf_places{"/usr/share/ovmf/OVMF.fd", "/usr/share/OVMF/OVMF.fd", "/usr/share/qemu/OVMF.fd"};
inline constexpr std::initializer_list<char const*> vga_bios_places{"/usr/share/seabios/vgabios-stdvga.bin"};

// The first of the places where Debian and others keep a firmware file.
Or<fs::path> find_firmware(std::string_view what, std::initializer_list<char const*> places);

} // namespace kennel::tool
