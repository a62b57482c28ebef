// SPDX-License-Identifier: Apache-2.0
//
// See examination.hpp. What is asked of the processor is what boot/processor.cpp asks; the names are Linux's in /proc/cpuinfo.
#include "tools/kennel/examination.hpp"
#include "hv/abi/boot_info.hpp"
#include "tools/kennel/machine.hpp"
#include "tools/kennel/size.hpp"
#include <algorithm>
#include <charconv>
#include <cpuid.h>
#include <fstream>
#include <map>
#include <sstream>
#include <unistd.h>

namespace kennel::tool {

namespace {

constexpr usize longest_line = 4096;   // what /proc and /sys say is short; a test's machine may say anything

std::string first_line(fs::path const& path)
{
    std::string line;
    std::ifstream stream{path};
    std::getline(stream, line);
    return line.substr(0, longest_line);
}

u32 hexadecimal(std::string_view text)
{
    if (text.starts_with("0x"))
        text.remove_prefix(2);
    u32 value = 0;
    std::from_chars(text.data(), text.data() + text.size(), value, 16);
    return value;
}

// The first processor's lines of /proc/cpuinfo.
std::map<std::string, std::string> processor_lines(fs::path const& root, u32& count)
{
    std::map<std::string, std::string> lines;
    std::ifstream stream{root / "proc/cpuinfo"};
    count = 0;
    for (std::string line; std::getline(stream, line);) {
        auto const colon = line.find(':');
        if (colon == line.npos)
            continue;
        std::string key = line.substr(0, colon);
        while (!key.empty() && (key.back() == '\t' || key.back() == ' '))
            key.pop_back();
        count += key == "processor";
        lines.emplace(key, colon + 2 <= line.size() ? line.substr(colon + 2) : "");
    }
    return lines;
}

bool has_word(std::string const& words, std::string_view word) { return (' ' + words + ' ').contains(std::format(" {} ", word)); }

// Controllers Kennel drives itself, on the bare machine. PCI Code and ID Assignment Specification, "Class Codes".
struct Controller {
    u32              mask, class_code;
    u32              vendor, device;         // 0: any
    std::string_view name;
    std::string_view driver;                 // empty: none
};
constexpr Controller controllers[] = {
    {0xffff00, 0x010100, 0, 0, "IDE disk controller", "driven, at its legacy ports"},
    {0xffff00, 0x010600, 0, 0, "SATA (AHCI) disk controller", ""},
    {0xffff00, 0x010800, 0, 0, "NVMe disk controller", ""},
    {0xff0000, 0x010000, 0x1af4, 0, "virtio disk controller", ""},
    {0xff0000, 0x010000, 0, 0, "disk controller", ""},
    {0xffff00, 0x020000, 0x8086, 0x100e, "Intel 82540EM network card", ""},
    {0xff0000, 0x020000, 0x1af4, 0, "virtio network card", ""},
    {0xff0000, 0x020000, 0, 0, "network card", ""},
};

class Examiner {
public:
    explicit Examiner(fs::path root) : root_{std::move(root)}, here_{root_ == "/"} {}

    Examination look()
    {
        look_at_machine();
        look_at_processor();
        look_at_memory();
        look_at_firmware();
        look_at_devices();
        result_.bare_metal = std::ranges::none_of(result_.findings, [](Finding const& finding) { return finding.verdict == Verdict::no; });
        if (here_)
            look_at_emulators();
        return std::move(result_);
    }

private:
    void add(std::string_view area, std::string_view what, Verdict verdict, std::string detail, std::string_view advice = "")
    {
        result_.findings.push_back({std::string{area}, std::string{what}, verdict, std::move(detail), std::string{advice}});
    }
    bool exists(fs::path const& path) const
    {
        std::error_code error;
        return fs::exists(root_ / path, error);
    }

    void look_at_machine()
    {
        std::string distribution;
        std::ifstream stream{root_ / "etc/os-release"};
        for (std::string line; std::getline(stream, line);)
            if (line.starts_with("PRETTY_NAME="))
                distribution = line.substr(12);
        std::erase(distribution, '"');
        auto const join = [](std::string a, std::string_view b, std::string_view between) { return a.empty() || b.empty() ? a + std::string{b} : a + std::string{between} + std::string{b}; };
        std::string const maker = join(first_line(root_ / "sys/class/dmi/id/sys_vendor"), first_line(root_ / "sys/class/dmi/id/product_name"), " ");
        std::string const kernel = first_line(root_ / "proc/sys/kernel/osrelease");
        result_.machine = join(join(maker.empty() ? "unknown machine" : maker, kernel.empty() ? "" : "Linux " + kernel, ", "), distribution, ", ");
        if (exists(".dockerenv") || exists("run/.containerenv"))
            result_.machine += ", in a container";
    }

    void look_at_processor()
    {
        u32 count = 0;
        auto lines = processor_lines(root_, count);
        std::string const name = lines.contains("model name") ? lines["model name"] : "unknown";
        std::string const flags = lines["flags"], vmx_flags = lines["vmx flags"];
        if (flags.empty())
            return add("processor", "type", Verdict::unknown, "/proc/cpuinfo cannot be read");
        add("processor", "type", count <= abi::max_cpus ? Verdict::yes : Verdict::less, std::format("{}, {} CPU{}", name, count, count == 1 ? "" : "s"),
            count <= abi::max_cpus ? "" : std::format("Kennel uses the first {}", abi::max_cpus));
        if (has_word(flags, "hypervisor"))
            add("processor", "real", Verdict::less, "this machine is itself virtual", "what follows is what its hypervisor offers");
        if (has_word(flags, "svm") || lines["vendor_id"] == "AuthenticAMD" || lines["vendor_id"] == "HygonGenuine")
            return add("processor", "VT-x", Verdict::no, "an AMD processor", "AMD-V is not supported yet: use a machine with Intel VT-x");
        if (!has_word(flags, "vmx")) {
            bool const hidden = here_ && processor_reports_vmx();
            return add("processor", "VT-x", Verdict::no, hidden ? "switched off by the firmware" : "not offered",
                       hidden ? "switch on 'Intel Virtualization Technology' in the firmware's setup"
                              : "switch it on in the firmware's setup, or for a virtual machine allow nested virtualization");
        }
        add("processor", "VT-x", Verdict::yes, "");
        // Linux lists the first of them since 5.9; a list without `ept` may also be an older kernel's, whose names stood among the flags.
        auto const ability = [&](std::string_view what, std::string_view word, bool needed, std::string_view otherwise) {
            bool const present = has_word(vmx_flags, word) || has_word(flags, word);
            bool const told = !vmx_flags.empty() || present;
            add("processor", what, present ? Verdict::yes : !told ? Verdict::unknown : needed ? Verdict::no : Verdict::less,
                present ? "" : told ? "missing" : "this kernel does not tell", present ? "" : otherwise);
        };
        constexpr std::string_view newer = "a processor from 2010 on has it (Westmere or later)";
        ability("EPT", "ept", true, newer);
        ability("VPID", "vpid", true, newer);
        ability("unrestricted guest", "unrestricted_guest", true, newer);
        ability("EPT with 1 GiB leaves", "ept_1gb", false, "2 MiB leaves are used");
        ability("VMX preemption timer", "preemption_timer", false, "the APIC timer ends time slices");
        auto const feature = [&](std::string_view what, std::string_view word, bool needed, std::string_view otherwise) {
            bool const present = has_word(flags, word);
            add("processor", what, present ? Verdict::yes : needed ? Verdict::no : Verdict::less, present ? "" : "missing", present ? "" : otherwise);
        };
        feature("XSAVE", "xsave", true, newer);
        feature("NX", "nx", true, "switch on 'Execute Disable' in the firmware's setup");
        feature("x2APIC", "x2apic", false, "the local APIC is used by memory accesses");
        feature("TSC-deadline timer", "tsc_deadline_timer", false, "the APIC timer's one-shot mode is used");
        feature("invariant TSC", "nonstop_tsc", false, "time may drift when the processor changes its frequency");
        if (has_word(flags, "la57"))
            add("processor", "5-level paging", Verdict::less, "offered", "if the firmware uses it, switch that off in its setup");
    }

    static bool processor_reports_vmx()
    {
        u32 a = 0, b = 0, c = 0, d = 0;
        return __get_cpuid(1, &a, &b, &c, &d) != 0 && (c >> 5 & 1) != 0;   // SDM, "CPUID": leaf 1, ECX, VMX
    }

    void look_at_memory()
    {
        std::istringstream words{first_line(root_ / "proc/meminfo")};
        std::string name;
        u64 kilobytes = 0;
        if (!(words >> name >> kilobytes) || name != "MemTotal:")
            return add("memory", "size", Verdict::unknown, "/proc/meminfo cannot be read");
        bool const enough = kilobytes >= 256 << 10;
        add("memory", "size", enough ? Verdict::yes : Verdict::no, std::format("{} MiB", kilobytes >> 10), enough ? "" : "at least 256 MiB are needed for a small guest");
    }

    void look_at_firmware()
    {
        bool const uefi = exists("sys/firmware/efi");
        if (!uefi && !exists("sys/firmware"))
            return add("firmware", "UEFI", Verdict::unknown, "/sys cannot be read");
        add("firmware", "UEFI", uefi ? Verdict::yes : Verdict::no, uefi ? first_line(root_ / "sys/firmware/efi/fw_platform_size") + " bits" : "this system was started without it",
            uefi ? "" : "start in UEFI mode (firmware setup: no CSM, no legacy boot); a virtual machine or container may hide it");
        if (uefi && first_line(root_ / "sys/firmware/efi/fw_platform_size") == "32")
            add("firmware", "64 bits", Verdict::no, "a 32-bit firmware", "Kennel's loader is a 64-bit program");
        constexpr auto secure_boot = "sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c";
        if (uefi && exists(secure_boot)) {
            // UEFI specification, "Globally Defined Variables"; Linux puts four bytes of attributes before the value.
            char bytes[5] = {};
            std::ifstream{root_ / secure_boot}.read(bytes, sizeof bytes);
            bool const on = bytes[4] == 1;
            add("firmware", "no Secure Boot", on ? Verdict::no : Verdict::yes, on ? "it is on" : "it is off", on ? "the loader is not signed: switch Secure Boot off in the firmware's setup" : "");
        } else if (uefi) {
            add("firmware", "no Secure Boot", Verdict::unknown, "its variable cannot be read", "it must be off: the loader is not signed");
        }
        bool const tables = exists("sys/firmware/acpi/tables");
        bool const iommu = exists("sys/firmware/acpi/tables/DMAR");
        add("firmware", "VT-d", !tables ? Verdict::unknown : iommu ? Verdict::yes : Verdict::less, !tables ? "ACPI tables cannot be seen" : iommu ? "ACPI has a DMAR table" : "no DMAR table",
            "Kennel does not use it yet: devices can write anywhere in memory");
    }

    void look_at_devices()
    {
        std::error_code error;
        std::vector<fs::path> devices;
        for (auto const& entry : fs::directory_iterator{root_ / "sys/bus/pci/devices", error})
            devices.push_back(entry.path());
        std::ranges::sort(devices);
        if (devices.empty())
            add("devices", "PCI", Verdict::unknown, "none can be seen");
        for (fs::path const& path : devices) {
            u32 const class_code = hexadecimal(first_line(path / "class")), vendor = hexadecimal(first_line(path / "vendor")), device = hexadecimal(first_line(path / "device"));
            auto const found = std::ranges::find_if(controllers, [&](Controller const& known) {
                return (class_code & known.mask) == known.class_code && (known.vendor == 0 || known.vendor == vendor) && (known.device == 0 || known.device == device);
            });
            if (found != std::end(controllers))
                add("devices", found->name, found->driver.empty() ? Verdict::less : Verdict::yes,
                    std::format("{} [{:04x}:{:04x}] {}", path.filename().string(), vendor, device, found->driver.empty() ? "no driver yet" : found->driver));
        }
        look_at_ports();
    }

    // The log and the consoles need a port, or at least a screen.
    void look_at_ports()
    {
        std::error_code error;
        u32 ports = 0;
        for (auto const& entry : fs::directory_iterator{root_ / "sys/class/tty", error})
            if (entry.path().filename().string().starts_with("ttyS") && !first_line(entry.path() / "type").empty() && first_line(entry.path() / "type") != "0")
                ports++;
        add("devices", "serial ports", ports > 0 ? Verdict::yes : Verdict::less, std::format("{}", ports),
            ports == 0 ? "consoles and log can be seen on the screen only, if at all" : ports == 1 ? "set log_on_console in the configuration" : "");
        bool const screen = exists("sys/class/graphics/fb0") || exists("sys/class/drm/card0");
        add("devices", "screen", screen ? Verdict::yes : Verdict::less, screen ? "" : "none can be seen");
    }

    void look_at_emulators()
    {
        bool firmware = true;
        for (auto const& [what, places, package] : {std::tuple{"OVMF", ovmf_places, "ovmf"}, {"VGA BIOS for Bochs", vga_bios_places, "seabios"}}) {
            auto const found = find_firmware(what, places);
            firmware = firmware && found;
            add("emulator", what, found ? Verdict::yes : Verdict::less, found ? found->string() : "not installed", found ? "" : std::format("apt install {}", package));
        }
        struct Known { std::string_view name, what, package; };
        for (auto const& [name, what, package] : {Known{"qemu", "QEMU with KVM", "apt install qemu-system-x86"}, Known{"bochs-3.0", "Bochs 3.0", "tools/bochs, in Kennel's sources, builds it: three times faster than 2.7"},
                                                  Known{"bochs-2.7", "Bochs 2.7", "apt install bochs"}}) {
            auto const choice = choose_emulator(name);
            bool const usable = choice && choice->emulator != Emulator::qemu;
            result_.emulators = result_.emulators || (usable && firmware);
            if (usable)
                add("emulator", what, Verdict::yes, choice->program.string());
            else if (choice)                            // installed, but KVM lacks something, which `why` names with its remedy
                add("emulator", what, Verdict::less, choice->program.string(), choice->why);
            else
                add("emulator", what, Verdict::less, "not installed", package);
        }
    }

    fs::path    root_;
    bool        here_;
    Examination result_;
};

} // namespace

Examination examine(fs::path const& root) { return Examiner{root}.look(); }

std::string_view describe(Verdict verdict)
{
    switch (verdict) {
    case Verdict::yes:     return "yes";
    case Verdict::no:      return "NO";
    case Verdict::less:    return "less";
    case Verdict::unknown: return "?";
    }
    return "?";
}

} // namespace kennel::tool
