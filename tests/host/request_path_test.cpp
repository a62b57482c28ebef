// SPDX-License-Identifier: Apache-2.0
//
// The path of a request through hv, on the fake architecture: doorbell, intercept, answer, interrupt.
#include "hv/event.hpp"
#include "tests/fake/machine.hpp"
#include <doctest/doctest.h>

using namespace kennel;
using namespace kennel::fake;
using abi::Call, abi::Status;

TEST_CASE("request path: a port the service claims is answered before the guest goes on")
{
    FakeMachine m;
    auto guest = m.start_guest(7);
    REQUIRE(m.call(Call::intercept_bind, guest.partition, 0, 0x3f8, 8) == Status::ok);
    m.call(Call::wait);
    REQUIRE(m.cpu().current == guest.vcpu);

    m.exit(PortExit{0x3fd, 1, true});
    REQUIRE(m.cpu().current == &m.service());
    CHECK(m.service().registers().rdi == 7);
    CHECK(guest.vcpu->page->kind == abi::InterceptKind::port);
    CHECK(guest.vcpu->page->port.port == 0x3fd);
    CHECK(guest.vcpu->page->port.is_input == 1);

    guest.vcpu->registers().rax = 0x60;
    guest.vcpu->page->reply.action = abi::ReplyAction::skip;
    u64 const before = guest.vcpu->arch.rip;
    m.call(Call::reply_and_wait, guest.handle);
    CHECK(m.cpu().current == guest.vcpu);
    CHECK(guest.vcpu->arch.rip == before + 2);
}

TEST_CASE("request path: a doorbell runs a waiting service at once, and only sets its bit while it works")
{
    FakeMachine m;
    auto guest = m.start_guest();
    REQUIRE(m.call(Call::doorbell_bind, guest.partition, 0xc000, 2, 65, 0) == Status::ok);
    m.call(Call::wait);
    m.exit(PortExit{0xc000, 2, false});
    CHECK(m.cpu().current == &m.service());
    CHECK(m.service().registers().rdi == 0);
    CHECK(m.service().events->summary == 2);
    CHECK(m.service().events->pending[1] == 2);
    // The service takes the bits, works, and waits again: the guest goes on behind its OUT.
    m.service().events->summary = 0;
    m.service().events->pending[1] = 0;
    m.call(Call::wait);
    CHECK(m.cpu().current == guest.vcpu);
}

TEST_CASE("request path: a doorbell of a busy event waits for company, for a bounded time")
{
    FakeMachine m;
    auto guest = m.start_guest();
    REQUIRE(m.call(Call::doorbell_bind, guest.partition, 0xc000, 2, 65, 0) == Status::ok);
    REQUIRE(m.call(Call::doorbell_bind, guest.partition, 0xc004, 2, 66, 0) == Status::ok);
    REQUIRE(m.call(Call::intercept_bind, guest.partition, 0, 0x3f8, 8) == Status::ok);
    abi::EventPage& events = *m.service().events;
    auto const take = [&] { events.summary = 0, events.pending[1] = 0; };
    u64 const ticks = 1000 * gather_us;          // the fake's TSC runs at 1 GHz
    events.busy[1] = 2;                          // event 65
    m.call(Call::wait);
    REQUIRE(m.cpu().current == guest.vcpu);

    // Kicks are gathered; the timer is set once, and ends it.
    u64 const first = m.now;
    for (int i = 0; i < 5; i++, m.now += 10) {
        m.exit(PortExit{0xc000, 2, false});
        CHECK(m.cpu().current == guest.vcpu);
        CHECK(m.cpu().arch.timer == first + ticks);
    }
    CHECK(events.pending[1] == 2);
    m.now = first + ticks;
    m.exit(InterruptExit{HostVector::timer});
    CHECK(m.cpu().current == &m.service());
    take();
    m.call(Call::wait);

    // Another queue's bell does not wait.
    REQUIRE(m.cpu().current == guest.vcpu);
    m.exit(PortExit{0xc000, 2, false});
    m.exit(PortExit{0xc004, 2, false});
    CHECK(m.cpu().current == &m.service());
    CHECK(events.pending[1] == 6);
    take();
    m.call(Call::wait);

    // An intercept brings the service, which finds the bell; the timer then finds nothing and takes nobody's turn.
    m.exit(PortExit{0xc000, 2, false});
    m.exit(PortExit{0x3f8, 1, false});
    REQUIRE(m.cpu().current == &m.service());
    CHECK(events.pending[1] == 2);
    take();
    guest.vcpu->page->reply.action = abi::ReplyAction::skip;
    m.call(Call::reply_and_wait, guest.handle);
    m.now += ticks;
    m.exit(InterruptExit{HostVector::timer});
    CHECK(m.cpu().current == guest.vcpu);
    CHECK(m.cpu().gather_deadline == ~0ull);

    // A guest that sleeps keeps nobody waiting.
    m.exit(PortExit{0xc000, 2, false});
    REQUIRE(m.cpu().current == guest.vcpu);
    m.exit(HaltExit{});
    CHECK(m.cpu().current == &m.service());
    take();

    // Rung between taking the events and waiting: `wait` returns at once.
    events.pending[1] = 2, events.summary = 2;
    m.call(Call::wait);
    CHECK(m.cpu().current == &m.service());
}

TEST_CASE("request path: doorbells of another CPU cost one kick until the bit is taken")
{
    FakeMachine m{2};
    auto guest = m.start_guest();
    REQUIRE(m.call(Call::doorbell_bind, guest.partition, 0xc000, 2, 65, 1) == Status::ok);
    m.call(Call::wait);
    REQUIRE(m.cpu().current == guest.vcpu);
    unsigned const before = m.cpu(1).arch.kicks;
    for (int i = 0; i < 5; i++)
        m.exit(PortExit{0xc000, 2, false});
    CHECK(m.cpu().current == guest.vcpu);
    CHECK(m.cpu(1).arch.kicks == before + 1);
    CHECK(m.service(1).events->pending[1] == 2);
}

TEST_CASE("request path: an interrupt the service raises reaches the guest with its answer")
{
    FakeMachine m;
    auto guest = m.start_guest();
    guest.vcpu->apic.write(ApicRegister::spurious, 0x1ff, 0);
    m.call(Call::intercept_bind, guest.partition, 0, 0x3f8, 8);
    m.call(Call::wait);
    m.exit(PortExit{0x3f8, 1, false});
    REQUIRE(m.call(Call::interrupt_raise, guest.partition, 0xfee0'0000, 0x41) == Status::ok);
    guest.vcpu->page->reply.action = abi::ReplyAction::skip;
    m.call(Call::reply_and_wait, guest.handle);
    CHECK(guest.vcpu->arch.interrupt == 0x41);
}

TEST_CASE("request path: a message for all reaches every vCPU, and one of them when it is of the lowest priority")
{
    FakeMachine m;
    auto guest = m.start_guest();
    REQUIRE(m.call(Call::vcpu_create, guest.partition, 0, 23, 100, 1) == Status::ok);
    auto& vcpus = guest.vcpu->partition->vcpus;
    for (Vcpu& vcpu : vcpus)
        vcpu.apic.write(ApicRegister::spurious, 0x1ff, 0);
    auto const pending = [&](u8 vector) {
        u32 count = 0;
        for (Vcpu& vcpu : vcpus)
            count += vcpu.apic.highest_pending() == vector;
        return count;
    };
    REQUIRE(m.call(Call::interrupt_raise, guest.partition, 0xfeef'f000, 0x41) == Status::ok);
    CHECK(pending(0x41) == 2);
    REQUIRE(m.call(Call::interrupt_raise, guest.partition, 0xfeef'f000, 0x152) == Status::ok);
    CHECK(pending(0x52) == 1);
    REQUIRE(m.call(Call::interrupt_raise, guest.partition, 0xfee0'3004, 0x63) == Status::ok);   // logical: both
    CHECK(pending(0x63) == 2);
}

TEST_CASE("request path: a message may go with the wait, and nothing is waited for when it is refused")
{
    FakeMachine m;
    auto guest = m.start_guest();
    guest.vcpu->apic.write(ApicRegister::spurious, 0x1ff, 0);
    REQUIRE(m.call(Call::doorbell_bind, guest.partition, 0xc000, 2, 65, 0) == Status::ok);
    m.call(Call::wait);
    m.exit(PortExit{0xc000, 2, false});
    REQUIRE(m.cpu().current == &m.service());
    m.service().events->summary = 0;
    m.service().events->pending[1] = 0;
    CHECK(m.call(Call::wait, guest.partition, 0x1000, 0x41) == Status::bad_argument);
    CHECK(m.call(Call::wait, guest.partition, 0xfee0'0000, 15) == Status::bad_argument);
    CHECK(m.call(Call::wait, guest.handle, 0xfee0'0000, 0x41) == Status::bad_handle);
    CHECK(m.call(Call::wait, 120, 0xfee0'0000, 0x41) == Status::bad_handle);
    CHECK(m.cpu().current == &m.service());
    m.call(Call::wait, guest.partition, 0xfee0'0000, 0x41);
    CHECK(m.cpu().current == guest.vcpu);
    CHECK(guest.vcpu->arch.interrupt == 0x41);
}

TEST_CASE("request path: ports nobody claims read all ones and swallow writes")
{
    FakeMachine m;
    auto guest = m.start_guest();
    m.call(Call::wait);
    guest.vcpu->registers().rax = 0x1122334455667788;
    m.exit(PortExit{0x80, 1, true});
    CHECK(guest.vcpu->registers().rax == 0x11223344556677ff);
    m.exit(PortExit{0x80, 2, true});
    CHECK(guest.vcpu->registers().rax == 0x112233445566ffff);
    m.exit(PortExit{0x80, 4, true});
    CHECK(guest.vcpu->registers().rax == 0xffffffff);
    CHECK(m.cpu().current == guest.vcpu);
    CHECK(guest.vcpu->counters->exits[static_cast<u32>(abi::ExitCounter::port_unclaimed)] == 3);
}
