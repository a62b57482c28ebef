// SPDX-License-Identifier: Apache-2.0
//
// The local APIC a guest sees: x2APIC mode only, one per vCPU, touched by its own CPU only. It decides what is pending,
// what may be delivered now, and when its timer is due; sending, injecting and arming timers is its caller's.
// Sections meant are of the SDM's chapter "Advanced Programmable Interrupt Controller (APIC)".
//
// The timer counts TSC ticks: its input clock is the TSC's frequency (CPUID 15h says so), divided by the divide configuration.
// The four operations guests do all day (EOI, self-IPI, TSC deadline, what is pending) are in this header, to be inlined.
#pragma once
#include "hv/lib/field.hpp"
#include "hv/lib/types.hpp"
#include <optional>

namespace kennel {

// One bit per vector, and one per word of 64 vectors that has any.
class VectorSet {
public:
    void set(u8 vector)
    {
        words_[vector / 64] |= 1ull << (vector % 64);
        used_ |= 1u << (vector / 64);
    }
    void clear(u8 vector)
    {
        u64& word = words_[vector / 64];
        word &= ~(1ull << (vector % 64));
        used_ &= ~(u32{word == 0} << (vector / 64));
    }
    bool empty() const { return used_ == 0; }
    u32  part(u32 n) const { return static_cast<u32>(words_[n / 2] >> (32 * (n % 2))); }   // vectors 32n to 32n + 31

private:
    u64 words_[4] = {};
    u32 used_ = 0;
};

// Vectors in rising order, at most `most`: nearly always there is one or none, and the highest needs no search.
template<u32 most> class VectorStack {
public:
    void push(u8 vector) { vectors_[++depth_] = vector; }              // above all others
    void insert(u8 vector) { vector > top() ? push(vector) : insert_below(vector); }   // where it belongs, once
    void pop() { depth_--; }                                           // not of an empty one
    bool empty() const { return depth_ == 0; }
    u8   top() const { return vectors_[depth_]; }                      // the highest; 0: none
    u32  part(u32 n) const                                             // like VectorSet's
    {
        u32 bits = 0;
        for (u32 i = 1; i <= depth_; i++)
            bits |= u32{vectors_[i] / 32 == n} << (vectors_[i] % 32);
        return bits;
    }

private:
    [[gnu::noinline]] void insert_below(u8 vector)
    {
        u32 place = depth_;
        while (vectors_[place] > vector)
            place--;
        if (vectors_[place] == vector)
            return;
        for (u32 i = depth_++; i > place; i--)
            vectors_[i + 1] = vectors_[i];
        vectors_[place + 1] = vector;
    }

    u32 depth_ = 0;
    u8  vectors_[1 + most] = {};                        // the first stands for none, below all others
};

// x2APIC MSRs. "x2APIC Register Address Space".
struct ApicRegister {
    static constexpr u32 tsc_deadline = 0x6e0, first = 0x800, last = 0x83f;
    static constexpr u32 id = 0x802, version = 0x803, task_priority = 0x808, processor_priority = 0x80a, end_of_interrupt = 0x80b;
    static constexpr u32 logical_destination = 0x80d, spurious = 0x80f, in_service = 0x810, trigger_mode = 0x818, requests = 0x820;
    static constexpr u32 error_status = 0x828, command = 0x830;
    static constexpr u32 lvt_timer = 0x832, lvt_thermal = 0x833, lvt_performance = 0x834, lvt_lint0 = 0x835, lvt_lint1 = 0x836, lvt_error = 0x837;
    static constexpr u32 initial_count = 0x838, current_count = 0x839, divide = 0x83e, self_interrupt = 0x83f;

    static constexpr bool is_one(u32 msr) { return (msr >= first && msr <= last) || msr == tsc_deadline; }
};

enum class ApicDelivery : u8 { fixed = 0, lowest_priority = 1, smi = 2, nmi = 4, init = 5, startup = 6 };

// "Interrupt Command Register (ICR)", as x2APIC mode has it.
struct ApicCommand {
    using Vector      = Field<7, 0, u8>;
    using Delivery    = Field<10, 8, ApicDelivery>;
    using Logical     = Field<11, 11, bool>;
    using Level       = Field<14, 14, bool>;
    using Shorthand   = Field<19, 18, u8>;              // 0 none, 1 self, 2 all, 3 all others
    using Destination = Field<63, 32, u32>;
    static constexpr u64 reserved = Field<31, 20>::mask | Field<17, 16>::mask | Field<13, 13>::mask;
};

// "Error Status Register (ESR)".
struct ApicError { static constexpr u32 send_illegal_vector = 1u << 5, receive_illegal_vector = 1u << 6; };

// What the writer of a register must do now.
enum class ApicAction : u8 {
    done,
    fault,        // #GP: no such register, not writable, or a reserved bit was set
    timer,        // deadline() changed
    interrupt,    // highest_pending() may have changed
    send,         // command() is for other CPUs, or (shorthand 2) for this one too
};

class ApicModel {
public:
    static constexpr u64 no_deadline = ~0ull;
    // Periodic timers come no more often than this, in ticks: each is a host interrupt, which others would pay.
    static constexpr u64 shortest_period = 100'000;

    void reset(u32 id);
    u32  id() const { return id_; }
    bool enabled() const { return (spurious_ & spurious_enable) != 0; }   // by software, not by IA32_APIC_BASE

    // ---- the guest's accesses ----
    std::optional<u64> read(u32 msr, u64 now) const;    // none: #GP
    ApicAction write(u32 msr, u64 value, u64 now);
    u64 command() const { return command_; }            // as it was written last
    // Three of them by name, for who has decoded the register. "TSC-Deadline Mode": 0 disarms; in the other modes the
    // write does nothing (false), else deadline() changed.
    bool write_deadline(u64 value)
    {
        if (timer_mode() != TimerMode::tsc_deadline)
            return false;
        expiry_ = value ? value : no_deadline;
        publish_deadline();
        return true;
    }
    // True: there are requests, so highest_pending() may have changed.
    bool end_interrupt()
    {
        if (in_service_.empty())
            return false;
        in_service_.pop();
        update_priority();
        return !requests_.empty();
    }
    static bool is_legal(u32 vector) { return vector - first_legal_vector <= 0xff - first_legal_vector; }
    bool interrupt_self(u8 vector)
    {
        if (!enabled())
            return false;
        request(vector, false);
        return true;
    }
    // A request for `vector` and its delivery in one, where nothing else is requested and its class is high enough;
    // false: it is not, and nothing changed.
    bool deliver_alone(u8 vector)
    {
        if (!enabled() || !requests_.empty() || (vector & 0xf0) <= processor_priority_)
            return false;
        if (!level_.empty()) [[unlikely]]
            level_.clear(vector);
        in_service_.push(vector);
        processor_priority_ = vector & 0xf0;
        return true;
    }
    u8   task_priority() const { return task_priority_; }
    void set_task_priority(u8 priority)
    {
        task_priority_ = priority;
        update_priority();
    }

    // ---- interrupts ----
    // A message or a local source asks for `vector`. Kept until delivered; a second one before that is the same one.
    void accept(u8 vector, bool level)
    {
        if (vector < first_legal_vector) [[unlikely]]
            return report_error(ApicError::receive_illegal_vector);
        if (enabled())
            request(vector, level);
    }
    // The vector to deliver now, or -1: the highest request, if its class is above the processor's priority.
    int highest_pending() const
    {
        u8 const vector = requests_.top();
        return (vector & 0xf0) > processor_priority_ ? vector : -1;
    }
    // The caller injects `vector`, which highest_pending() said; so nothing in service is above it.
    void deliver(u8 vector)
    {
        requests_.pop();
        in_service_.push(vector);
        processor_priority_ = vector & 0xf0;
    }
    // Is this APIC meant by a command another one sent? "Determining IPI Destination"; `same`: sender and this are one.
    bool is_destination(u64 command, bool same) const;

    // ---- time ----
    u64  deadline() const { return deadline_; }         // TSC; no_deadline: none
    void timer_expired(u64 now);                        // to be called when deadline() has passed

private:
    static constexpr u8  first_legal_vector = 16;
    static constexpr u32 spurious_enable    = 1u << 8;
    static constexpr u32 lvt_count          = 6;        // timer .. error, in the order of their registers
    static constexpr u32 timer = 0, error = 5;          // indices into lvt_

    // "Local Vector Table".
    using Masked = Field<16, 16, bool>;
    enum class TimerMode : u8 { one_shot = 0, periodic = 1, tsc_deadline = 2, reserved = 3 };
    using Mode = Field<18, 17, TimerMode>;

    // "Processor Priority Register (PPR)": the higher of the task's priority and the class in service.
    void update_priority()
    {
        u8 const serving = in_service_.top() & 0xf0;
        processor_priority_ = task_priority_ >= serving ? task_priority_ : serving;
    }
    void publish_deadline() { deadline_ = Masked::get(lvt_[timer]) ? no_deadline : expiry_; }
    TimerMode timer_mode() const { return Mode::get(lvt_[timer]); }

    void request(u8 vector, bool level)
    {
        requests_.insert(vector);
        if (level) [[unlikely]]
            level_.set(vector);
        else if (!level_.empty()) [[unlikely]]
            level_.clear(vector);
    }

    ApicAction write_spurious(u32 value, u64 now);
    ApicAction write_lvt(u32 index, u32 value, u64 now);
    ApicAction write_command(u64 value);
    ApicAction start_count(u32 count, u64 now);
    ApicAction write_divide(u32 value, u64 now);
    void settle(u64 now);
    void run_out(u64 now);
    u64  period() const;
    u32  current_count(u64 now) const;
    u64  divisor() const;
    void raise(u32 lvt_index);
    void report_error(u32 bits);

    VectorStack<0x100 - first_legal_vector> requests_;  // IRR
    VectorStack<16> in_service_;                        // ISR: each interrupted one of a lower class, so there is one of each at most
    VectorSet level_;                                   // TMR
    u8   task_priority_ = 0, processor_priority_ = 0;
    u32  id_ = 0;
    u32  lvt_[lvt_count] = {};
    u32  spurious_ = 0xff;
    u64  deadline_ = no_deadline;                       // expiry_ as far as it is wanted: none while masked
    u64  expiry_ = no_deadline;                         // when the timer reaches 0
    u64  command_ = 0;
    u32  initial_count_ = 0;
    u32  divide_ = 0;
    u32  errors_ = 0, error_status_ = 0;                // found since the last write of the register; what it shows
};

} // namespace kennel
