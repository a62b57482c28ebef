// SPDX-License-Identifier: Apache-2.0
//
// Hypercalls: every argument that is refused, and what a refusal leaves behind (nothing).
#include "tests/fake/machine.hpp"
#include <algorithm>
#include <doctest/doctest.h>

using namespace kennel;
using namespace kennel::fake;
using abi::Call, abi::Status;

TEST_CASE("hypercall: unknown numbers and handles are refused")
{
    FakeMachine m;
    CHECK(m.call(static_cast<Call>(0)) == Status::bad_call);
    CHECK(m.call(static_cast<Call>(999)) == Status::bad_call);
    for (u64 handle : {0ull, 5ull, 127ull, 128ull, ~0ull})
        CHECK(m.call(Call::vcpu_start, handle) == Status::bad_handle);
    CHECK(m.call(Call::vcpu_start, abi::own_partition) == Status::bad_handle);
    CHECK(m.call(Call::partition_destroy, abi::own_partition) != Status::ok);
}

TEST_CASE("hypercall: memory that is not the caller's cannot be mapped")
{
    FakeMachine m{1, 2};
    auto guest = m.start_guest();
    u64 const rw = 3 | (6u << 8), ram = FakeMachine::ram_base;
    CHECK(m.call(Call::memory_map, guest.partition, 0, ram + (2u << 20), 2u << 20, rw) == Status::ok);
    CHECK(m.call(Call::memory_map, guest.partition, 0, ram + (4u << 20), 2u << 20, rw) == Status::overlap);
    // hv's block, the other service's RAM, over the end, and around the end of the address space
    CHECK(m.call(Call::memory_map, guest.partition, 1u << 30, FakeMachine::block_base, page_size, rw) == Status::not_owner);
    CHECK(m.call(Call::memory_map, guest.partition, 1u << 30, ram + FakeMachine::ram_size, page_size, rw) == Status::not_owner);
    CHECK(m.call(Call::memory_map, guest.partition, 1u << 30, ram + FakeMachine::ram_size - page_size, 2 * page_size, rw) == Status::not_owner);
    CHECK(m.call(Call::memory_map, guest.partition, 1u << 30, ~0ull & ~4095ull, page_size, rw) == Status::bad_argument);
    CHECK(m.call(Call::memory_map, guest.partition, 1u << 30, ram, ~0ull & ~4095ull, rw) == Status::bad_argument);
    CHECK(m.call(Call::memory_map, guest.partition, 1u << 30, ram + 1, page_size, rw) == Status::bad_argument);
    CHECK(m.call(Call::memory_map, guest.partition, 1u << 30, ram, 0, rw) == Status::bad_argument);
    CHECK(m.call(Call::memory_map, guest.partition, 1u << 30, ram, page_size, 2 | (6u << 8)) == Status::bad_argument);
    CHECK(m.call(Call::memory_map, guest.partition, 1u << 30, ram, page_size, 3 | (5u << 8)) == Status::bad_argument);
}

TEST_CASE("hypercall: a guest's numbers get KVM's answer, and ring 3 gets none")
{
    FakeMachine m;
    auto guest = m.start_guest();
    m.call(Call::wait);
    abi::Registers& r = guest.vcpu->registers();
    r.rax = static_cast<u64>(Call::machine_power);
    m.exit(HypercallExit{});
    CHECK(r.rax == static_cast<u64>(abi::guest_unknown_call));
    r.rax = static_cast<u64>(abi::GuestCall::nothing);
    m.exit(HypercallExit{});
    CHECK(r.rax == 0);
    guest.vcpu->arch.privilege = 3;
    r.rax = static_cast<u64>(abi::GuestCall::nothing);
    m.exit(HypercallExit{});
    CHECK(r.rax == static_cast<u64>(abi::guest_not_permitted));
}

TEST_CASE("hypercall: an answer is checked, and refused without effect")
{
    FakeMachine m;
    auto guest = m.start_guest();
    m.call(Call::wait);
    m.exit(MemoryExit{{0xfed0'0000}, true, false, false, false});
    REQUIRE(m.cpu().current == &m.service());
    abi::Reply& reply = guest.vcpu->page->reply;
    u64 const rip = guest.vcpu->arch.rip;
    reply = {abi::ReplyAction::skip, 0, 0, 0, 0, 0, 0};
    CHECK(m.call(Call::reply_and_wait, guest.handle) == Status::bad_argument);
    reply.instruction_length = 16;
    CHECK(m.call(Call::reply_and_wait, guest.handle) == Status::bad_argument);
    reply = {abi::ReplyAction::inject, 0, 32, 0, 0, 0, 0};
    CHECK(m.call(Call::reply_and_wait, guest.handle) == Status::bad_argument);
    reply = {static_cast<abi::ReplyAction>(77), 3, 0, 0, 0, 0, 0};
    CHECK(m.call(Call::reply_and_wait, guest.handle) == Status::bad_argument);
    CHECK(guest.vcpu->arch.rip == rip);
    reply = {abi::ReplyAction::skip, 3, 0, 0, 0, 0, 0};
    m.call(Call::reply_and_wait, guest.handle);
    CHECK(m.cpu().current == guest.vcpu);
    CHECK(guest.vcpu->arch.rip == rip + 3);
    // Answering what does not wait is refused.
    m.exit(InterruptExit{HostVector::kick});
}

TEST_CASE("hypercall: destroying a partition gives every frame back and its handles die")
{
    FakeMachine m;
    u64 const before = m.machine().master.lock()->free_count();
    auto guest = m.start_guest();
    CHECK(m.machine().master.lock()->free_count() == before - 64);
    CHECK(m.call(Call::partition_destroy, guest.partition) == Status::ok);
    CHECK(m.machine().master.lock()->free_count() == before);
    CHECK(m.call(Call::vcpu_start, guest.handle) == Status::bad_handle);
    CHECK(m.call(Call::partition_destroy, guest.partition) == Status::bad_handle);
    CHECK(m.cpu().all.front() == &m.service());
}

TEST_CASE("hypercall: a partition is destroyed while another CPU's message for it is on the way")
{
    FakeMachine m{2};
    auto guest = m.start_guest();
    CHECK(m.call(Call::interrupt_raise, guest.partition, 0xfee0'0000, 0x40, 0, 0, 1) == Status::ok);
    CHECK(m.cpu().arch.kicks == 1);
    CHECK(m.call(Call::partition_destroy, guest.partition) == Status::ok);      // the kick has not been looked at yet
    auto inbox = m.cpu().shared.inbox.lock();
    CHECK(inbox->empty());
}

TEST_CASE("hypercall: a guest that is stopped again before its message was fetched is in the chain of messages once")
{
    FakeMachine m;
    auto first = m.start_guest(7), second = m.start_guest(8);
    auto const stop_twice = [&](FakeMachine::Guest const& guest) {
        CHECK(m.call(Call::vcpu_stop, guest.handle) == Status::ok);
        CHECK(m.call(Call::vcpu_state_set, guest.handle) == Status::ok);
        CHECK(m.call(Call::vcpu_start, guest.handle) == Status::ok);
        CHECK(m.call(Call::vcpu_stop, guest.handle) == Status::ok);
    };
    CHECK(m.call(Call::vcpu_stop, second.handle) == Status::ok);
    stop_twice(first);
    CHECK(first.vcpu->next_waiting == second.vcpu);
    CHECK(m.call(Call::partition_destroy, first.partition) == Status::ok);
    CHECK(m.service().waiting_guests == second.vcpu);
    m.call(Call::wait);
    CHECK(m.service().registers().rdi == 8);
    CHECK(m.service().waiting_guests == nullptr);
}

TEST_CASE("hypercall: a service's own memory stays where it is, and data")
{
    FakeMachine m;
    u64 const rw = 3 | (6u << 8), at = FakeMachine::ram_base + (8u << 20);
    arch::unmap(*m.service().partition, {at}, {page_size});
    CHECK(m.call(Call::memory_map, abi::own_partition, FakeMachine::block_base, at, page_size, rw) == Status::bad_argument);
    CHECK(m.call(Call::memory_map, abi::own_partition, at, at, page_size, rw | 4) == Status::bad_argument);
    CHECK(m.call(Call::memory_map, abi::own_partition, at, at, page_size, rw) == Status::ok);
}

TEST_CASE("hypercall: a mapping that fails is forgotten by every CPU")
{
    FakeMachine m;
    auto guest = m.start_guest();
    u64 const rw = 3 | (6u << 8);
    CHECK(m.call(Call::memory_map, guest.partition, 0, FakeMachine::ram_base, page_size, rw) == Status::ok);
    unsigned const before = guest.vcpu->partition->space.invalidations;
    CHECK(m.call(Call::memory_map, guest.partition, 0, FakeMachine::ram_base, page_size, rw) == Status::overlap);
    CHECK(guest.vcpu->partition->space.invalidations == before + 1);
}

TEST_CASE("hypercall: a vCPU whose pages cannot all be shown leaves none of them behind")
{
    FakeMachine m;
    auto& mappings = m.service().partition->space.mappings;
    for (u64 room : {0u, 1u}) {
        abi::Registers& r = m.service().registers();
        REQUIRE(m.call(Call::partition_create, 64) == Status::ok);
        u64 const partition = r.rdi;
        std::vector<arch::Mapping*> filled;
        for (arch::Mapping& mapping : mappings)
            if (!mapping.size)
                filled.push_back(&mapping);
        for (u64 i = room; i < filled.size(); i++)
            *filled[i] = {1ull << 40, 0, 1, 1, abi::MemoryType::write_back};
        CHECK(m.call(Call::vcpu_create, partition, 0, 9, 100, 0) == Status::no_memory);
        CHECK(m.call(Call::partition_destroy, partition) == Status::ok);
        for (u64 i = room; i < filled.size(); i++)
            *filled[i] = {};
        CHECK(std::ranges::count_if(filled, [](arch::Mapping const* mapping) { return mapping->size != 0; }) == 0);
    }
    CHECK(m.cpu().all.front() == &m.service());
}

TEST_CASE("hypercall: a CPU has as many vCPUs to look at as there are handles to them, whatever fails")
{
    FakeMachine m;
    auto const listed = [&] {
        u64 count = 0;
        for ([[maybe_unused]] Vcpu& vcpu : m.cpu().all)
            count++;
        return count;
    };
    u64 const before = m.machine().master.lock()->free_count();
    REQUIRE(m.call(Call::partition_create, 256) == Status::ok);
    u64 const partition = m.service().registers().rdi;
    u64 made = 0, id = 0;
    while (m.call(Call::vcpu_create, partition, 0, 7, 100, id) == Status::ok)
        made++, id++;
    CHECK(m.call(Call::vcpu_create, partition, 0, 7, 100, ++id) == Status::no_memory);   // their pages cannot be shown
    CHECK(listed() == 1 + made);
    CHECK(m.call(Call::partition_destroy, partition) == Status::ok);
    CHECK(listed() == 1);

    REQUIRE(m.call(Call::partition_create, 256) == Status::ok);
    u64 const second = m.service().registers().rdi;
    while (m.call(Call::interrupt_bind, 2, 0, 9, 0, 0) == Status::ok) {}
    for (id = 0; id < 10; id++)
        CHECK(m.call(Call::vcpu_create, second, 0, 7, 100, id) == Status::full);
    CHECK(listed() == 1);
    CHECK(m.call(Call::partition_destroy, second) == Status::ok);
    CHECK(m.machine().master.lock()->free_count() == before);
}

TEST_CASE("hypercall: a clock set to 0 is due at once, and the timer goes on for all others")
{
    FakeMachine m;
    CHECK(m.call(Call::clock, 0, 5) == Status::ok);
    CHECK(m.cpu().arch.timer != 0);
    CHECK(m.cpu().arch.timer < m.now);
    m.exit(InterruptExit{HostVector::timer});
    CHECK(m.service().events->pending[0] == 1u << 5);
}

TEST_CASE("hypercall: a guest whose message waits for its service is stopped as well")
{
    FakeMachine m;
    auto first = m.start_guest(7), second = m.start_guest(8);
    REQUIRE(m.call(Call::intercept_bind, first.partition, 0, 0x80, 1) == Status::ok);
    REQUIRE(m.call(Call::intercept_bind, second.partition, 0, 0x80, 1) == Status::ok);
    m.call(Call::wait);
    REQUIRE(m.cpu().current == first.vcpu);
    m.exit(PortExit{0x80, 1, false});            // the service answers it, and ...
    REQUIRE(m.cpu().current == &m.service());
    CHECK(m.call(Call::vcpu_stop, first.handle) == Status::ok);
    CHECK(first.vcpu->page->kind == abi::InterceptKind::stopped);
    CHECK(first.vcpu->page->stop.reason == abi::StopReason::stop_requested);
    first.vcpu->page->reply = {};
    CHECK(m.call(Call::reply, first.handle) == Status::bad_state);
    m.call(Call::wait);
    CHECK(m.service().registers().rdi == 7);     // ... learns that it was stopped instead
    CHECK(m.call(Call::vcpu_stop, first.handle) == Status::ok);
    m.call(Call::wait);
    CHECK(m.cpu().current == second.vcpu);       // which is said once
}

TEST_CASE("hypercall: only the owner of devices may bind interrupts or end the machine")
{
    FakeMachine m{1, 2};
    m.call(Call::wait);                          // the first service sleeps; the second runs
    REQUIRE(m.cpu().current == &m.service(0, 1));
    CHECK(m.call(Call::interrupt_bind, 0, 4, 1, 0, 0) == Status::not_owner);
    CHECK(m.call(Call::machine_power, 1) == Status::not_owner);
    CHECK(m.power.empty());
}

TEST_CASE("hypercall: the machine goes off when every service has nothing left to do, and tells of each failure")
{
    for (bool first_failed : {false, true})
        for (bool second_failed : {false, true}) {
            FakeMachine m{1, 2};
            CHECK(m.call(Call::machine_power, 0, 2) == Status::bad_argument);
            CHECK(m.call(Call::machine_power, 2) == Status::bad_argument);
            CHECK(m.call(Call::machine_power, 0, first_failed) == Status::ok);
            CHECK(m.call(Call::machine_power, 0, first_failed) == Status::ok);   // saying it twice counts once
            CHECK(m.power.empty());
            m.call(Call::wait);
            REQUIRE(m.cpu().current == &m.service(0, 1));
            m.call(Call::machine_power, 0, second_failed);
            CHECK(m.power == std::vector{FakeMachine::Power::off});
            CHECK(m.log.contains(first_failed || second_failed ? "\x1emachine off status=failed\n" : "\x1emachine off status=ok\n"));
        }
}

TEST_CASE("hypercall: a broken service counts as done and failed")
{
    FakeMachine m{1, 2};
    m.exit(FatalExit{"triple fault", abi::StopReason::triple_fault, 2, 0});
    REQUIRE(m.cpu().current == &m.service(0, 1));
    CHECK(m.power.empty());
    m.call(Call::machine_power, 0, 0);
    CHECK(m.power == std::vector{FakeMachine::Power::off});
    CHECK(m.log.contains("\x1emachine off status=failed\n"));
}

TEST_CASE("hypercall: who starts a vCPU has something to do again; a reset is the owner's, at once")
{
    FakeMachine m{1, 2};
    CHECK(m.call(Call::machine_power, 0) == Status::ok);
    auto guest = m.start_guest();
    m.call(Call::wait);
    m.call(Call::machine_power, 0);              // the second service's
    CHECK(m.power.empty());
    m.call(Call::wait);
    REQUIRE(m.cpu().current == guest.vcpu);
    m.exit(FatalExit{"triple fault", abi::StopReason::triple_fault, 2, 0});
    m.call(Call::machine_power, 1);
    CHECK(m.power == std::vector{FakeMachine::Power::reset});
}
