// SPDX-License-Identifier: Apache-2.0
//
// virtio-pmem and the area behind it: what of the service's memory is mapped where and with which rights, what a touch and a write bring about,
// and what a flush says.
#include "drivers/guest/answer.hpp"
#include "drivers/guest/start.hpp"
#include "tests/host/virtio_driver.hpp"
#include <doctest/doctest.h>
#include <memory>

using namespace kennel;
using namespace kennel::service;
using namespace kennel::service::fake;
using namespace kennel::service::wire;

namespace {

constexpr u64 area_at = 0x1'0800'0000, content_bytes = 3 * page_size + 100, request_at = 0x8000, answer_at = 0x9000;

// A file of three pages and a bit, on pages of its own as the loader puts it, and a page of zeroes.
struct File {
    struct alignas(page_size) Page { u8 bytes[page_size]; };
    std::vector<Page> pages = std::vector<Page>(5);

    File()
    {
        for (u64 i = 0; i < content_bytes; i++)
            pages[i / page_size].bytes[i % page_size] = static_cast<u8>(i / page_size + 1);
    }
    u64 host(u64 page) const { return reinterpret_cast<u64>(&pages[page]); }
    SharedArea::Recipe recipe(bool lazy) const { return {{pages[0].bytes, content_bytes}, {pages[4].bytes, page_size}, area_at, lazy}; }
};

// The device and its driver; hv is world.
struct Machine : Rings {
    World&        world = reset();
    File          file;
    VirtioPmem    pmem;
    PciFunction   function;
    InterruptSink interrupts;

    explicit Machine(bool lazy = false) : pmem{file.recipe(lazy)}
    {
        interrupts.attach(7);
        pmem.transport.power_on(function, 0x1000, 0xc010'0000, memory, interrupts);
        pmem.power_on();
    }
    // As Linux makes one; -> the answer
    u32 flush(u32 type = 0, u32 request_bytes = 4, u32 answer_bytes = 4)
    {
        put(request_at, type), put(answer_at, u32{0x5555'5555});
        describe(0, request_at, request_bytes, descriptor::next, 1);
        describe(1, answer_at, answer_bytes, descriptor::write);
        make_available(0);
        pmem.kicked();
        return get<u32>(answer_at);
    }
};

// The calls of one kind.
std::vector<Made> made(World const& world, abi::Call call)
{
    std::vector<Made> found;
    std::ranges::copy_if(world.calls, std::back_inserter(found), [&](Made const& one) { return one.call == call; });
    return found;
}

constexpr u64 read_execute_write_back = 5 | 6 << 8;

} // namespace

TEST_CASE("pmem: its PCI function and its registers say where the area is")
{
    Machine machine;
    CHECK(machine.function.read(0, 4) == 0x105b'1af4);
    CHECK(bring_up(machine.pmem, machine) == 15);
    Transport& transport = machine.pmem.transport;
    u64 const start = transport.read_port(0x80, 4) | u64{transport.read_port(0x84, 4)} << 32, size = transport.read_port(0x88, 4) | u64{transport.read_port(0x8c, 4)} << 32;
    CHECK(start == area_at);
    CHECK(size == large_page);
    transport.write_port(0x80, 4, 0);
    CHECK(transport.read_port(0x80, 4) == static_cast<u32>(area_at));
}

TEST_CASE("pmem: a flush is answered, and fails from the first write on that changed nothing")
{
    Machine machine;
    bring_up(machine.pmem, machine);
    CHECK(machine.flush() == 0);
    CHECK(machine.used_bytes(0) == 4);
    machine.pmem.drop_write();
    CHECK(machine.flush() == ~0u);
    CHECK(machine.flush() == ~0u);
    CHECK(machine.pmem.counters().flushes == 3);
    CHECK(machine.pmem.counters().failed == 2);
    machine.pmem.power_on();
    CHECK(machine.flush() == 0);
    CHECK(machine.pmem.counters().flushes == 1);
}

TEST_CASE("pmem: requests that are none")
{
    Machine machine;
    bring_up(machine.pmem, machine);
    CHECK(machine.flush(1) == ~0u);                        // an unknown type
    CHECK(machine.flush(0, 3) == ~0u);                     // cut short
    CHECK(machine.flush(0, 4, 2) == 0x5555'ffff);          // no room for the answer: what there is of it
    CHECK(machine.used_bytes(2) == 2);
    machine.describe(0, request_at, 4, 0);                 // none at all
    machine.make_available(0);
    machine.pmem.kicked();
    CHECK(machine.used() == 4);
    CHECK(machine.used_bytes(3) == 0);
    machine.describe(0, ram_bytes - 2, 4, descriptor::next, 1);   // half of it is not RAM
    machine.make_available(0);
    machine.pmem.kicked();
    CHECK(machine.pmem.counters().malformed == 5);
    CHECK(machine.pmem.counters().flushes == 0);
    machine.describe(0, request_at, 4, descriptor::next, 0);      // a ring that bites its tail
    machine.make_available(0);
    machine.pmem.kicked();
    CHECK((machine.pmem.transport.read_port(common::device_status, 1) & status::needs_reset) != 0);
    CHECK(bring_up(machine.pmem, machine) == 15);
}

TEST_CASE("area: as a whole it is mapped from the service's own frames, to read and execute, and zeroes behind them")
{
    World& world = reset();
    File const file;
    SharedArea one{file.recipe(false)}, other{file.recipe(false)};
    REQUIRE(one.attach(40) == Status::ok);
    REQUIRE(other.attach(41) == Status::ok);
    auto const maps = made(world, abi::Call::memory_map);
    u64 const pages = large_page / page_size, each = 1 + (pages - 4);
    REQUIRE(maps.size() == 2 * each);
    for (u64 guest : {0u, 1u}) {
        Made const& content = maps[guest * each];
        CHECK(content.rdi == 40 + guest);
        CHECK(content.rsi == area_at);
        CHECK(content.rdx == file.host(0));               // the same for both: nothing was copied
        CHECK(content.r8 == 4 * page_size);
        CHECK(content.r9 == read_execute_write_back);
        for (u64 i = 4; i < pages; i++) {
            Made const& rest = maps[guest * each + i - 3];
            CHECK((rest.rsi == area_at + i * page_size && rest.rdx == file.host(4) && rest.r8 == page_size && rest.r9 == read_execute_write_back));
        }
    }
    one.revoke();                                          // for pages that come back by a touch
    CHECK(made(world, abi::Call::memory_unmap).empty());
    one.detach();
    one.detach();
    auto const unmaps = made(world, abi::Call::memory_unmap);
    REQUIRE(unmaps.size() == 1);
    CHECK((unmaps[0].rdi == 40 && unmaps[0].rsi == area_at && unmaps[0].r8 == large_page));
}

TEST_CASE("area: page by page nothing is mapped before it is touched, and a reset takes it all back")
{
    Machine machine{true};
    SharedArea& area = machine.pmem.area;
    REQUIRE(area.attach(40) == Status::ok);
    bring_up(machine.pmem, machine);
    CHECK(made(machine.world, abi::Call::memory_map).empty());
    REQUIRE(area.touch(area_at + page_size + 77) == Status::ok);
    REQUIRE(area.touch(area_at + large_page - 1) == Status::ok);
    auto const maps = made(machine.world, abi::Call::memory_map);
    REQUIRE(maps.size() == 2);
    CHECK((maps[0].rsi == area_at + page_size && maps[0].rdx == machine.file.host(1) && maps[0].r8 == page_size && maps[0].r9 == read_execute_write_back));
    CHECK((maps[1].rsi == area_at + large_page - page_size && maps[1].rdx == machine.file.host(4)));
    CHECK(area.touches() == 2);
    machine.world.calls.clear();
    machine.pmem.changed(machine.pmem.transport.write_port(common::device_status, 1, 0));
    CHECK(machine.world.last(abi::Call::memory_unmap).r8 == large_page);
    CHECK(machine.pmem.transport.read_port(common::device_status, 1) == 0);
    machine.world.answer = [](Made const& call) -> Answer { return {call.call == abi::Call::memory_map ? Status::overlap : Status::ok, 0, 0}; };
    CHECK(area.touch(area_at) == Status::ok);              // it is there
    machine.world.answer = [](Made const&) -> Answer { return {Status::no_memory, 0, 0}; };
    CHECK(area.touch(area_at) == Status::no_memory);
    CHECK(area.attach(41) == Status::ok);
    CHECK(area.touches() == 0);
}

TEST_CASE("area: what a guest reads of it by instructions that are carried out")
{
    File const file;
    SharedArea const area{file.recipe(true)};
    CHECK(area.read(area_at, 1) == 1);
    CHECK(area.read(area_at + page_size - 4, 8) == 0x0202'0202'0101'0101);
    CHECK(area.read(area_at + content_bytes - 2, 4) == 0x0404);
    CHECK(area.read(area_at + large_page - 4, 8) == 0xffff'ffff'0000'0000);
    CHECK_FALSE(area.contains(area_at - 1));
    CHECK_FALSE(area.contains(area_at + large_page));
}

namespace {

// A guest with the device, in real mode at 0x1000: the area begins where its 32-bit addresses end, so only intercepts know of it.
struct Touched {
    World& world = reset();
    File   file;
    std::unique_ptr<abi::InterceptPage> page = std::make_unique<abi::InterceptPage>();
    std::unique_ptr<Guest> guest = std::make_unique<Guest>();
    std::vector<u8> ram = std::vector<u8>(1 << 20);
    VirtioPmem pmem;

    explicit Touched(bool lazy) : pmem{file.recipe(lazy)}
    {
        guest->memory.add(ram.data(), ram.size());
        REQUIRE(guest->platform.virtio.add(pmem));
        guest->platform.reset(40, guest->memory);
        guest->page = page.get();
        page->execution.rip = 0x1000, page->execution.complete = 1;
        REQUIRE(pmem.area.attach(40) == Status::ok);
    }
    End access(u64 address, bool write, std::initializer_list<u8> code)
    {
        std::ranges::copy(code, ram.begin() + 0x1000);
        page->kind = abi::InterceptKind::memory;
        page->memory = {address, write, 0, 1, {}};
        page->reply = {};
        return answer(*guest);
    }
};

} // namespace

TEST_CASE("answer: a touch maps the page and runs the instruction again; no room for its tables ends the guest alone")
{
    Touched m{true};
    CHECK(m.access(area_at + 5 * page_size, false, {0x8a, 0x07}).reason == EndReason::none);
    CHECK(m.page->reply.action == abi::ReplyAction::retry);
    CHECK(m.world.last(abi::Call::memory_map).rsi == area_at + 5 * page_size);
    m.world.answer = [](Made const&) -> Answer { return {Status::no_memory, 0, 0}; };
    CHECK(m.access(area_at, false, {0x8a, 0x07}).reason == EndReason::unsupported);
}

TEST_CASE("answer: a write to an area is dropped and counted; what cannot be carried out is an exception in the guest")
{
    Touched m{false};
    auto const before = m.file.pages[0].bytes[0];
    CHECK(m.access(area_at, true, {0x88, 0x07}).reason == EndReason::none);                        // mov %al, (%bx)
    CHECK(m.page->reply.action == abi::ReplyAction::skip);
    CHECK(m.page->reply.instruction_length == 2);
    CHECK(m.access(area_at, true, {0x0f, 0xc3, 0x07}).reason == EndReason::none);                  // movnti %eax, (%bx)
    CHECK(m.page->reply.action == abi::ReplyAction::skip);
    CHECK(m.page->reply.instruction_length == 3);
    m.page->registers.rax = 0x10;
    CHECK(m.access(area_at + page_size, true, {0x86, 0x07}).reason == EndReason::none);            // xchg: reads what is there
    CHECK(m.page->registers.rax == 2);
    CHECK(m.access(area_at, true, {0xf3, 0x0f, 0x7f, 0x07}).reason == EndReason::none);            // movdqu %xmm0, (%bx)
    CHECK(m.page->reply.action == abi::ReplyAction::inject);
    CHECK(m.page->reply.vector == 13);
    CHECK(m.pmem.counters().dropped == 4);
    CHECK(m.file.pages[0].bytes[0] == before);
    CHECK(m.world.count(abi::Call::memory_map) == 1 + large_page / page_size - 4);                 // those of attach()
    CHECK(m.guest->platform.unclaimed == 0);
    CHECK(m.access(area_at + large_page, true, {0x88, 0x07}).reason == EndReason::none);           // behind it there is nothing
    CHECK(m.guest->platform.unclaimed == 1);
}
