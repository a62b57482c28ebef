// SPDX-License-Identifier: Apache-2.0
//
// Kernels into RAM: a bzImage made here by the offsets of the boot protocol, an ELF file, and everything that is neither.
#include "drivers/guest/layout.hpp"
#include "drivers/guest/linux.hpp"
#include "tests/host/service_fake.hpp"
#include <doctest/doctest.h>

using namespace kennel;
using namespace kennel::service;

namespace {

constexpr u64 mebibyte = 1 << 20;

struct Kernel {
    std::vector<u8> bytes = std::vector<u8>(5 * 512 + 0x4000, 0x90);

    template<class T> Kernel& put(usize offset, T value)
    {
        std::memcpy(&bytes[offset], &value, sizeof value);
        return *this;
    }
    Kernel()
    {
        put<u8>(0x1f1, 4).put<u16>(0x1fe, 0xaa55).put<u8>(0x201, 0x6a).put<u32>(0x202, 0x5372'6448).put<u16>(0x206, 0x20f).put<u8>(0x211, 1);
        put<u32>(0x22c, 0x7fff'ffff).put<u32>(0x230, 0x20'0000).put<u8>(0x234, 1).put<u16>(0x236, 1).put<u32>(0x238, 100);
        put<u64>(0x258, 16 * mebibyte).put<u32>(0x260, 8 * mebibyte);
        put<u8>(5 * 512, 0xcc);
    }
};

struct Target {
    std::vector<u8> ram;
    GuestMemory memory;

    explicit Target(u64 mebibytes) : ram(mebibytes * mebibyte)
    {
        fake::reset();
        memory.add(ram.data(), ram.size());
    }
    Result<LinuxEntry, LoadFault> load(std::span<u8 const> kernel, std::span<u8 const> initrd = {}, std::string_view line = "quiet")
    {
        return load_linux(memory, {kernel, initrd, line, 0xe'0000});
    }
    template<class T> T at(u64 address)
    {
        T value{};
        REQUIRE(memory.copy_in(address, value));
        return value;
    }
};

void check_fault(Result<LinuxEntry, LoadFault> const& loaded, LoadError error, std::string_view says)
{
    REQUIRE_FALSE(loaded.has_value());
    CHECK(loaded.error().error == error);
    Text const text = describe(loaded.error(), "vmlinuz", "initrd.img");
    CHECK(text.view().find(says) != std::string_view::npos);
}

} // namespace

TEST_CASE("linux: a bzImage lies at its preferred address, and boot_params tell everything")
{
    Target target{64};
    std::vector<u8> const initrd(5000, 7);
    auto const loaded = target.load(Kernel{}.bytes, initrd, "console=ttyS0");
    REQUIRE(loaded.has_value());
    CHECK(loaded->rip == 16 * mebibyte + 0x200);
    CHECK(target.at<u8>(16 * mebibyte) == 0xcc);
    u64 const page = layout::zero_page;
    CHECK(target.at<u32>(page + 0x202) == 0x5372'6448);
    CHECK(target.at<u8>(page + 0x210) == 0xff);
    CHECK(target.at<u64>(page + 0x70) == 0xe'0000);
    CHECK(target.at<u32>(page + 0x228) == layout::command_line);
    CHECK(std::string(reinterpret_cast<char const*>(&target.ram[layout::command_line])) == "console=ttyS0");
    u32 const at = target.at<u32>(page + 0x218);
    CHECK(at % page_size == 0);
    CHECK(at == 64 * mebibyte - 8192);
    CHECK(target.at<u32>(page + 0x21c) == 5000);
    CHECK(target.at<u8>(at + 4999) == 7);
}

TEST_CASE("linux: the memory map is sorted, disjoint, and reserves ECAM and the ACPI tables")
{
    Target target{64};
    REQUIRE(target.load(Kernel{}.bytes).has_value());
    u64 const page = layout::zero_page;
    u32 const count = target.at<u8>(page + 0x1e8);
    u64 end = 0, ram = 0;
    bool ecam = false, acpi = false;
    for (u32 i = 0; i < count; i++) {
        u64 const base = target.at<u64>(page + 0x2d0 + 20 * i), size = target.at<u64>(page + 0x2d0 + 20 * i + 8);
        u32 const kind = target.at<u32>(page + 0x2d0 + 20 * i + 16);
        CHECK(base >= end);
        end = base + size;
        ram += kind == 1 ? size : 0;
        ecam |= kind == 2 && base == 0xe000'0000;
        acpi |= kind == 3 && base == layout::acpi;
    }
    CHECK(ram == 64 * mebibyte - (0x10'0000 - layout::low_end));
    CHECK(ecam);
    CHECK(acpi);
}

TEST_CASE("linux: the tables of the first processor map 4 GiB at their own addresses")
{
    Target target{64};
    auto const loaded = target.load(Kernel{}.bytes);
    REQUIRE(loaded.has_value());
    abi::VcpuState state{};
    start_state(state, *loaded);
    for (u64 address : {0ull, 0x12'3456ull, 0xbfff'ffffull, 0xffff'ffffull}) {
        u64 table = state.cr3;
        for (u32 shift : {39u, 30u})
            table = target.at<u64>(table + 8 * (address >> shift & 511)) & ~0xfffull;
        u64 const leaf = target.at<u64>(table + 8 * (address >> 21 & 511));
        CHECK((leaf & 0x83) == 0x83);
        CHECK((leaf & ~0x1f'ffffull) == (address & ~0x1f'ffffull));
    }
    CHECK(state.rip == loaded->rip);
    CHECK(state.cs.selector == 0x10);
    CHECK(target.at<u64>(state.gdtr.base + 0x10) == 0x00af'9b00'0000'ffff);
}

TEST_CASE("linux: a relocatable kernel moves down when its preferred address does not fit")
{
    Kernel kernel;
    kernel.put<u64>(0x258, 60 * mebibyte);
    Target target{32};
    auto const loaded = target.load(kernel.bytes);
    REQUIRE(loaded.has_value());
    CHECK(loaded->rip == 2 * mebibyte + 0x200);
    kernel.put<u8>(0x234, 0);
    check_fault(target.load(kernel.bytes), LoadError::needs_more_memory, "needs 68 MiB");
}

TEST_CASE("linux: each fault of a kernel is named")
{
    Target target{64};
    using enum LoadError;
    check_fault(target.load({}), kernel_missing, "missing");
    check_fault(target.load(std::vector<u8>(100)), not_a_kernel, "not a kernel");
    check_fault(target.load(std::vector<u8>(5000)), no_header, "HdrS");
    check_fault(target.load(Kernel{}.put<u16>(0x206, 0x204).bytes), old_protocol, "0x204");
    check_fault(target.load(Kernel{}.put<u8>(0x211, 0).bytes), not_loaded_high, "bzImage is needed");
    check_fault(target.load(Kernel{}.put<u16>(0x236, 0).bytes), no_64_bit_entry, "32-bit kernel");
    check_fault(target.load(Kernel{}.put<u8>(0x1f1, 200).bytes), bad_setup_size, "truncated");
    check_fault(target.load(Kernel{}.put<u32>(0x260, 128 * mebibyte).put<u8>(0x234, 0).bytes), needs_more_memory, "needs 144 MiB");
    check_fault(target.load(Kernel{}.put<u64>(0x258, ~0xfffull).put<u8>(0x234, 0).bytes), not_a_kernel, "not a kernel");
    check_fault(target.load(Kernel{}.bytes, {}, std::string(101, 'x')), command_line_too_long, "100 bytes");
    check_fault(target.load(Kernel{}.bytes, std::vector<u8>(41 * mebibyte)), initrd_does_not_fit, "initrd.img: does not fit");
    check_fault(target.load(std::vector<u8>{0x7f, 'E', 'L', 'F', 1}), bad_elf, "vmlinuz:");
}

TEST_CASE("linux: an initrd respects the highest address the kernel names")
{
    Target target{64};
    REQUIRE(target.load(Kernel{}.put<u32>(0x22c, 32 * mebibyte - 1).bytes, std::vector<u8>(10)).has_value());
    CHECK(target.at<u32>(layout::zero_page + 0x218) == 32 * mebibyte - 4096);
    check_fault(target.load(Kernel{}.put<u32>(0x22c, 24 * mebibyte - 1).bytes, std::vector<u8>(10)), LoadError::initrd_does_not_fit, "does not fit");
    check_fault(target.load(Kernel{}.put<u32>(0x22c, 0).bytes, std::vector<u8>(10)), LoadError::initrd_does_not_fit, "does not fit");
}

TEST_CASE("linux: an ELF kernel goes to its physical addresses, none below 1 MiB or outside RAM")
{
    auto elf = [](u64 physical, u64 memory_size) {
        std::vector<u8> file(0x200);
        auto put = [&](usize offset, auto value) { std::memcpy(&file[offset], &value, sizeof value); };
        put(0, u32{0x464c'457f}), put(4, u8{2}), put(5, u8{1}), put(6, u8{1});
        put(16, u16{2}), put(18, u16{62}), put(24, physical + 0x10), put(32, u64{64}), put(52, u16{64}), put(54, u16{56}), put(56, u16{1});
        put(64, u32{1}), put(68, u32{5}), put(72, u64{0x100}), put(80, 0xffff'ffff'8000'0000ull), put(88, physical), put(96, u64{0x80}), put(104, memory_size);
        put(0x100, u8{0x5a});
        return file;
    };
    Target target{8};
    auto const loaded = target.load(elf(0x20'0000, 0x1000));
    REQUIRE(loaded.has_value());
    CHECK(loaded->rip == 0x20'0010);
    CHECK(target.at<u8>(0x20'0000) == 0x5a);
    check_fault(target.load(elf(0x8'0000, 0x1000)), LoadError::segment_outside, "0x80000");
    check_fault(target.load(elf(0x70'0000, 0x20'0000)), LoadError::needs_more_memory, "needs 10 MiB");
}

TEST_CASE("linux: the reset vector asks for a reset in 16-bit code")
{
    Target target{2};
    REQUIRE(write_reset_vector(target.memory));
    CHECK(target.at<u8>(0xf'fff0) == 0xba);            // mov $0x600, %dx
    CHECK(target.at<u16>(0xf'fff1) == 0x600);
    CHECK(target.at<u16>(0xf'fff3) == 0x01b0);         // mov $1, %al
    CHECK(target.at<u8>(0xf'fff5) == 0xee);            // out %al, %dx
}
