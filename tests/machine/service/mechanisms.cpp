// SPDX-License-Identifier: Apache-2.0
//
// A service that tests hv instead of serving: it makes guests of its own (guest.S), gives them orders, and says of each
// behaviour PASS or FAIL in hv's log. Sharing of memory between partitions, doorbells, and destruction across CPUs.
// vCPU 0 leads. A guest lives on the CPU of the vCPU that made it, so for the second CPU's guest vCPU 1 follows orders.
#include "drivers/extents.hpp"
#include "drivers/fault.hpp"
#include "drivers/hypercalls.hpp"
#include "drivers/instructions.hpp"
#include "drivers/log.hpp"
#include "hv/lib/types.hpp"
#include <atomic>

extern "C" kennel::u8 const order_guest[], order_guest_end[];

namespace kennel::service {

namespace {

using abi::Call, abi::InterceptKind, abi::InterceptPage, abi::ReplyAction;

enum class What : u32 { load = 1, store, bell, watch, sleep, fault_address };
struct Order { What what; u32 where, value, count, progress, tsc_low, tsc_high; };

constexpr u64 guest_bytes = 2 << 20, code_at = 0x1000, order_at = 0x2000;
constexpr u32 read_only = 1, read_write = 3;
constexpr u64 order_port = 0x40, bell_port = 0x500;

Status map_page(u64 partition, u64 guest, void const* host, u32 rights)
{
    return hypercall(Call::memory_map, partition, guest, reinterpret_cast<u64>(host), page_size, rights | static_cast<u64>(abi::MemoryType::write_back) << 8).status;
}
Status unmap_page(u64 partition, u64 guest) { return hypercall(Call::memory_unmap, partition, guest, 0, page_size).status; }

struct OrderGuest {
    u8*  ram = nullptr;
    u64  partition = 0, vcpu = 0, badge = 0;
    InterceptPage* page = nullptr;

    Order volatile& order() const { return *reinterpret_cast<Order volatile*>(ram + order_at); }
    u64 exits(abi::ExitCounter what) const
    {
        return *const_cast<u64 volatile*>(&reinterpret_cast<abi::CountersPage*>(page->counters_page)->exits[static_cast<u32>(what)]);
    }

    // On the CPU of the calling vCPU.
    bool make(u8* memory, u64 number, u64 cpu)
    {
        ram = memory, badge = number;
        fill_zero(ram, guest_bytes);
        copy_bytes(ram + code_at, order_guest, static_cast<u64>(order_guest_end - order_guest));
        partition = partition_create(600).first;
        if (map_ram(partition, 0, reinterpret_cast<u64>(ram), guest_bytes) != Status::ok ||
            intercept_bind(partition, abi::RangeKind::port, order_port, 1) != Status::ok)
            return false;
        Answer const made = vcpu_create({partition, cpu, badge, 100, 0});
        if (made.status != Status::ok)
            return false;
        vcpu = made.first;
        page = reinterpret_cast<InterceptPage*>(made.second);
        // 32-bit, flat, no paging. Access rights in VMX format.
        constexpr u32 code = 0xc09b, data = 0xc093, task = 0x8b, unusable = 0x10000;
        abi::VcpuState state{};
        state.rip = code_at;
        state.rflags = 2;
        state.cr0 = 0x31;
        state.dr7 = 0x400;
        state.cs = {0, 0xffff'ffff, code, 0x08, {}};
        for (abi::Segment* segment : {&state.ss, &state.ds, &state.es, &state.fs, &state.gs})
            *segment = {0, 0xffff'ffff, data, 0x10, {}};
        state.ldtr = {0, 0, unusable, 0, {}};
        state.tr = {0, 0xffff, task, 0, {}};
        page->registers = {};
        page->state = state;
        return vcpu_state_set(vcpu, true) == Status::ok && vcpu_start(vcpu) == Status::ok;
    }
    void give(What what, u64 where, u32 value = 0, u32 count = 1)
    {
        Order volatile& o = order();
        o.what = what;
        o.where = static_cast<u32>(where);
        o.value = value;
        o.count = count;
        o.progress = 0;
        page->reply = {ReplyAction::skip, 0, 0, 0, 0, 0, 0};
    }
};

// What vCPU 1 does for vCPU 0: one errand at a time.
enum class Errand : u32 { none, make, go_on, destroy };
struct Second {
    std::atomic<Errand> errand{Errand::none};
    std::atomic<u64>    arrived{0};             // badge of the guest whose intercept is there
    OrderGuest          guest;
    u8*                 memory = nullptr;
    u64                 victim = 0;             // partition to destroy
    bool                made = false;
};
constinit Second second;
constinit abi::InfoPage const* machine = nullptr;
constexpr u64 errand_event = 1, spare_event = 2, bell_event = 70, far_bell_event = 71;

class Leader {
public:
    explicit Leader(abi::InfoPage const& info) : info_{info}, extents_{info}, events_{*reinterpret_cast<abi::EventPage*>(info.event_page[0])}, log_{events_} {}

    bool run()
    {
        shared_ = take(guest_bytes);
        if (!one_.make(take(guest_bytes), 1, 0) || !arrives(wait(), one_) || !two_.make(take(guest_bytes), 2, 0) || !arrives(wait(), two_)) {
            verdict("mechanisms: guests are made and started", false);
            return false;
        }
        sharing();
        first_touch();
        doorbells();
        injection();
        state();
        if (info_.cpu_count > 1) {
            second.memory = take(guest_bytes);
            if (do_errand(Errand::make) && second.made && awaits_second()) {
                revocation();
                far_doorbell();
                far_answers();
                destruction();
            } else {
                verdict("mechanisms: a guest of the second CPU is made and started", false);
            }
        }
        partition_destroy(one_.partition);
        partition_destroy(two_.partition);
        log_.line(Text{"mechanisms: done"});
        return passed_;
    }

private:
    u8* take(u64 bytes) { return reinterpret_cast<u8*>(extents_.take(bytes).base); }
    u32 volatile& shared(u64 page = 0) { return *reinterpret_cast<u32 volatile*>(shared_ + page * page_size); }

    void verdict(char const* title, bool passed)
    {
        log_.line(Text{passed ? "PASS " : "FAIL ", title});
        passed_ &= passed;
    }
    bool that(char const* what, bool holds)
    {
        if (!holds)
            log_.line(Text{"not so: ", what});
        return holds;
    }
    static bool arrives(Answer const& answer, OrderGuest const& guest) { return answer.status == Status::ok && answer.first == guest.badge; }

    // The guest carries an order out and comes back for the next.
    bool obeys(OrderGuest& guest, What what, u64 where, u32 value = 0, u32 count = 1)
    {
        guest.give(what, where, value, count);
        return arrives(reply_and_wait(guest.vcpu), guest) && guest.page->kind == InterceptKind::port;
    }
    // The order ends in an access to memory that the service has to answer.
    bool asks(OrderGuest& guest, What what, u64 where, u32 value = 0)
    {
        guest.give(what, where, value);
        return arrives(reply_and_wait(guest.vcpu), guest) && guest.page->kind == InterceptKind::memory && guest.page->memory.address == where &&
               guest.page->memory.is_write == (what == What::store);
    }
    bool goes_on(OrderGuest& guest, abi::Reply const& reply)
    {
        guest.page->reply = reply;
        return arrives(reply_and_wait(guest.vcpu), guest) && guest.page->kind == InterceptKind::port;
    }
    static constexpr abi::Reply retry{ReplyAction::retry, 0, 0, 0, 0, 0, 0};

    void sharing()
    {
        bool ok = map_page(one_.partition, 0x40'0000, shared_, read_only) == Status::ok && map_page(two_.partition, 0x80'0000, shared_, read_only) == Status::ok;
        shared() = 0x1234'5678;
        ok &= that("the first reads it", obeys(one_, What::load, 0x40'0000) && one_.order().value == 0x1234'5678);
        shared() = 0x8765'4321;
        ok &= that("the second reads it", obeys(two_, What::load, 0x80'0000) && two_.order().value == 0x8765'4321);
        ok &= that("a page is a page", asks(one_, What::load, 0x40'1000) && goes_on(one_, {ReplyAction::skip, 2, 0, 0, 0, 0, 0}));
        verdict("sharing: one page of the service, read by two guests at two addresses", ok);

        // `mov %eax, (%esi)` has two bytes.
        ok = that("a write asks", asks(one_, What::store, 0x40'0000, 7) && shared() == 0x8765'4321);
        ok &= that("and can be dropped", goes_on(one_, {ReplyAction::skip, 2, 0, 0, 0, 0, 0}) && shared() == 0x8765'4321);
        ok &= that("a second write asks", asks(one_, What::store, 0x40'0000, 9));
        ok &= unmap_page(one_.partition, 0x40'0000) == Status::ok && map_page(one_.partition, 0x40'0000, shared_, read_write) == Status::ok;
        ok &= that("and can be allowed", goes_on(one_, retry) && shared() == 9);
        ok &= that("now it needs nobody", obeys(one_, What::store, 0x40'0000, 11) && shared() == 11);
        ok &= that("the other sees it", obeys(two_, What::load, 0x80'0000) && two_.order().value == 11);
        ok &= that("and may still not write", asks(two_, What::store, 0x80'0000, 13) && goes_on(two_, {ReplyAction::skip, 2, 0, 0, 0, 0, 0}) && shared() == 11);
        verdict("sharing: a write to a read-only page is the service's to answer: dropped, or allowed and retried", ok);

        ok = unmap_page(one_.partition, 0x40'0000) == Status::ok;
        ok &= that("the first asks", asks(one_, What::load, 0x40'0000) && goes_on(one_, {ReplyAction::skip, 2, 0, 0, 0, 0, 0}));
        ok &= that("the second does not", obeys(two_, What::load, 0x80'0000));
        verdict("sharing: revoked from one guest, the page stays the other's", ok);
    }

    void first_touch()
    {
        u64 const asked = one_.exits(abi::ExitCounter::memory_unclaimed);
        bool ok = true;
        for (u64 page = 0; page < 8; page++) {
            u64 const at = 0x60'0000 + page * page_size;
            shared(page) = static_cast<u32>(100 + page);
            ok &= that("it asks", asks(one_, What::load, at));
            ok &= map_page(one_.partition, at, shared_ + page * page_size, read_only) == Status::ok;
            ok &= that("and reads", goes_on(one_, retry) && one_.order().value == 100 + page);
            ok &= that("and asks no more", obeys(one_, What::load, at) && one_.order().value == 100 + page);
        }
        verdict("sharing: page by page on first touch, one exit each", ok && one_.exits(abi::ExitCounter::memory_unclaimed) == asked + 8);
    }

    bool pending(u64 event) const { return (__atomic_load_n(&events_.pending[event / 64], __ATOMIC_ACQUIRE) >> (event % 64)) & 1; }
    void take_events()
    {
        static_cast<void>(__atomic_exchange_n(&events_.summary, 0, __ATOMIC_ACQUIRE));
        for (u64& word : events_.pending)
            static_cast<void>(__atomic_exchange_n(&word, 0, __ATOMIC_ACQUIRE));
    }
    void set_busy(u64 event, bool busy)
    {
        u64 const bit = 1ull << (event % 64);
        u64& word = events_.busy[event / 64];
        __atomic_store_n(&word, busy ? word | bit : word & ~bit, __ATOMIC_RELAXED);
    }
    // The guest rings, and the service comes back for the event alone.
    bool rings(u32 kicks, u32 turns)
    {
        one_.give(What::bell, bell_port, turns, kicks);
        Answer const answer = reply_and_wait(one_.vcpu);
        return answer.status == Status::ok && answer.first == 0 && pending(bell_event);
    }
    bool comes_back() { return take_events(), arrives(wait(), one_); }

    void doorbells()
    {
        bool ok = hypercall(Call::doorbell_bind, one_.partition, bell_port, 2, bell_event, 0).status == Status::ok;
        take_events();
        ok &= that("before the next instruction", rings(1, 1000) && one_.order().progress == 0);
        ok &= that("and the guest goes on", comes_back() && one_.order().progress == 1001);
        verdict("doorbell: the service runs before the guest's next instruction", ok);

        set_busy(bell_event, true);
        ok = that("it comes", rings(10, 300'000));
        u64 const waited = time_stamp() - (u64{one_.order().tsc_high} << 32 | one_.order().tsc_low);
        ok &= that("after all ten", one_.order().progress >= 10);
        u64 const ns = waited * 1000 / (info_.tsc_hz / 1'000'000);
        log_.line(Text{"doorbell: ten gathered kicks waited ", ns, " ns"});
        ok &= that("in time", ns < 150'000);     // 50 us, and at 100 instructions a microsecond what the exits and ten kicks take
        one_.page->reply = {};
        ok &= that("and the guest goes on", comes_back());
        verdict("doorbell: while the service is busy with it kicks are gathered, for a bounded time", ok);

        ok = obeys(one_, What::bell, bell_port, 0, 3) && pending(bell_event) && one_.order().progress == 3;
        take_events();
        verdict("doorbell: a gathered kick is seen with the next intercept", ok);

        one_.give(What::sleep, bell_port);
        Answer const answer = reply_and_wait(one_.vcpu);
        verdict("doorbell: a guest that sleeps behind its kick does not wait for the delay", answer.status == Status::ok && answer.first == 0 && pending(bell_event));
        set_busy(bell_event, false);
        take_events();
        static_cast<void>(make_anew());        // it sleeps for ever
    }

    bool make_anew()
    {
        u8* const memory = one_.ram;
        partition_destroy(one_.partition);
        return one_.make(memory, 1, 0) && arrives(wait(), one_);
    }

    // Without an interrupt table each exception that is delivered is a triple fault.
    void injection()
    {
        bool ok = true;
        for (u32 vector = 0; ok && vector < 32; vector++)
            for (u32 has_error : {0u, 1u}) {
                one_.page->reply = {ReplyAction::inject, 0, vector, has_error, 0, 0, 0};
                Answer const answer = reply_and_wait(one_.vcpu);
                if (vector > 19 || vector == 2)
                    ok &= that("it is refused", answer.status == Status::bad_argument);
                else
                    ok &= that("it is delivered", arrives(answer, one_) && one_.page->kind == InterceptKind::stopped &&
                                                  one_.page->stop.reason == abi::StopReason::triple_fault) && make_anew();
            }
        verdict("injection: any exception, with an error code or without, is delivered as the processor would or refused", ok);
    }

    void state()
    {
        bool ok = that("it writes CR2", obeys(one_, What::fault_address, 0x1234'5000));
        ok &= hypercall(Call::vcpu_state_get, one_.vcpu).status == Status::ok;
        verdict("state: CR2 is what the guest left in it", ok && one_.page->state.cr2 == 0x1234'5000);
    }

    // ---- with the second CPU ----

    template<class Condition> bool comes_true(Condition&& condition)
    {
        u64 const until = time_stamp() + info_.tsc_hz * 5;
        while (!condition())
            if (time_stamp() > until)
                return false;
            else
                relax();
        return true;
    }
    bool do_errand(Errand what)
    {
        second.errand.store(what, std::memory_order_release);
        static_cast<void>(event_raise(1, errand_event));
        return comes_true([] { return second.errand.load(std::memory_order_acquire) == Errand::none; });
    }
    bool awaits_second() { return comes_true([] { return second.arrived.exchange(0, std::memory_order_acq_rel) != 0; }); }

    void revocation()
    {
        constexpr u32 rounds = 100;
        constexpr u64 at = 0x40'0000;
        OrderGuest& far = second.guest;
        u32 volatile& value = far.order().value;
        shared() = 1;
        bool ok = map_page(far.partition, at, shared_, read_only) == Status::ok;
        far.give(What::watch, at);
        ok &= do_errand(Errand::go_on);
        for (u32 round = 2; ok && round < rounds; round++) {
            u32 const seen = far.order().progress;
            ok &= that("the other CPU's guest reads all the time", comes_true([&] { return far.order().progress > seen + 10; }));
            ok &= unmap_page(far.partition, at) == Status::ok;
            shared() = round;                  // nobody can read this
            ok &= that("it asks", awaits_second() && far.page->kind == InterceptKind::memory);
            ok &= that("it read nothing that was written after the call", value == round - 1);
            ok &= map_page(far.partition, at, shared_, read_only) == Status::ok;
            far.page->reply = retry;
            ok &= do_errand(Errand::go_on) && comes_true([&] { return value == round; });
        }
        ok &= unmap_page(far.partition, at) == Status::ok && awaits_second();
        // Back to orders: the load that asks is stepped over, and the loop with it.
        far.page->reply = {ReplyAction::none, 0, 0, 0, 0, 0, 0};
        ok &= do_errand(Errand::go_on);
        verdict("revocation: complete on the other CPU when the call returns", ok);
    }

    void far_doorbell()
    {
        // A fresh guest there, since the last one was stopped in the middle of its order.
        second.victim = second.guest.partition;
        bool ok = do_errand(Errand::destroy) && do_errand(Errand::make) && second.made && awaits_second();
        ok &= hypercall(Call::doorbell_bind, second.guest.partition, bell_port, 2, far_bell_event, 0).status == Status::ok;
        take_events();
        second.guest.give(What::bell, bell_port, 0, 50);
        second.errand.store(Errand::go_on, std::memory_order_release);
        static_cast<void>(event_raise(1, errand_event));
        ok &= that("it wakes", wait().first == 0 && pending(far_bell_event));
        take_events();
        ok &= that("the guest goes on meanwhile", awaits_second() && second.guest.order().progress == 50);
        verdict("doorbell: a guest of one CPU rings the service's vCPU of another, and goes on", ok);
        take_events();
    }

    // A guest with interrupts off, answered from here while its CPU is called for something else.
    void far_answers()
    {
        constexpr u32 rounds = 3000;
        bool ok = true;
        for (u32 round = 0; ok && round < rounds; round++) {
            second.guest.give(What::load, code_at);
            ok &= reply(second.guest.vcpu) == Status::ok;
            for (u32 pause = round % 64; pause; pause--)
                relax();
            static_cast<void>(event_raise(1, spare_event));
            ok &= awaits_second();
        }
        verdict("answers: a guest of one CPU is answered from another", ok);
    }

    void destruction()
    {
        bool ok = true;
        for (u32 round = 0; ok && round < 20; round++) {
            // Each CPU destroys the guest that lives on the other.
            u64 const mine = second.guest.partition;
            second.victim = one_.partition;
            second.errand.store(Errand::destroy, std::memory_order_release);
            static_cast<void>(event_raise(1, errand_event));
            ok &= partition_destroy(mine) == Status::ok;
            ok &= comes_true([] { return second.errand.load(std::memory_order_acquire) == Errand::none; });
            ok &= partition_destroy(mine) == Status::bad_handle && vcpu_start(one_.vcpu) == Status::bad_handle;
            ok &= do_errand(Errand::make) && second.made && awaits_second();
            take_events();
            Answer answer{};
            ok &= one_.make(one_.ram, 1, 0);
            do
                answer = wait(), take_events();
            while (answer.status == Status::ok && answer.first == 0);
            ok &= arrives(answer, one_);
        }
        verdict("destruction: two CPUs destroy each other's guests at the same time", ok);
    }

    abi::InfoPage const& info_;
    Extents         extents_;
    abi::EventPage& events_;
    Log             log_;
    u8*             shared_ = nullptr;
    OrderGuest      one_, two_;
    bool            passed_ = true;
};

[[noreturn]] void follow()
{
    auto& events = *reinterpret_cast<abi::EventPage*>(machine->event_page[1]);
    for (;;) {
        Answer const answer = wait();
        if (answer.first)
            second.arrived.store(answer.first, std::memory_order_release);
        static_cast<void>(__atomic_exchange_n(&events.summary, 0, __ATOMIC_ACQUIRE));
        static_cast<void>(__atomic_exchange_n(&events.pending[0], 0, __ATOMIC_ACQUIRE));
        switch (second.errand.load(std::memory_order_acquire)) {
        case Errand::none:    continue;
        case Errand::make:    second.made = second.guest.make(second.memory, 3, 1); break;
        case Errand::go_on:   static_cast<void>(reply(second.guest.vcpu)); break;
        case Errand::destroy: static_cast<void>(partition_destroy(second.victim)); break;
        }
        second.errand.store(Errand::none, std::memory_order_release);
    }
}

} // namespace

extern "C" [[noreturn]] void service_main(abi::InfoPage const* info, u64 index);

void service_main(abi::InfoPage const* info, u64 index)
{
    machine = info;
    if (index == 0) {
        prepare_faults(*info);
        Leader leader{*info};
        static_cast<void>(machine_power_off(!leader.run()));
    } else if (index == 1) {
        follow();
    }
    for (;;)
        static_cast<void>(wait());
}

} // namespace kennel::service
