// SPDX-License-Identifier: Apache-2.0
//
// See machine.hpp.
#include "tools/kennel/machine.hpp"
#include "tools/kennel/spelling.hpp"
#include <cstdlib>
#include <fstream>
#include <unistd.h>

namespace kennel::tool {

namespace {

bool first_line_says_yes(char const* path)
{
    std::string line;
    std::ifstream stream{path};
    return std::getline(stream, line) && (line == "Y" || line == "1");
}

bool processor_has(std::string_view flag)
{
    std::ifstream stream{"/proc/cpuinfo"};
    for (std::string line; std::getline(stream, line);)
        if (line.starts_with("flags"))
            return (line + ' ').contains(std::format(" {} ", flag));
    return false;
}

// Why KVM cannot give Kennel the VT-x it needs; empty when it can.
std::string kvm_lacks()
{
    if (!processor_has("vmx"))
        return "this processor offers no VT-x";
    if (access("/dev/kvm", F_OK) != 0)
        return "there is no /dev/kvm (modprobe kvm_intel)";
    if (access("/dev/kvm", R_OK | W_OK) != 0)
        return "/dev/kvm may not be used (join the group kvm)";
    if (!first_line_says_yes("/sys/module/kvm_intel/parameters/nested"))
        return "KVM gives its guests no VT-x (modprobe kvm_intel nested=1)";
    return {};
}

// Where tools/bochs puts what it builds.
std::optional<fs::path> built_bochs(std::string_view name)
{
    char const* const cache = std::getenv("XDG_CACHE_HOME");
    char const* const home = std::getenv("HOME");
    fs::path const folder = cache != nullptr && *cache != 0 ? fs::path{cache} : fs::path{home != nullptr ? home : "/root"} / ".cache";
    fs::path const path = folder / "kennel" / name / "bin/bochs";
    return access(path.c_str(), X_OK) == 0 ? std::optional{path} : std::nullopt;
}

Or<Choice> choose_bochs_3()
{
    if (auto const path = built_bochs("bochs-3.0"))
        return Choice{Emulator::bochs_3, *path, {}};
    return machine_failed("Bochs 3.0 is not built yet: run tools/bochs");
}

// The one that counts instructions and VM exits, for tests/bench.
Or<Choice> choose_bochs_counting()
{
    if (auto const path = built_bochs("bochs-3.0-counting"))
        return Choice{Emulator::bochs_3, *path, {}};
    return machine_failed("the counting Bochs 3.0 is not built yet: run tools/bochs --counting");
}

// Debian's `bochs` is a shell script around bochs-bin, which would stand between us and the emulator.
Or<Choice> choose_bochs_2()
{
    if (auto const path = find_program("bochs-bin"))
        return Choice{Emulator::bochs_2, *path, {}};
    return machine_failed("Bochs is not installed: run tools/setup");
}

Or<Choice> choose_qemu()
{
    auto const path = find_program("qemu-system-x86_64");
    if (!path)
        return machine_failed("QEMU is not installed: run tools/setup");
    auto const lacks = kvm_lacks();
    if (lacks.empty())
        return Choice{Emulator::qemu_kvm, *path, {}};
    return Choice{Emulator::qemu, *path, "QEMU without KVM has no VT-x: " + lacks};
}

} // namespace

Or<Choice> choose_bochs()
{
    if (auto const built = choose_bochs_3())
        return *built;
    return choose_bochs_2();
}

Or<Choice> choose_emulator(std::string_view name)
{
    if (name == "bochs")     return choose_bochs();
    if (name == "bochs-2.7") return choose_bochs_2();
    if (name == "bochs-3.0") return choose_bochs_3();
    if (name == "bochs-3.0-counting") return choose_bochs_counting();
    if (name == "qemu")      return choose_qemu();
    constexpr std::string_view names[] = {"auto", "bochs", "bochs-2.7", "bochs-3.0", "qemu"};
    if (name != "auto")
        return bad_usage("emulator '{}' is unknown: {} is possible{}", shortened(name), one_of(names), suggestion(name, names));
    if (auto const lacks = kvm_lacks(); !lacks.empty()) {
        auto choice = TRY(choose_bochs());
        choice.why = std::format("using {}, an emulator, since {}", describe(choice.emulator), lacks);
        return choice;
    }
    return find_program("qemu-system-x86_64") ? choose_qemu() : choose_bochs();
}

std::string describe(Emulator emulator)
{
    switch (emulator) {
    case Emulator::bochs_3:  return "Bochs 3.0";
    case Emulator::bochs_2:  return "Bochs 2.7";
    case Emulator::qemu_kvm: return "QEMU with KVM";
    case Emulator::qemu:     return "QEMU without KVM";
    }
    return {};
}

Or<Program> machine_program(Settings const& settings)
{
    bool const bochs = settings.emulator == Emulator::bochs_3 || settings.emulator == Emulator::bochs_2;
    return bochs ? bochs_program(settings) : qemu_program(settings);
}

Or<fs::path> find_firmware(std::string_view what, std::initializer_list<char const*> places)
{
    std::error_code error;
    for (fs::path const place : places)
        if (fs::is_regular_file(place, error))
            return place;
    return machine_failed("{} is not installed: run tools/setup", what);
}

} // namespace kennel::tool
