// SPDX-License-Identifier: Apache-2.0
//
// A guest from the manifest to its end, with a hypervisor that only takes notes: planned, started, answered, concluded.
#include "drivers/guest/layout.hpp"
#include "drivers/guest/lifecycle.hpp"
#include "drivers/guest/plan.hpp"
#include "drivers/guest/start.hpp"
#include "hv/lib/checksum.hpp"
#include "tests/host/ide_fake.hpp"
#include "tests/host/service_fake.hpp"
#include <doctest/doctest.h>
#include <memory>

using namespace kennel;
using namespace kennel::service;

namespace {

constexpr u64 mebibyte = 1 << 20;

// hv that agrees to everything, and the log as text.
struct Listener {
    fake::World&   world = fake::reset();
    abi::EventPage events{};
    std::string    said;
    Log            log{events};

    Listener()
    {
        world.answer = [this](fake::Made const& made) -> Answer {
            if (made.call == abi::Call::log)
                said += std::string(events.text, made.rdi) + "\n";
            return {Status::ok, 0, 0};
        };
    }
};

// hv with one guest's pages, the log as text, and a calendar.
struct Machine {
    fake::World& world = fake::reset();
    std::unique_ptr<abi::InterceptPage> page = std::make_unique<abi::InterceptPage>();
    std::unique_ptr<abi::CountersPage>  counters = std::make_unique<abi::CountersPage>();
    std::unique_ptr<abi::EventPage>     events = std::make_unique<abi::EventPage>();
    std::unique_ptr<Guest>              guest_storage = std::make_unique<Guest>();
    Guest&          guest = *guest_storage;
    std::vector<u8> ram = std::vector<u8>(4 * mebibyte, 0xee);
    std::vector<u8> kernel = std::vector<u8>(0x200);
    abi::InfoPage   info{};
    Log             log{*events};
    std::string     lines, frames;
    abi::Call       refused{};                        // this call fails

    Machine()
    {
        page->counters_page = reinterpret_cast<u64>(counters.get());
        world.answer = [this](fake::Made const& made) -> Answer {
            if (made.call == refused)
                return {Status::no_memory, 0, 0};
            if (made.call == abi::Call::log)
                (made.rsi ? frames : lines) += std::string(events->text, made.rdi) + "\n";
            if (made.call == abi::Call::partition_create)
                return {Status::ok, 40, 0};
            if (made.call == abi::Call::vcpu_create)
                return {Status::ok, 41, reinterpret_cast<u64>(page.get())};
            return {Status::ok, 0, 0};
        };
        auto put = [&](usize offset, auto value) { std::memcpy(&kernel[offset], &value, sizeof value); };
        put(0, u32{0x464c'457f}), put(4, u8{2}), put(5, u8{1}), put(6, u8{1});
        put(16, u16{2}), put(18, u16{62}), put(24, u64{0x10'0010}), put(32, u64{64}), put(52, u16{64}), put(54, u16{56}), put(56, u16{1});
        put(64, u32{1}), put(68, u32{5}), put(72, u64{0x100}), put(80, u64{0x10'0000}), put(88, u64{0x10'0000}), put(96, u64{0x80}), put(104, u64{0x1000});
        info.tsc_hz = 1'000'000'000;
        std::memcpy(guest.recipe.name, "dog", 4);
        guest.recipe.initrd = abi::no_file;
        guest.recipe.weight = 100;
        guest.kernel = kernel;
        guest.kernel_name = "kernel";
        guest.memory.add(ram.data(), ram.size());
    }

    End port(u16 number, u8 size, bool input, u64 rax = 0)
    {
        page->kind = abi::InterceptKind::port;
        page->port = {number, size, input, 0, 0, 8, 3};
        page->registers.rax = rax;
        return answer(guest);
    }
    End stopped(abi::StopReason reason)
    {
        page->kind = abi::InterceptKind::stopped;
        page->stop = {reason, 2, 0, 0};
        return answer(guest);
    }
};

} // namespace

TEST_CASE("guest: starts with RAM zeroed, its traps bound and its first state set, in that order")
{
    Machine m;
    REQUIRE(begin(m.guest, m.info, m.log));
    CHECK(m.guest.state == GuestState::running);
    CHECK(m.frames == "guest dog started\n");
    CHECK(m.ram[0x30'0000] == 0);
    CHECK(m.page->state.rip == 0x10'0010);
    CHECK(m.page->registers.rsi == layout::zero_page);
    CHECK(m.world.last(abi::Call::memory_map).rdx == reinterpret_cast<u64>(m.ram.data()));
    CHECK(m.world.last(abi::Call::vcpu_create).rdx == 1);
    CHECK(m.world.last(abi::Call::vcpu_state_set).rsi == 1);
    CHECK(m.world.count(abi::Call::intercept_bind) == 7);
    CHECK(m.world.calls[m.world.calls.size() - 2].call == abi::Call::vcpu_start);
}

TEST_CASE("guest: whatever hv refuses leaves nothing behind and is said")
{
    for (abi::Call call : {abi::Call::partition_create, abi::Call::memory_map, abi::Call::intercept_bind, abi::Call::vcpu_create,
                           abi::Call::vcpu_state_set, abi::Call::vcpu_start}) {
        Machine m;
        m.refused = call;
        CHECK_FALSE(begin(m.guest, m.info, m.log));
        CHECK(m.guest.state == GuestState::ended);
        CHECK(m.world.count(abi::Call::partition_destroy) == (call == abi::Call::partition_create ? 0 : 1));
        CHECK(m.frames == "guest dog stopped reason=load-error status=failed\n");
        CHECK(m.lines.find("guest dog: the hypervisor refused") != std::string::npos);
    }
}

TEST_CASE("guest: a missing kernel or initrd is a line with the file's name")
{
    Machine m;
    m.guest.kernel = {};
    CHECK_FALSE(begin(m.guest, m.info, m.log));
    CHECK(m.lines == "service: guest dog: kernel: the file is missing or empty\n");
    m.lines.clear();
    m.guest.kernel = m.kernel;
    m.guest.recipe.initrd = 1;
    m.guest.initrd_name = "initrd.img";
    CHECK_FALSE(begin(m.guest, m.info, m.log));
    CHECK(m.lines == "service: guest dog: initrd.img: the file is missing or empty\n");
}

TEST_CASE("answer: port input replaces what its width replaces; output reaches the device")
{
    Machine m;
    REQUIRE(begin(m.guest, m.info, m.log));
    constexpr u64 before = 0x1111'2222'3333'4444;
    CHECK(m.port(0x3fd, 1, true, before).reason == EndReason::none);
    CHECK(m.page->registers.rax == 0x1111'2222'3333'4460);
    CHECK(m.page->reply.action == abi::ReplyAction::skip);
    CHECK(m.page->reply.has_value == 0);
    m.port(0x3fd, 2, true, before);
    CHECK(m.page->registers.rax == 0x1111'2222'3333'ff60);
    m.port(0xcf8, 4, true, before);
    CHECK(m.page->registers.rax == 0);
    m.port(0x3f8, 1, false, 'w');
    CHECK(m.guest.output.pop() == 'w');
    CHECK(m.port(0x604, 1, false, 0x34).reason == EndReason::power_off);
    CHECK(m.port(0x600, 1, false, 0x1234'5601).reason == EndReason::reboot);
}

TEST_CASE("answer: clock MSRs are served, nonsense gets a general protection fault")
{
    Machine m;
    REQUIRE(begin(m.guest, m.info, m.log));
    auto msr = [&](u32 index, bool write, u64 value) {
        m.page->kind = abi::InterceptKind::msr;
        m.page->msr = {index, write};
        m.page->registers.rax = value & 0xffff'ffff, m.page->registers.rdx = value >> 32;
        return answer(m.guest);
    };
    CHECK(msr(KvmClock::system_time_msr, true, 0x20'0001).reason == EndReason::none);
    CHECK(m.page->reply.action == abi::ReplyAction::skip);
    msr(KvmClock::system_time_msr, false, ~0ull);
    CHECK(m.page->registers.rax == 0x20'0001);
    CHECK(m.page->registers.rdx == 0);
    msr(KvmClock::system_time_msr, true, 0x8000'0000'0001);
    CHECK(m.page->reply.action == abi::ReplyAction::inject);
    CHECK(m.page->reply.vector == 13);
    CHECK(m.page->reply.has_error == 1);
}

TEST_CASE("answer: a string port access to a page that is not there gets a page fault with its address")
{
    Machine m;
    REQUIRE(begin(m.guest, m.info, m.log));
    abi::InterceptPage& page = *m.page;
    page.kind = abi::InterceptKind::port;
    page.port = {0x3f8, 1, 1, 1, 1, 8, 0};
    page.execution = {};
    page.execution.cr0 = 0x8000'0011, page.execution.cr3 = 0x1000, page.execution.cr4 = 0x20, page.execution.efer = 0xd00, page.execution.cs_access = 0xa09b;
    m.guest.memory.copy_out(0x1000, u64{0});
    page.registers.rdi = 0x1234, page.registers.rcx = 1;
    CHECK(answer(m.guest).reason == EndReason::none);
    CHECK(page.reply.action == abi::ReplyAction::inject);
    CHECK(page.reply.vector == 14);
    CHECK(page.reply.has_error == 1);
    CHECK(page.reply.error_code == 2);
    CHECK(page.reply.has_value == 1);
    CHECK(page.reply.value == 0x1234);
    CHECK(page.registers.rcx == 1);
}

TEST_CASE("answer: an intercept of unknown kind or stop of unknown reason ends the guest, and nothing else")
{
    Machine m;
    REQUIRE(begin(m.guest, m.info, m.log));
    m.page->kind = static_cast<abi::InterceptKind>(99);
    CHECK(answer(m.guest).reason == EndReason::unsupported);
    CHECK(m.stopped(static_cast<abi::StopReason>(99)).reason == EndReason::unsupported);
    CHECK(m.stopped(abi::StopReason::left_x2apic).reason == EndReason::left_x2apic);
}

TEST_CASE("lifecycle: what follows from an end, by reason and policy")
{
    struct Row { EndReason reason; abi::StopPolicy policy; GuestState after; char const* frames; };
    constexpr char const* failed = "guest dog stopped reason=triple-fault status=failed\n";
    static constexpr Row rows[] = {
        {EndReason::power_off,    abi::StopPolicy::stop,    GuestState::ended,   "guest dog stopped reason=poweroff status=ok\n"},
        {EndReason::power_off,    abi::StopPolicy::restart, GuestState::ended,   "guest dog stopped reason=poweroff status=ok\n"},
        {EndReason::reboot,       abi::StopPolicy::stop,    GuestState::running, "guest dog stopped reason=reboot status=ok\nguest dog restarted\n"},
        {EndReason::triple_fault, abi::StopPolicy::stop,    GuestState::ended,   failed},
        {EndReason::triple_fault, abi::StopPolicy::hold,    GuestState::held,    failed},
        {EndReason::triple_fault, abi::StopPolicy::restart, GuestState::running, "guest dog stopped reason=triple-fault status=failed\nguest dog restarted\n"},
        {EndReason::panic,        abi::StopPolicy::stop,    GuestState::ended,   "guest dog stopped reason=panic status=failed\n"},
    };
    for (Row const& row : rows) {
        Machine m;
        m.guest.recipe.policy = row.policy;
        REQUIRE(begin(m.guest, m.info, m.log));
        m.frames.clear();
        m.ram[0x38'0000] = 0x55;
        CHECK(conclude(m.guest, {row.reason}, Wanted::nothing, m.info, m.log) == (row.after == GuestState::running));
        CHECK(m.guest.state == row.after);
        CHECK(m.frames == row.frames);
        CHECK(m.world.count(abi::Call::partition_destroy) == (row.after == GuestState::held ? 0 : 1));
        CHECK(m.ram[0x38'0000] == (row.after == GuestState::running ? 0 : 0x55));   // a fresh start finds nothing of the last one
    }
}

TEST_CASE("lifecycle: a guest that only ever restarts rests between its runs, longer each time, until it ran for a while")
{
    Machine m;
    m.info.tsc_hz = 1'000'000'000'000;                // no test is slower than settled_ms of this clock
    u64 const ms = m.info.tsc_hz / 1000;
    REQUIRE(begin(m.guest, m.info, m.log));
    auto const reboot = [&] { return conclude(m.guest, {EndReason::reboot}, Wanted::nothing, m.info, m.log); };
    CHECK(reboot());
    CHECK(m.guest.state == GuestState::running);      // the first is as quick as ever
    for (u64 const pause : {50u, 100u, 200u, 400u, 800u, 1600u, 3200u, 5000u, 5000u}) {
        CAPTURE(pause);
        u64 const before = time_stamp();
        CHECK(reboot());
        CHECK(m.guest.state == GuestState::resting);
        CHECK(m.guest.partition == 0);
        CHECK(m.guest.resume_at >= before + pause * ms);
        CHECK(m.guest.resume_at <= time_stamp() + pause * ms);
        REQUIRE(begin(m.guest, m.info, m.log));       // the service does, when its clock came
    }
    CHECK(conclude(m.guest, {EndReason::reboot}, Wanted::restart, m.info, m.log));
    CHECK(m.guest.state == GuestState::running);      // a person does not wait
    m.guest.started = time_stamp() - settled_ms * ms;
    CHECK(reboot());
    CHECK(m.guest.state == GuestState::running);
    CHECK(m.guest.next_pause == 0);
}

TEST_CASE("lifecycle: a failure is reported with its state and its exits")
{
    Machine m;
    REQUIRE(begin(m.guest, m.info, m.log));
    m.counters->exits[static_cast<u32>(abi::ExitCounter::cpuid)] = 12;
    m.page->execution.complete = 1;
    m.page->execution.rip = 0x10'0042;
    End const end = m.stopped(abi::StopReason::triple_fault);
    m.lines.clear();
    conclude(m.guest, end, Wanted::nothing, m.info, m.log);
    CHECK(m.lines.find("stopped: triple-fault") != std::string::npos);
    CHECK(m.lines.find("rip 0x100042") != std::string::npos);
    CHECK(m.lines.find("exits 12: cpuid=12") != std::string::npos);
}

namespace {

// A manifest of two files and the guests given.
struct Book {
    std::vector<u8>  manifest, heap = std::vector<u8>(1 << 18);
    std::vector<u8>  file = std::vector<u8>(100);
    abi::InfoPage    info{};

    explicit Book(std::vector<abi::ManifestGuest> const& guests, std::vector<abi::ManifestDisk> const& disks = {})
    {
        abi::ManifestHeader header{};
        abi::ManifestFile   file_entry{};
        abi::ManifestService service[2]{};
        std::memcpy(file_entry.name, "kernel", 7);
        file_entry.service = 3;
        std::memcpy(service[0].name, "first", 6), std::memcpy(service[1].name, "second", 7);
        service[0].owns_devices = 1, service[1].memory = large_page;
        header = {abi::manifest_magic, abi::manifest_version, 0, 0, 0, 1, 2, static_cast<u32>(guests.size()),
                  static_cast<u32>(disks.size()), 0, 6, {}};
        header.text_offset = static_cast<u32>(sizeof header + sizeof file_entry + sizeof service + guests.size() * sizeof guests[0] + disks.size() * sizeof(abi::ManifestDisk));
        header.size = header.text_offset + header.text_size;
        auto append = [&](void const* bytes, usize size) {
            manifest.insert(manifest.end(), static_cast<u8 const*>(bytes), static_cast<u8 const*>(bytes) + size);
        };
        append(&header, sizeof header), append(&file_entry, sizeof file_entry), append(service, sizeof service);
        append(guests.data(), guests.size() * sizeof guests[0]);
        append(disks.data(), disks.size() * sizeof(abi::ManifestDisk));
        append("quiet", 6);
        u32 const sum = crc32(std::span{manifest}.subspan(offsetof(abi::ManifestHeader, options)));
        std::memcpy(&manifest[offsetof(abi::ManifestHeader, checksum)], &sum, sizeof sum);

        info.cpu_count = 2;
        info.memory_base[0] = 0x1000'0000, info.memory_size[0] = 64 * mebibyte;
        info.module_count = 2;
        info.modules[0] = {reinterpret_cast<u64>(manifest.data()), manifest.size(), "manifest"};
        info.modules[1] = {reinterpret_cast<u64>(file.data()), file.size(), "kernel"};
    }
};

abi::ManifestGuest recipe(char const* name, u64 memory, u32 service = 0, u32 cpu = abi::any_cpu)
{
    abi::ManifestGuest guest{};
    std::memcpy(guest.name, name, std::strlen(name));
    guest.memory = memory, guest.service = service, guest.cpu = cpu;
    guest.initrd = abi::no_file, guest.weight = 100;
    return guest;
}

} // namespace

TEST_CASE("plan: each service takes its own guests; CPUs go round, RAM is given once")
{
    fake::reset();
    abi::EventPage events{};
    Log log{events};
    Book book{{recipe("one", 16 * mebibyte), recipe("other", 16 * mebibyte, 1), recipe("two", 16 * mebibyte), recipe("three", 16 * mebibyte, 0, 1)}};
    Drives drives;
    net::Networks networks;
    Plan const plan = make_plan(book.info, book.heap, drives, networks, log);
    REQUIRE(plan.count == 3);
    CHECK(plan.refused == 0);
    CHECK(plan.guests[1]->name_view() == "two");
    CHECK(plan.guests[0]->home == 0);
    CHECK(plan.guests[1]->home == 1);
    CHECK(plan.guests[2]->home == 1);
    CHECK(plan.guests[0]->command_line == "quiet");
    CHECK(plan.guests[0]->kernel.size() == 100);
    auto const first = plan.guests[0]->memory.parts()[0], second = plan.guests[1]->memory.parts()[0];
    CHECK((first.host + first.size <= second.host || second.host + second.size <= first.host));
}

TEST_CASE("plan: a guest that cannot be is reported, and the others are planned")
{
    fake::World& world = fake::reset();
    abi::EventPage events{};
    std::string frames;
    world.answer = [&](fake::Made const& made) -> Answer {
        if (made.call == abi::Call::log && made.rsi)
            frames += std::string(events.text, made.rdi) + "\n";
        return {Status::ok, 0, 0};
    };
    Log log{events};
    Book book{{recipe("big", 4096 * mebibyte), recipe("far", 2 * mebibyte, 0, 7), recipe("good", 2 * mebibyte)}};
    Drives drives;
    net::Networks networks;
    Plan const plan = make_plan(book.info, book.heap, drives, networks, log);
    CHECK(plan.count == 1);
    CHECK(plan.refused == 2);
    CHECK(plan.guests[0]->name_view() == "good");
    CHECK(frames == "guest big stopped reason=load-error status=failed\nguest far stopped reason=load-error status=failed\n");
    book.manifest[100] ^= 1;
    CHECK(make_plan(book.info, book.heap, drives, networks, log).count == 0);
    CHECK(make_plan(book.info, {}, drives, networks, log).count == 0);
}

namespace {

abi::ManifestDisk disk(u32 guest, abi::MediumKind kind, u32 source = 0)
{
    abi::ManifestDisk entry{};
    std::memcpy(entry.serial, "disk", 4);
    entry.guest = guest, entry.kind = kind, entry.source = source;
    entry.bytes = kind == abi::MediumKind::memory ? 4096 : 0;
    return entry;
}

u32 bit(abi::DiskOption option) { return static_cast<u32>(option); }

abi::ManifestDisk area(u32 guest, bool lazy = false)
{
    auto entry = disk(guest, abi::MediumKind::area);
    entry.options = bit(abi::DiskOption::read_only) | (lazy ? bit(abi::DiskOption::lazy) : 0);
    return entry;
}

// What is wrong with one disk of one guest.
std::string fault_of(auto change, std::vector<abi::ManifestDisk> more = {})
{
    auto entry = disk(0, abi::MediumKind::module);
    entry.options = bit(abi::DiskOption::read_only);
    change(entry);
    more.insert(more.begin(), entry);
    Book const book{{recipe("one", 2 * mebibyte), recipe("other", 2 * mebibyte, 1)}, more};
    auto const manifest = ManifestReader::parse(book.manifest);
    REQUIRE(manifest);
    auto const read = DiskRecipe::read(*manifest, 0);
    return read ? "" : std::string{describe(read.error())};
}

} // namespace

TEST_CASE("plan: every fault of a disk is named")
{
    CHECK(fault_of([](auto&) {}).empty());
    CHECK(fault_of([](auto& d) { d.guest = 2; }) == describe(DiskFault::guest));
    CHECK(fault_of([](auto& d) { d.serial[0] = 0; }) == describe(DiskFault::serial));
    CHECK(fault_of([](auto& d) { d.serial[3] = 27; }) == describe(DiskFault::serial));
    CHECK(fault_of([](auto& d) { std::memset(d.serial, 'x', sizeof d.serial); }).empty());
    CHECK(fault_of([](auto& d) { d.kind = static_cast<abi::MediumKind>(4); }) == describe(DiskFault::kind));
    CHECK(fault_of([](auto& d) { d.options = 32; }) == describe(DiskFault::options));
    CHECK(fault_of([](auto& d) { d.overlay = 4096; }) == describe(DiskFault::options));          // read-only, too
    CHECK(fault_of([](auto& d) { d.options |= bit(abi::DiskOption::write_through); }) == describe(DiskFault::options));
    CHECK(fault_of([](auto& d) { d.options |= bit(abi::DiskOption::by_label); }) == describe(DiskFault::options));
    CHECK(fault_of([](auto& d) { d.bytes = 512; }) == describe(DiskFault::bytes));
    CHECK(fault_of([](auto& d) { d.source = 1; }) == describe(DiskFault::source));
    CHECK(fault_of([](auto& d) { d.options |= bit(abi::DiskOption::lazy); }) == describe(DiskFault::options));
    auto area_of = [](auto& d) { d.kind = abi::MediumKind::area, d.options = bit(abi::DiskOption::read_only) | bit(abi::DiskOption::lazy); };
    CHECK(fault_of(area_of).empty());
    CHECK(fault_of([&](auto& d) { area_of(d), d.options = 0; }) == describe(DiskFault::options));
    CHECK(fault_of([&](auto& d) { area_of(d), d.overlay = 4096; }) == describe(DiskFault::options));
    CHECK(fault_of([&](auto& d) { area_of(d), d.source = 1; }) == describe(DiskFault::source));
    CHECK(fault_of([&](auto& d) { area_of(d), d.bytes = 512; }) == describe(DiskFault::bytes));
    auto blank = [](auto& d) { d.kind = abi::MediumKind::memory, d.options = 0, d.bytes = 512; };
    CHECK(fault_of(blank).empty());
    CHECK(fault_of([&](auto& d) { blank(d), d.bytes = 0; }) == describe(DiskFault::bytes));
    CHECK(fault_of([&](auto& d) { blank(d), d.bytes = 513; }) == describe(DiskFault::bytes));
    CHECK(fault_of([&](auto& d) { blank(d), d.bytes = ~0ull - 511; }) == describe(DiskFault::bytes));
    CHECK(fault_of([&](auto& d) { blank(d), d.overlay = ~0ull; }) == describe(DiskFault::overlay));
    auto drive = [](auto& d) { d.kind = abi::MediumKind::drive, d.options = 0, d.source = 3; };
    CHECK(fault_of(drive).empty());
    CHECK(fault_of([&](auto& d) { drive(d), d.source = 4; }) == describe(DiskFault::source));
    CHECK(fault_of([&](auto& d) { drive(d), d.guest = 1; }) == describe(DiskFault::devices));
    CHECK(fault_of([&](auto& d) { drive(d), d.options = bit(abi::DiskOption::by_label); }) == describe(DiskFault::partition));
    CHECK(fault_of([&](auto& d) { drive(d), d.options = bit(abi::DiskOption::by_label), std::memset(d.partition, 'x', 37); }) == describe(DiskFault::partition));
    CHECK(fault_of([&](auto& d) { drive(d), d.options = bit(abi::DiskOption::by_label), std::memset(d.partition, 'x', 36); }).empty());
    CHECK(fault_of([&](auto& d) { drive(d), d.options = bit(abi::DiskOption::by_label) | bit(abi::DiskOption::by_uuid); }) == describe(DiskFault::options));
}

TEST_CASE("plan: nobody writes to a file that is used elsewhere")
{
    auto writable = [](auto& d) { d.options = 0; };
    CHECK(fault_of(writable) == describe(DiskFault::shared));                    // it is the guest's kernel
    CHECK(fault_of([](auto& d) { d.options = 0, d.overlay = 4096; }).empty());
    CHECK(fault_of([](auto&) {}, {disk(0, abi::MediumKind::module)}).empty());   // the other one is refused
    Book const book{{recipe("one", 2 * mebibyte)}, {area(0), disk(0, abi::MediumKind::module)}};
    auto const manifest = ManifestReader::parse(book.manifest);
    REQUIRE(manifest);
    CHECK(DiskRecipe::read(*manifest, 0));
    CHECK(DiskRecipe::read(*manifest, 1).error() == DiskFault::shared);
}

TEST_CASE("plan: areas of one file are the same memory for all who have it; each guest has its own behind its RAM")
{
    Listener listener;
    auto& [world, events, said, log] = listener;
    Book book{{recipe("one", 2 * mebibyte), recipe("two", 2 * mebibyte), recipe("three", 2 * mebibyte)}, {area(0), area(1, true), area(1)}};
    struct alignas(page_size) Page { u8 bytes[page_size]; };
    std::vector<Page> file(1);
    std::memset(file[0].bytes, 0x77, page_size);
    book.info.modules[1].base = reinterpret_cast<u64>(file.data());
    fake::LowMemory low{1 << 20};
    Drives drives;
    net::Networks networks;
    Plan const plan = make_plan(book.info, {low.data(), 1 << 20}, drives, networks, log);
    REQUIRE(plan.count == 3);
    CHECK((file[0].bytes[99] == 0x77 && file[0].bytes[100] == 0 && file[0].bytes[page_size - 1] == 0));
    auto const& one = plan.guests[0]->platform.virtio;
    auto const& two = plan.guests[1]->platform.virtio;
    REQUIRE(one.pmem(0));
    REQUIRE(two.pmem(1));
    CHECK(one.pmem(0)->area.address() == high_memory);
    CHECK(two.pmem(1)->area.address() == high_memory + SharedArea::section);
    CHECK(two.pmem_at(high_memory + SharedArea::section + 5) == two.pmem(1));
    CHECK(two.pmem_at(high_memory + large_page) == nullptr);
    CHECK(plan.guests[2]->platform.virtio.pmem_at(high_memory) == nullptr);
    CHECK((plan.disk_count == 0 && plan.guests[0]->disk_count == 0));            // an area is none of the disks
    world.calls.clear();
    REQUIRE(one.pmem(0)->area.attach(40) == Status::ok);
    CHECK(world.calls.front().rdx == reinterpret_cast<u64>(file.data()));
    REQUIRE(two.pmem(0)->area.attach(41) == Status::ok);
    REQUIRE(two.pmem(0)->area.touch(high_memory) == Status::ok);
    CHECK(world.last(abi::Call::memory_map).rdx == reinterpret_cast<u64>(file.data()));
    CHECK(said.find("guest two: area 1: disk, 100 bytes of memory from ") != std::string::npos);
    book.info.modules[1].size = 0;
    CHECK(make_plan(book.info, {low.data(), 1 << 20}, drives, networks, log).count == 1);
    CHECK(said.find("guest one: area 0: its file is missing or empty") != std::string::npos);
    fake::reset();
}

TEST_CASE("plan: disks of every kind, in order; a drive's parts do not overlap")
{
    Listener listener;
    auto& [world, events, said, log] = listener;
    fake::IdeChannel ide;
    ide.drives[0].sectors = 4096;
    world.device = &ide;
    auto whole = disk(0, abi::MediumKind::drive), again = disk(1, abi::MediumKind::drive), missing = disk(2, abi::MediumKind::drive, 1);
    again.options = bit(abi::DiskOption::read_only);
    auto file = disk(3, abi::MediumKind::module);
    file.options = bit(abi::DiskOption::read_only);
    Book book{{recipe("writer", 2 * mebibyte), recipe("reader", 2 * mebibyte), recipe("none", 2 * mebibyte), recipe("file", 2 * mebibyte)},
              {whole, again, missing, file}};
    fake::LowMemory low{1 << 20};
    Drives drives;
    net::Networks networks;
    Plan const plan = make_plan(book.info, {low.data(), 1 << 20}, drives, networks, log);
    REQUIRE(plan.count == 1);
    CHECK(plan.guests[0]->disk_count == 1);
    CHECK(plan.guests[0]->disks[0]->medium.properties().sectors == 4096);
    CHECK(plan.guests[0]->disks[0]->recipe.serial() == "disk");
    CHECK(plan.disks[0] == plan.guests[0]->disks[0]);
    CHECK((ide.pci_command & 5) == 5);
    CHECK(said.find("guest reader: disk 0: drive 0 (first channel, master): this part overlaps one") != std::string::npos);
    CHECK(said.find("guest none: disk 0: drive 1 (first channel, slave): is not there") != std::string::npos);
    CHECK(said.find("guest file: disk 0: its file is missing, empty or no multiple of 512 bytes") != std::string::npos);
    world.calls.clear();
    drives.start(40, log);
    CHECK(world.count(abi::Call::interrupt_bind) == 1);
    CHECK(world.last(abi::Call::interrupt_bind).rsi == 14);
    CHECK(world.last(abi::Call::interrupt_bind).rdx == 40);
    fake::reset();
}

TEST_CASE("plan: a guest on another CPU reaches its drive through rings, under its overlay")
{
    fake::World& world = fake::reset();
    fake::IdeChannel ide;
    ide.drives[0].sectors = 64;
    world.device = &ide;
    abi::EventPage events{};
    Log log{events};
    auto entry = disk(0, abi::MediumKind::drive);
    Book book{{recipe("far", 2 * mebibyte, 0, 1)}, {entry}};
    fake::LowMemory low{1 << 20};
    Drives drives;
    net::Networks networks;
    Plan const plan = make_plan(book.info, {low.data(), 1 << 20}, drives, networks, log);
    REQUIRE(plan.count == 1);
    Disk const& planned = *plan.guests[0]->disks[0];
    CHECK(planned.remote != nullptr);
    CHECK(planned.slice->home == 1);
    CHECK(planned.slice->event == disk_done_event);
    fake::reset();
}
