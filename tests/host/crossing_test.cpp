// SPDX-License-Identifier: Apache-2.0
//
// When a CPU cleans up between partitions, and what: the hook that arch/x86 carries out, seen on the fake architecture.
#include "hv/crossing.hpp"
#include "hv/event.hpp"
#include "tests/fake/machine.hpp"
#include <doctest/doctest.h>
#include <utility>

using namespace kennel;
using namespace kennel::fake;
using abi::Call, abi::Status;

namespace {

using Crossings = std::vector<u32>;

// What was cleaned up since the last time this was asked.
Crossings crossings(FakeMachine& m) { return std::exchange(m.crossings, {}); }

void timer(FakeMachine& m)
{
    m.now = m.cpu().arch.timer;
    m.exit(InterruptExit{HostVector::timer});
}

} // namespace

TEST_CASE("crossing: nothing is cleaned up while the same partition goes on")
{
    FakeMachine m;
    auto guest = m.start_guest();
    m.call(Call::wait);
    REQUIRE(m.cpu().current == guest.vcpu);
    crossings(m);
    m.exit(CpuidExit{});
    m.exit(HypercallExit{});
    m.exit(PortExit{0x80, 1, true});
    m.exit(InterruptExit{HostVector::spurious});
    REQUIRE(m.cpu().current == guest.vcpu);
    CHECK(crossings(m) == Crossings{});
}

TEST_CASE("crossing: two vCPUs of one partition have nothing to hide from each other")
{
    FakeMachine m;
    auto const guest = m.start_guest();
    auto second = std::make_unique<Vcpu>();
    second->partition = guest.vcpu->partition;
    second->service = guest.vcpu->service;
    CHECK(crossing_actions(guest.vcpu, *second) == 0);
}

TEST_CASE("crossing: a guest's own service comes after the predictors were cleaned, the guest after everything")
{
    FakeMachine m;
    auto guest = m.start_guest();
    REQUIRE(m.call(Call::intercept_bind, guest.partition, static_cast<u64>(abi::RangeKind::port), 0x3f8, 8) == Status::ok);
    crossings(m);
    m.call(Call::wait);
    REQUIRE(m.cpu().current == guest.vcpu);
    CHECK(crossings(m) == Crossings{Crossing::all});
    for (int i = 0; i < 3; i++) {
        m.exit(PortExit{0x3f8, 1, true});
        REQUIRE(m.cpu().current == &m.service());
        CHECK(crossings(m) == Crossings{Crossing::predictors});
        guest.vcpu->page->reply = {};
        m.call(Call::reply_and_wait, guest.handle);
        REQUIRE(m.cpu().current == guest.vcpu);
        CHECK(crossings(m) == Crossings{Crossing::all});
    }
}

TEST_CASE("crossing: from one guest to another everything is cleaned up, also when the service was there in between")
{
    FakeMachine m;
    auto a = m.start_guest(1);
    auto b = m.start_guest(2);
    m.call(Call::wait);
    crossings(m);
    Vcpu* const first = m.cpu().current;
    timer(m);
    REQUIRE(m.cpu().current == (first == a.vcpu ? b.vcpu : a.vcpu));
    CHECK(crossings(m) == Crossings{Crossing::all});
    timer(m);
    REQUIRE(m.cpu().current == first);
    CHECK(crossings(m) == Crossings{Crossing::all});

    // Its answer makes one guest's state current, and the other's turn it is: still everything before that one.
    Vcpu* const other = first == a.vcpu ? b.vcpu : a.vcpu;
    m.exit(FatalExit{"triple fault", abi::StopReason::triple_fault, 2, 0});
    REQUIRE(m.cpu().current == &m.service());
    CHECK(crossings(m) == Crossings{Crossing::predictors});
    first->page->reply.action = abi::ReplyAction::none;
    m.call(Call::reply_and_wait, first == a.vcpu ? a.handle : b.handle);
    REQUIRE(m.cpu().current == other);
    CHECK(crossings(m) == Crossings{Crossing::all});
}

TEST_CASE("crossing: a service that is not the guest's own is a stranger to it")
{
    FakeMachine m{1, 2};
    auto guest = m.start_guest();
    m.call(Call::wait);
    while (m.cpu().current != guest.vcpu)
        m.call(Call::wait);
    crossings(m);
    Vcpu& stranger = m.service(0, 1);
    REQUIRE(&stranger != guest.vcpu->service);
    ring(m.cpu(), stranger, 3);
    m.exit(InterruptExit{HostVector::spurious});
    timer(m);
    REQUIRE(m.cpu().current == &stranger);
    CHECK(crossings(m) == Crossings{Crossing::all});
}

TEST_CASE("crossing: when it is not known who was there, everything is cleaned up")
{
    FakeMachine m;
    auto guest = m.start_guest();
    auto other = m.start_guest(8);
    CHECK(crossing_actions(nullptr, m.service()) == Crossing::all);
    CHECK(crossing_actions(nullptr, *guest.vcpu) == Crossing::all);
    CHECK(crossing_actions(other.vcpu, *guest.vcpu) == Crossing::all);
    m.cpu().arch.loaded = other.vcpu;
    REQUIRE(m.call(Call::partition_destroy, other.partition) == Status::ok);
    CHECK(crossings(m).back() == Crossing::all);
}
