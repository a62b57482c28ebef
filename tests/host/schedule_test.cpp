// SPDX-License-Identifier: Apache-2.0
//
// Who runs: shares by weight, exits charged to who causes them, services before guests, deadlines on one timer.
#include "hv/clock.hpp"
#include "hv/event.hpp"
#include "hv/schedule.hpp"
#include "tests/fake/machine.hpp"
#include <doctest/doctest.h>

using namespace kennel;
using namespace kennel::fake;
using abi::Call, abi::Status;

namespace {

// The CPU's timer fires while `current` runs.
void timer(FakeMachine& m)
{
    m.now = m.cpu().arch.timer;
    m.exit(InterruptExit{HostVector::timer});
}

// The service is ready with what it did since `current` rang; the timer may have come.
void end_work(FakeMachine& m)
{
    if (m.now >= m.cpu().arch.timer)
        m.exit(InterruptExit{HostVector::timer});
    m.service().events->summary = m.service().events->pending[1] = 0;
    m.call(Call::wait);
}

// `current` runs for `own`, rings, and the service works for it for `work`.
void work_for(FakeMachine& m, u64 own, u64 work)
{
    m.now += own;
    m.exit(PortExit{0xc000, 2, false});
    m.now += work;
    end_work(m);
}

} // namespace

TEST_CASE("schedule: two busy guests get equal time, and by weight otherwise")
{
    for (u64 weight : {100ull, 300ull}) {
        FakeMachine m;
        auto a = m.start_guest(1);
        auto b = m.start_guest(2);
        b.vcpu->weight = static_cast<u32>(weight);
        m.call(Call::wait);
        for (int i = 0; i < 1000; i++)
            timer(m);
        double const share = static_cast<double>(b.vcpu->counters->run_ticks) / static_cast<double>(a.vcpu->counters->run_ticks);
        CHECK(share == doctest::Approx(static_cast<double>(weight) / 100).epsilon(0.05));
    }
}

TEST_CASE("schedule: a guest that rings a doorbell keeps its turn, and what its service does then is on it")
{
    FakeMachine m;
    auto a = m.start_guest(1);
    auto b = m.start_guest(2);
    REQUIRE(m.call(Call::doorbell_bind, a.partition, 0xc000, 2, 65, 0) == Status::ok);
    m.call(Call::wait);
    timer(m);
    if (m.cpu().current != a.vcpu)
        timer(m);
    REQUIRE(m.cpu().current == a.vcpu);
    u64 const before = a.vcpu->counters->run_ticks, others = b.vcpu->counters->run_ticks;
    for (int i = 0; i < 10; i++) {
        m.now += 100;
        m.exit(PortExit{0xc000, 2, false});
        REQUIRE(m.cpu().current == &m.service());
        m.now += 300;
        m.service().events->summary = m.service().events->pending[1] = 0;
        m.call(Call::wait);
        REQUIRE(m.cpu().current == a.vcpu);
    }
    timer(m);                                    // the end of the turn, no later than without the doorbells
    CHECK(m.cpu().current == b.vcpu);
    CHECK(a.vcpu->counters->run_ticks - before == 5'000'000);
    CHECK(b.vcpu->counters->run_ticks == others);
}

TEST_CASE("schedule: what a service does for a guest beyond the end of its turn comes off the next one")
{
    FakeMachine m;
    auto a = m.start_guest(1);
    auto b = m.start_guest(2);
    REQUIRE(m.call(Call::doorbell_bind, a.partition, 0xc000, 2, 65, 0) == Status::ok);
    m.call(Call::wait);
    for (int turn = 0; turn < 400; turn++) {
        if (m.cpu().current == a.vcpu) {
            m.now = m.cpu().arch.timer - 1;      // at the very end
            m.exit(PortExit{0xc000, 2, false});
            m.now += 3'000'000;
            m.exit(InterruptExit{HostVector::timer});
            m.service().events->summary = m.service().events->pending[1] = 0;
            m.call(Call::wait);
        } else {
            timer(m);
        }
    }
    double const share = static_cast<double>(b.vcpu->counters->run_ticks) / static_cast<double>(a.vcpu->counters->run_ticks);
    CHECK(share == doctest::Approx(1).epsilon(0.02));   // 5/8 without that
}

TEST_CASE("schedule: what a service takes on a guest's turn is owed, were it many turns, while others want to run")
{
    for (u64 weight : {100ull, 50ull}) {
        FakeMachine m;
        auto a = m.start_guest(1), b = m.start_guest(2), c = m.start_guest(3);
        b.vcpu->weight = static_cast<u32>(weight);
        REQUIRE(m.call(Call::doorbell_bind, a.partition, 0xc000, 2, 65, 0) == Status::ok);
        m.call(Call::wait);
        for (int turn = 0; turn < 2000; turn++)
            if (m.cpu().current == a.vcpu)
                work_for(m, m.cpu().arch.timer - m.now - 1, 37'000'000);
            else
                timer(m);
        auto const ticks = [](auto const& guest) { return static_cast<double>(guest.vcpu->counters->run_ticks); };
        CHECK(ticks(a) / ticks(c) == doctest::Approx(1).epsilon(0.05));
        CHECK(ticks(b) / ticks(c) == doctest::Approx(static_cast<double>(weight) / 100).epsilon(0.05));
    }
}

TEST_CASE("schedule: a guest owes nothing of the time when nobody waited, and all of it from then on")
{
    FakeMachine m;
    auto a = m.start_guest(1), b = m.start_guest(2);
    REQUIRE(m.call(Call::doorbell_bind, a.partition, 0xc000, 2, 65, 0) == Status::ok);
    m.call(Call::wait);
    while (m.cpu().current != b.vcpu)
        timer(m);
    m.exit(HaltExit{});
    REQUIRE(m.cpu().current == a.vcpu);
    m.now += 1'000'000'000;                      // alone
    work_for(m, 0, 2'000'000'000);
    REQUIRE(m.cpu().current == a.vcpu);
    b.vcpu->apic.write(ApicRegister::spurious, 0x1ff, 0);
    u8 vector = 0x40;
    auto const turns_of_b = [&](u64 work) {      // after b woke, while the service still works that long for a
        m.exit(PortExit{0xc000, 2, false});
        REQUIRE(m.cpu().current == &m.service());
        raise_interrupt(m.cpu(), *b.vcpu, vector += 0x10, false);
        m.now += work;
        end_work(m);
        u64 const before = b.vcpu->counters->run_ticks;
        while (m.cpu().current == b.vcpu)
            timer(m);
        REQUIRE(m.cpu().current == a.vcpu);
        return (b.vcpu->counters->run_ticks - before + 2'500'000) / 5'000'000;
    };
    CHECK(turns_of_b(1'000'000) == 1);
    while (m.cpu().current != b.vcpu)
        timer(m);
    m.exit(HaltExit{});
    REQUIRE(m.cpu().current == a.vcpu);
    m.now += 1'000'000'000;
    CHECK(turns_of_b(29'000'000) == 6);
}

TEST_CASE("schedule: guests that all owe go on in turn, and one alone at once")
{
    FakeMachine m;
    auto a = m.start_guest(1), b = m.start_guest(2);
    for (auto const& guest : {a, b})
        REQUIRE(m.call(Call::doorbell_bind, guest.partition, 0xc000, 2, 65, 0) == Status::ok);
    m.call(Call::wait);
    for (int turn = 0; turn < 100; turn++)
        work_for(m, 1'000'000, 3'600'000'000'000);          // an hour
    double const share = static_cast<double>(b.vcpu->counters->run_ticks) / static_cast<double>(a.vcpu->counters->run_ticks);
    CHECK(share == doctest::Approx(1).epsilon(0.05));
    Vcpu* const other = m.cpu().current == a.vcpu ? b.vcpu : a.vcpu;
    m.exit(HaltExit{});
    CHECK(m.cpu().current == other);
}

TEST_CASE("schedule: a guest that does nothing but exit to its service gets no more than its share")
{
    FakeMachine m;
    auto a = m.start_guest(1);
    m.start_guest(2);
    m.call(Call::intercept_bind, a.partition, 0, 0x3f8, 8);
    m.call(Call::wait);
    u64 const slice = m.machine().boot->tsc_hz / 1000 * slice_ms, step = slice / 97;
    u64 time_of[2] = {0, 0};
    for (int i = 0; i < 40000; i++) {
        bool const is_a = m.cpu().current == a.vcpu;
        m.now += step;
        if (m.now >= m.cpu().arch.timer) {
            m.exit(InterruptExit{HostVector::timer});
            time_of[!is_a] += step;
            continue;
        }
        if (is_a) {
            m.exit(PortExit{0x3f8, 1, false});
            if (m.cpu().current == &m.service()) {
                m.now += step;                   // the service's work, for a
                time_of[0] += step;
                a.vcpu->page->reply.action = abi::ReplyAction::skip;
                m.call(Call::reply_and_wait, a.handle);
            }
        }
        time_of[!is_a] += step;
    }
    double const share = static_cast<double>(time_of[0]) / static_cast<double>(time_of[0] + time_of[1]);
    CHECK(share == doctest::Approx(0.5).epsilon(0.05));
}

TEST_CASE("schedule: a halted guest costs nothing and its own timer wakes it")
{
    FakeMachine m;
    auto a = m.start_guest(1);
    auto b = m.start_guest(2);
    m.call(Call::wait);
    while (m.cpu().current != a.vcpu)
        timer(m);
    a.vcpu->apic.write(ApicRegister::spurious, 0x1ff, 0);
    a.vcpu->apic.write(ApicRegister::lvt_timer, 0x40000 | 0x50, 0);      // TSC deadline, vector 0x50
    a.vcpu->registers().rcx = ApicRegister::tsc_deadline;
    a.vcpu->registers().rax = m.now + 1000;
    a.vcpu->registers().rdx = 0;
    m.exit(MsrWriteExit{ApicRegister::tsc_deadline});
    m.exit(HaltExit{});
    CHECK(m.cpu().current == b.vcpu);
    CHECK(a.vcpu->status == VcpuStatus::halted);
    timer(m);
    CHECK(m.cpu().current == a.vcpu);
    CHECK(a.vcpu->arch.interrupt == 0x50);
}

TEST_CASE("schedule: HLT with interrupts off never ends, and the service is told")
{
    FakeMachine m;
    auto a = m.start_guest(1);
    m.call(Call::wait);
    a.vcpu->arch.interrupts_enabled = false;
    m.exit(HaltExit{});
    CHECK(m.cpu().current == &m.service());
    CHECK(a.vcpu->page->kind == abi::InterceptKind::stopped);
    CHECK(a.vcpu->page->stop.reason == abi::StopReason::halted_forever);
}

TEST_CASE("schedule: an event for a waiting service preempts the guest, which then goes on")
{
    FakeMachine m;
    auto a = m.start_guest(1);
    REQUIRE(m.call(Call::interrupt_bind, 0, 4, 9, 0, 2) == Status::ok);
    m.call(Call::wait);
    REQUIRE(m.cpu().current == a.vcpu);
    m.exit(InterruptExit{HostVector::first_device});
    CHECK(m.cpu().current == &m.service());
    CHECK(m.service().events->pending[0] == 1u << 9);
    m.service().events->summary = m.service().events->pending[0] = 0;
    m.call(Call::wait);
    CHECK(m.cpu().current == a.vcpu);
}

TEST_CASE("schedule: two services with a guest each do not see each other's messages")
{
    FakeMachine m{1, 2};
    auto a = m.start_guest(11);
    m.call(Call::intercept_bind, a.partition, 0, 0x3f8, 8);
    m.call(Call::wait);
    REQUIRE(m.cpu().current == &m.service(0, 1));
    // The second service makes a guest of its own.
    abi::Registers& r = m.service(0, 1).registers();
    REQUIRE(m.call(Call::partition_create, 64) == Status::ok);
    u64 const partition = r.rdi;
    REQUIRE(m.call(Call::vcpu_create, partition, 0, 22, 100, 0) == Status::ok);
    u64 const handle = r.rdi;
    Vcpu* b = nullptr;
    m.service(0, 1).partition->handles->find(handle, abi::Right::run, b);
    CHECK(m.call(Call::memory_map, partition, 0, FakeMachine::ram_base, page_size, 3 | (6u << 8)) == Status::not_owner);
    m.call(Call::vcpu_state_set, handle, 1);
    m.call(Call::vcpu_start, handle);
    m.call(Call::wait);
    while (m.cpu().current != a.vcpu)
        timer(m);
    m.exit(PortExit{0x3f8, 1, false});
    CHECK(m.cpu().current == &m.service(0, 0));
    CHECK(m.service(0, 0).registers().rdi == 11);
    CHECK(m.service(0, 1).status == VcpuStatus::waiting);
}

TEST_CASE("schedule: a guest on another CPU is stopped and destroyed from afar")
{
    FakeMachine m{2, 1};
    // The service's vCPU on CPU 1 makes a guest there.
    abi::Registers& r = m.service(1).registers();
    REQUIRE(m.call(Call::partition_create, 64, 0, 0, 0, 0, 1) == Status::ok);
    u64 const partition = r.rdi;
    REQUIRE(m.call(Call::vcpu_create, partition, 1, 5, 100, 0, 1) == Status::ok);
    u64 const handle = r.rdi;
    CHECK(m.call(Call::vcpu_create, partition, 0, 5, 100, 1, 1) == Status::bad_argument);
    m.call(Call::vcpu_state_set, handle, 1, 0, 0, 0, 1);
    m.call(Call::vcpu_start, handle, 0, 0, 0, 0, 1);
    m.call(Call::wait, 0, 0, 0, 0, 0, 1);
    Vcpu* guest = m.cpu(1).current;
    REQUIRE(!guest->is_service());
    CHECK(m.call(Call::vcpu_stop, handle) == Status::ok);              // from CPU 0
    CHECK(m.cpu(1).arch.kicks == 1);
    m.exit(InterruptExit{HostVector::kick}, 1);
    CHECK(m.cpu(1).current == &m.service(1));
    CHECK(m.service(1).registers().rdi == 5);
    CHECK(guest->page->stop.reason == abi::StopReason::stop_requested);
}

TEST_CASE("schedule: what another CPU wants of a guest does not wait for a service that runs for long")
{
    FakeMachine m{2, 1};
    abi::Registers& r = m.service(1).registers();
    REQUIRE(m.call(Call::partition_create, 64, 0, 0, 0, 0, 1) == Status::ok);
    REQUIRE(m.call(Call::vcpu_create, r.rdi, 1, 5, 100, 0, 1) == Status::ok);
    u64 const handle = r.rdi;
    Vcpu* guest = nullptr;
    m.service().partition->handles->find(handle, abi::Right::run, guest);
    m.call(Call::vcpu_state_set, handle, 1, 0, 0, 0, 1);
    m.call(Call::vcpu_start, handle, 0, 0, 0, 0, 1);
    CHECK(m.call(Call::vcpu_stop, handle) == Status::ok);              // from CPU 0
    m.exit(InterruptExit{HostVector::kick}, 1);
    CHECK(m.cpu(1).current == &m.service(1));                          // it goes on
    CHECK(guest->status == VcpuStatus::intercepted);
}

TEST_CASE("schedule: the timer of a guest that was stopped rests, and goes on with it")
{
    FakeMachine m;
    auto guest = m.start_guest();
    guest.vcpu->apic.write(ApicRegister::spurious, 0x1ff, m.now);
    guest.vcpu->apic.write(ApicRegister::lvt_timer, 0x20040, m.now);   // periodic
    m.call(Call::wait);
    guest.vcpu->registers().rax = 1'000'000, guest.vcpu->registers().rdx = 0;
    m.exit(MsrWriteExit{ApicRegister::initial_count});
    REQUIRE(m.cpu().timer_armed < ~0ull);
    m.exit(FatalExit{"triple fault", abi::StopReason::triple_fault, 2, 0});
    guest.vcpu->page->reply = {abi::ReplyAction::none, 0, 0, 0, 0, 0, 0};
    REQUIRE(m.call(Call::reply, guest.handle) == Status::ok);
    m.now += 10'000'000;
    m.exit(InterruptExit{HostVector::timer});
    CHECK(m.cpu().timer_armed == ~0ull);
    REQUIRE(m.call(Call::vcpu_state_set, guest.handle, 0) == Status::ok);
    REQUIRE(m.call(Call::vcpu_start, guest.handle) == Status::ok);
    CHECK(m.cpu().timer_armed < m.now);
}
