// SPDX-License-Identifier: Apache-2.0
//
// The guest's APIC against the rules of the SDM's chapter "Advanced Programmable Interrupt Controller (APIC)".
#include "hv/apic_model.hpp"
#include <doctest/doctest.h>
#include <map>
#include <random>
#include <set>

using namespace kennel;
using R = ApicRegister;

namespace {

constexpr u32 mask_bit = 1u << 16, periodic = 1u << 17, tsc_deadline = 2u << 17;
constexpr u64 none = ApicModel::no_deadline;

ApicModel started(u32 id = 0)
{
    ApicModel apic;
    apic.reset(id);
    apic.write(R::spurious, 0x1ff, 0);
    return apic;
}

ApicAction put(ApicModel& apic, u32 msr, u64 value, u64 now = 0) { return apic.write(msr, value, now); }

bool bit(ApicModel const& apic, u32 first_register, u8 vector)
{
    return (*apic.read(first_register + vector / 32, 0) >> (vector % 32)) & 1;
}

// Take what is pending, as the processor would.
int take(ApicModel& apic)
{
    int const vector = apic.highest_pending();
    if (vector >= 0)
        apic.deliver(static_cast<u8>(vector));
    return vector;
}

} // namespace

// ---- registers ----

TEST_CASE("apic: state after reset")
{
    ApicModel apic;
    apic.reset(0x123);
    CHECK(apic.read(R::id, 0) == 0x123);
    CHECK(apic.read(R::version, 0) == 0x50014);
    CHECK(apic.read(R::logical_destination, 0) == (0x12u << 16 | 1u << 3));
    CHECK(apic.read(R::spurious, 0) == 0xff);
    for (u32 msr = R::lvt_timer; msr <= R::lvt_error; msr++)
        CHECK(apic.read(msr, 0) == mask_bit);
    for (u32 msr : {R::task_priority, R::processor_priority, R::error_status, R::command, R::initial_count, R::current_count, R::divide, R::tsc_deadline})
        CHECK(apic.read(msr, 0) == 0);
    for (u32 i = 0; i < 24; i++)
        CHECK(apic.read(R::in_service + i, 0) == 0);
    CHECK(apic.deadline() == none);
    CHECK(apic.highest_pending() == -1);
}

TEST_CASE("apic: which registers can be read, which written")
{
    std::set<u32> readable{R::id, R::version, R::task_priority, R::processor_priority, R::logical_destination, R::spurious, R::error_status,
                           R::command, R::initial_count, R::current_count, R::divide};
    for (u32 i = 0; i < 24; i++)
        readable.insert(R::in_service + i);
    std::set<u32> writable{R::task_priority, R::end_of_interrupt, R::spurious, R::error_status, R::command, R::initial_count, R::divide, R::self_interrupt};
    for (u32 msr = R::lvt_timer; msr <= R::lvt_error; msr++) {
        readable.insert(msr);
        writable.insert(msr);
    }
    for (u32 msr = R::first; msr <= R::last; msr++) {
        CAPTURE(msr);
        ApicModel apic = started();
        CHECK(apic.read(msr, 0).has_value() == readable.contains(msr));
        CHECK((put(apic, msr, msr == R::self_interrupt ? 0x40 : 0) != ApicAction::fault) == writable.contains(msr));
    }
}

TEST_CASE("apic: a reserved bit is a fault and changes nothing")
{
    std::map<u32, u64> const writable{
        {R::task_priority, 0xff}, {R::spurious, 0x3ff}, {R::error_status, 0}, {R::end_of_interrupt, 0}, {R::self_interrupt, 0xff},
        {R::lvt_timer, 0x710ff}, {R::lvt_thermal, 0x117ff}, {R::lvt_performance, 0x117ff}, {R::lvt_lint0, 0x1f7ff}, {R::lvt_lint1, 0x1f7ff},
        {R::lvt_error, 0x110ff}, {R::initial_count, 0xffff'ffff}, {R::divide, 0xb}, {R::command, 0xffff'ffff'000c'dfff}};
    for (auto const& [msr, bits] : writable)
        for (u32 i = 0; i < 64; i++) {
            u64 const value = 1ull << i;
            CAPTURE(msr);
            CAPTURE(i);
            ApicModel apic = started();
            auto const before = apic.read(msr, 0);
            CHECK((put(apic, msr, value) == ApicAction::fault) == ((value & bits) == 0));
            if ((value & bits) == 0)
                CHECK(apic.read(msr, 0) == before);
        }
    ApicModel apic = started();
    CHECK(put(apic, R::lvt_timer, 3u << 17) == ApicAction::fault);
}

TEST_CASE("apic: delivery status and remote IRR cannot be set")
{
    ApicModel apic = started();
    put(apic, R::lvt_lint0, 1u << 12 | 1u << 14 | 0x700);
    CHECK(apic.read(R::lvt_lint0, 0) == 0x700);
    put(apic, R::command, 0x1000 | 0x4'0031);
    CHECK(apic.read(R::command, 0) == 0x4'0031);
}

// ---- priorities ----

TEST_CASE("apic: of all requests the highest vector is first")
{
    ApicModel apic = started();
    for (int v : {0x31, 0xfe, 0x10, 0x80, 0x7f, 0x40, 0x3f})
        apic.accept(static_cast<u8>(v), false);
    for (int expected : {0xfe, 0x80, 0x7f, 0x40, 0x3f, 0x31, 0x10}) {
        CHECK(take(apic) == expected);
        CHECK(bit(apic, R::in_service, static_cast<u8>(expected)));
        CHECK_FALSE(bit(apic, R::requests, static_cast<u8>(expected)));
        put(apic, R::end_of_interrupt, 0);
        CHECK_FALSE(bit(apic, R::in_service, static_cast<u8>(expected)));
    }
    CHECK(take(apic) == -1);
}

TEST_CASE("apic: PPR is the higher of TPR and the class in service, for every pair")
{
    for (u32 priority = 0; priority <= 0xff; priority++)
        for (u32 vector = 0x10; vector <= 0xff; vector += 5) {
            ApicModel apic = started();
            apic.accept(static_cast<u8>(vector), false);
            REQUIRE(take(apic) == static_cast<int>(vector));
            put(apic, R::task_priority, priority);
            u32 const ppr = static_cast<u32>(*apic.read(R::processor_priority, 0));
            CHECK((ppr >> 4) == ((priority >> 4) > (vector >> 4) ? priority >> 4 : vector >> 4));
            // "Processor Priority Register": the low bits are TPR's where TPR's class wins, 0 where the other does.
            if (priority >> 4 > vector >> 4)
                CHECK(ppr == priority);
            if (priority >> 4 < vector >> 4)
                CHECK((ppr & 15) == 0);
        }
}

TEST_CASE("apic: delivered only if the class is above PPR, for every pair of TPR and vector")
{
    for (u32 priority = 0; priority <= 0xff; priority++)
        for (u32 vector = 0x10; vector <= 0xff; vector++) {
            ApicModel apic = started();
            apic.set_task_priority(static_cast<u8>(priority));
            apic.accept(static_cast<u8>(vector), false);
            CHECK(apic.highest_pending() == (vector >> 4 > priority >> 4 ? static_cast<int>(vector) : -1));
        }
}

TEST_CASE("apic: nested interrupts: same class waits, higher class interrupts, EOI ends the highest")
{
    ApicModel apic = started();
    apic.accept(0x45, false);
    CHECK(take(apic) == 0x45);
    apic.accept(0x4f, false);
    CHECK(apic.highest_pending() == -1);                // same class
    apic.accept(0x52, false);
    CHECK(take(apic) == 0x52);
    CHECK(apic.read(R::processor_priority, 0) == 0x50);
    CHECK(put(apic, R::end_of_interrupt, 0) == ApicAction::interrupt);
    CHECK_FALSE(bit(apic, R::in_service, 0x52));
    CHECK(bit(apic, R::in_service, 0x45));
    CHECK(apic.read(R::processor_priority, 0) == 0x40);
    CHECK(apic.highest_pending() == -1);
    put(apic, R::end_of_interrupt, 0);
    CHECK(take(apic) == 0x4f);
    CHECK(put(apic, R::end_of_interrupt, 0) == ApicAction::done);
    CHECK(apic.read(R::processor_priority, 0) == 0);
}

TEST_CASE("apic: a request made twice before delivery is one, during service it is kept")
{
    ApicModel apic = started();
    apic.accept(0x61, false);
    apic.accept(0x61, false);
    CHECK(take(apic) == 0x61);
    CHECK(take(apic) == -1);
    apic.accept(0x61, false);
    CHECK(bit(apic, R::requests, 0x61));
    CHECK(bit(apic, R::in_service, 0x61));
    put(apic, R::end_of_interrupt, 0);
    CHECK(take(apic) == 0x61);
    put(apic, R::end_of_interrupt, 0);
    CHECK(take(apic) == -1);
}

TEST_CASE("apic: EOI with nothing in service does nothing")
{
    ApicModel apic = started();
    apic.set_task_priority(0xf0);
    apic.accept(0x30, false);
    CHECK(put(apic, R::end_of_interrupt, 0) == ApicAction::done);
    CHECK(bit(apic, R::requests, 0x30));
    CHECK(put(apic, R::end_of_interrupt, 1) == ApicAction::fault);
}

TEST_CASE("apic: TMR follows the trigger mode of the last request")
{
    ApicModel apic = started();
    apic.accept(0x77, true);
    CHECK(bit(apic, R::trigger_mode, 0x77));
    apic.accept(0x77, false);
    CHECK_FALSE(bit(apic, R::trigger_mode, 0x77));
}

TEST_CASE("apic: every state agrees with a plain set model under random use")
{
    std::mt19937 random{7};
    ApicModel apic = started();
    std::set<int> requests, serving;
    u32 priority = 0;
    for (int step = 0; step < 20'000; step++) {
        switch (random() % 4) {
        case 0: {
            u8 const vector = static_cast<u8>(16 + random() % 240);
            apic.accept(vector, false);
            requests.insert(vector);
            break;
        }
        case 1: {
            int const top = serving.empty() ? 0 : *serving.rbegin();
            u32 const ppr = priority >> 4 > static_cast<u32>(top) >> 4 ? priority >> 4 : static_cast<u32>(top) >> 4;
            int const wanted = !requests.empty() && static_cast<u32>(*requests.rbegin()) >> 4 > ppr ? *requests.rbegin() : -1;
            REQUIRE(take(apic) == wanted);
            if (wanted >= 0) {
                requests.erase(wanted);
                serving.insert(wanted);
            }
            break;
        }
        case 2:
            apic.write(R::end_of_interrupt, 0, 0);
            if (!serving.empty())
                serving.erase(std::prev(serving.end()));
            break;
        case 3:
            priority = random() % 4 ? 0 : random() % 256;
            apic.write(R::task_priority, priority, 0);
            break;
        }
    }
    for (u32 v = 0; v < 256; v++) {
        CHECK(bit(apic, R::requests, static_cast<u8>(v)) == requests.contains(static_cast<int>(v)));
        CHECK(bit(apic, R::in_service, static_cast<u8>(v)) == serving.contains(static_cast<int>(v)));
    }
}

// ---- sending ----

TEST_CASE("apic: self-IPI by its register and by the command register")
{
    ApicModel apic = started();
    CHECK(put(apic, R::self_interrupt, 0x41) == ApicAction::interrupt);
    CHECK(take(apic) == 0x41);
    put(apic, R::end_of_interrupt, 0);
    CHECK(put(apic, R::command, 0x4'0042) == ApicAction::interrupt);
    CHECK(take(apic) == 0x42);
}

TEST_CASE("apic: other commands are the caller's to send")
{
    ApicModel apic = started();
    for (u64 command : {0x7'0000'0050ull, 0x8'0050ull, 0xc'0050ull, 0xffff'ffff'0000'0850ull, 0x1'0000'4500ull, 0x1'0000'0608ull, 0x1'0000'0400ull}) {
        CHECK(put(apic, R::command, command) == ApicAction::send);
        CHECK(apic.command() == command);
        CHECK(apic.read(R::command, 0) == command);
    }
    CHECK(put(apic, R::command, 0x350) == ApicAction::done);   // reserved delivery modes reach nobody
    CHECK(put(apic, R::command, 0x750) == ApicAction::done);
}

TEST_CASE("apic: who is meant by a destination")
{
    ApicModel apic = started(0x25);                     // cluster 2, bit 5
    auto to = [](u32 destination, u64 bits = 0) { return u64{destination} << 32 | 0x50 | bits; };
    u64 const logical = 1u << 11;
    CHECK(apic.is_destination(to(0x25), false));
    CHECK_FALSE(apic.is_destination(to(0x24), false));
    CHECK(apic.is_destination(to(0xffff'ffff), false));
    CHECK(apic.is_destination(to(0xffff'ffff, logical), false));
    CHECK(apic.is_destination(to(0x2'0020, logical), false));
    CHECK(apic.is_destination(to(0x2'ffff, logical), false));
    CHECK_FALSE(apic.is_destination(to(0x2'ffdf, logical), false));
    CHECK_FALSE(apic.is_destination(to(0x1'ffff, logical), false));
    CHECK_FALSE(apic.is_destination(to(0x25, logical), false));
    CHECK(apic.is_destination(to(0, 1u << 18), true));
    CHECK_FALSE(apic.is_destination(to(0, 1u << 18), false));
    CHECK(apic.is_destination(to(0, 2u << 18), true));
    CHECK(apic.is_destination(to(0, 2u << 18), false));
    CHECK_FALSE(apic.is_destination(to(0, 3u << 18), true));
    CHECK(apic.is_destination(to(0, 3u << 18), false));
}

// ---- errors ----

TEST_CASE("apic: illegal vectors are refused and found in the error register after it is written")
{
    ApicModel apic = started();
    for (u32 vector = 0; vector < 16; vector++)
        apic.accept(static_cast<u8>(vector), false);
    CHECK(apic.highest_pending() == -1);
    CHECK(apic.read(R::error_status, 0) == 0);
    put(apic, R::error_status, 0);
    CHECK(apic.read(R::error_status, 0) == 0x40);
    put(apic, R::error_status, 0);
    CHECK(apic.read(R::error_status, 0) == 0);
    put(apic, R::command, 0x1'0000'000f);
    put(apic, R::error_status, 0);
    CHECK(apic.read(R::error_status, 0) == 0x20);
    CHECK(put(apic, R::self_interrupt, 15) == ApicAction::interrupt);
    put(apic, R::error_status, 0);
    CHECK(apic.read(R::error_status, 0) == 0x60);
    CHECK(put(apic, R::error_status, 1) == ApicAction::fault);
}

TEST_CASE("apic: an error raises its own entry's vector; an illegal one there does not loop")
{
    ApicModel apic = started();
    put(apic, R::lvt_error, 0xfe);
    put(apic, R::self_interrupt, 3);
    CHECK(take(apic) == 0xfe);
    put(apic, R::end_of_interrupt, 0);
    put(apic, R::lvt_error, 5);
    put(apic, R::error_status, 0);
    put(apic, R::command, 0x1'0000'0002);
    CHECK(apic.highest_pending() == -1);
    put(apic, R::error_status, 0);
    CHECK(apic.read(R::error_status, 0) == 0x60);
}

// ---- enabling ----

TEST_CASE("apic: disabled by software: nothing new is taken, entries are masked and stay so, what is there is kept")
{
    ApicModel apic = started();
    put(apic, R::lvt_timer, 0x31);
    apic.accept(0x50, false);
    put(apic, R::spurious, 0xff);
    CHECK((*apic.read(R::lvt_timer, 0) & mask_bit) != 0);
    put(apic, R::lvt_timer, 0x31);
    CHECK(apic.read(R::lvt_timer, 0) == (mask_bit | 0x31));
    apic.accept(0x60, false);
    put(apic, R::self_interrupt, 0x61);
    CHECK(take(apic) == 0x50);
    put(apic, R::end_of_interrupt, 0);
    CHECK(take(apic) == -1);
    put(apic, R::spurious, 0x1ff);
    CHECK((*apic.read(R::lvt_timer, 0) & mask_bit) != 0);
}

// ---- timer ----

TEST_CASE("apic timer: one shot, with every divisor")
{
    u32 const encoded[] = {0xb, 0x0, 0x1, 0x2, 0x3, 0x8, 0x9, 0xa};   // 1, 2, 4 ... 128
    for (u32 i = 0; i < 8; i++) {
        u64 const divisor = 1ull << i;
        ApicModel apic = started();
        put(apic, R::divide, encoded[i], 0);
        put(apic, R::lvt_timer, 0x40, 0);
        CHECK(put(apic, R::initial_count, 1000, 5000) == ApicAction::timer);
        CHECK(apic.deadline() == 5000 + 1000 * divisor);
        CHECK(apic.read(R::current_count, 5000) == 1000);
        CHECK(apic.read(R::current_count, 5000 + 400 * divisor) == 600);
        CHECK(apic.read(R::current_count, 5000 + 1000 * divisor) == 0);
        apic.timer_expired(4999 + 1000 * divisor);
        CHECK(apic.highest_pending() == -1);            // too early
        apic.timer_expired(5000 + 1000 * divisor);
        CHECK(take(apic) == 0x40);
        CHECK(apic.deadline() == none);
        CHECK(apic.read(R::initial_count, ~0ull) == 1000);
        CHECK(apic.read(R::current_count, ~0ull) == 0);
    }
}

TEST_CASE("apic timer: a count of 0 stops it")
{
    ApicModel apic = started();
    put(apic, R::divide, 0xb);
    put(apic, R::lvt_timer, 0x40);
    put(apic, R::initial_count, 1000);
    put(apic, R::initial_count, 0);
    CHECK(apic.deadline() == none);
}

TEST_CASE("apic timer: periodic, and periods missed are not made up for")
{
    ApicModel apic = started();
    put(apic, R::divide, 0xb);
    put(apic, R::lvt_timer, periodic | 0x40);
    put(apic, R::initial_count, 100'000, 0);
    CHECK(apic.deadline() == 100'000);
    apic.timer_expired(100'500);
    CHECK(apic.deadline() == 200'000);                  // in phase
    CHECK(apic.read(R::current_count, 150'000) == 50'000);
    apic.timer_expired(1'234'567'890);
    CHECK(apic.deadline() == 1'234'600'000);
    CHECK(take(apic) == 0x40);
    CHECK(take(apic) == -1);
}

TEST_CASE("apic timer: no period is so short that the machine only serves it")
{
    ApicModel apic = started();
    put(apic, R::divide, 0xb);
    put(apic, R::lvt_timer, periodic | 0x40);
    put(apic, R::initial_count, 1, 0);
    apic.timer_expired(1);
    CHECK(apic.deadline() >= ApicModel::shortest_period);
    CHECK(apic.read(R::current_count, 2) <= 1);
}

TEST_CASE("apic timer: TSC deadline arms, disarms, and reads 0 when it has passed")
{
    ApicModel apic = started();
    put(apic, R::lvt_timer, tsc_deadline | 0xec);
    CHECK(put(apic, R::tsc_deadline, 12'345) == ApicAction::timer);
    CHECK(apic.deadline() == 12'345);
    CHECK(apic.read(R::tsc_deadline, 0) == 12'345);
    put(apic, R::tsc_deadline, 0);
    CHECK(apic.deadline() == none);
    CHECK(apic.read(R::tsc_deadline, 0) == 0);
    put(apic, R::tsc_deadline, 500);
    apic.timer_expired(501);
    CHECK(take(apic) == 0xec);
    CHECK(apic.read(R::tsc_deadline, 501) == 0);
    CHECK(apic.deadline() == none);
}

TEST_CASE("apic timer: each mode ignores the other's registers")
{
    ApicModel apic = started();
    put(apic, R::divide, 0xb);
    put(apic, R::lvt_timer, 0x40);
    CHECK(put(apic, R::tsc_deadline, 777) == ApicAction::done);
    CHECK(apic.deadline() == none);
    CHECK(apic.read(R::tsc_deadline, 0) == 0);
    put(apic, R::lvt_timer, tsc_deadline | 0x40);
    put(apic, R::initial_count, 1000);
    CHECK(apic.deadline() == none);
    CHECK(apic.read(R::current_count, 0) == 0);
}

TEST_CASE("apic timer: changing the mode disarms it")
{
    for (u32 from : {0u, periodic, tsc_deadline})
        for (u32 to : {0u, periodic, tsc_deadline}) {
            ApicModel apic = started();
            put(apic, R::divide, 0xb);
            put(apic, R::lvt_timer, from | 0x40);
            put(apic, R::initial_count, 50'000);
            put(apic, R::tsc_deadline, 50'000);
            REQUIRE(apic.deadline() == 50'000);
            put(apic, R::lvt_timer, to | 0x41);
            CHECK(apic.deadline() == (from == to ? 50'000 : none));
        }
}

TEST_CASE("apic timer: masked it runs on unheard; unmasked in time it is heard, too late it is not")
{
    ApicModel apic = started();
    put(apic, R::divide, 0xb);
    put(apic, R::lvt_timer, mask_bit | 0x40);
    put(apic, R::initial_count, 1000, 0);
    CHECK(apic.deadline() == none);
    CHECK(apic.read(R::current_count, 300) == 700);
    put(apic, R::lvt_timer, 0x40, 500);
    CHECK(apic.deadline() == 1000);
    put(apic, R::lvt_timer, mask_bit | 0x40, 600);
    CHECK(apic.deadline() == none);
    put(apic, R::lvt_timer, 0x40, 2000);
    CHECK(apic.deadline() == none);
    CHECK(apic.highest_pending() == -1);

    put(apic, R::lvt_timer, mask_bit | periodic | 0x40, 0);
    put(apic, R::initial_count, 100'000, 0);
    put(apic, R::lvt_timer, periodic | 0x40, 250'000);
    CHECK(apic.deadline() == 300'000);
}

TEST_CASE("apic timer: a new divisor keeps the count and changes its pace")
{
    ApicModel apic = started();
    put(apic, R::divide, 0xb, 0);
    put(apic, R::lvt_timer, 0x40, 0);
    put(apic, R::initial_count, 1000, 0);
    put(apic, R::divide, 0x1, 400);                     // by 4, with 600 left
    CHECK(apic.read(R::current_count, 400) == 600);
    CHECK(apic.deadline() == 400 + 600 * 4);
}

TEST_CASE("apic timer: an illegal vector is an error, not an interrupt")
{
    ApicModel apic = started();
    put(apic, R::divide, 0xb);
    put(apic, R::lvt_timer, 3);
    put(apic, R::initial_count, 10);
    apic.timer_expired(10);
    CHECK(apic.highest_pending() == -1);
    put(apic, R::error_status, 0);
    CHECK(apic.read(R::error_status, 0) == 0x40);
}
