// SPDX-License-Identifier: Apache-2.0
//
// See apic_model.hpp: every register but the four in a hurry, and the timer.
#include "hv/apic_model.hpp"

namespace kennel {

namespace {

// "Local APIC Version Register": an integrated APIC with 6 LVT entries, without EOI-broadcast suppression.
constexpr u32 version = 0x0005'0014;

// "Local Vector Table": bits a guest may set.  Delivery status and remote IRR may be written, and stay 0.
constexpr u32 lvt_vector = 0xff, lvt_delivery = 7u << 8, lvt_status = 1u << 12, lvt_pin = 7u << 13, lvt_mask = 1u << 16, lvt_mode = 3u << 17;
constexpr u32 lvt_read_only = lvt_status | (1u << 14);
constexpr u32 lvt_writable[] = {
    lvt_vector | lvt_status | lvt_mask | lvt_mode,                   // timer
    lvt_vector | lvt_delivery | lvt_status | lvt_mask,               // thermal
    lvt_vector | lvt_delivery | lvt_status | lvt_mask,               // performance
    lvt_vector | lvt_delivery | lvt_status | lvt_pin | lvt_mask,     // LINT0
    lvt_vector | lvt_delivery | lvt_status | lvt_pin | lvt_mask,     // LINT1
    lvt_vector | lvt_status | lvt_mask,                              // error
};

// "Spurious-Interrupt Vector Register": vector, enable, focus checking (kept, without meaning).
constexpr u32 spurious_writable = 0x3ff;
constexpr u32 divide_writable   = 0xb;
constexpr u8  shorthand_none = 0, shorthand_self = 1, shorthand_all = 2;

// "Logical Destination Mode in x2APIC Mode": 16 processors to a cluster.
constexpr u32 logical_id(u32 id) { return (id >> 4) << 16 | 1u << (id & 15); }

} // namespace

// "Local APIC State After Power-Up or Reset".
void ApicModel::reset(u32 id)
{
    *this = ApicModel{};
    id_ = id;
    for (u32& entry : lvt_)
        entry = lvt_mask;
}

std::optional<u64> ApicModel::read(u32 msr, u64 now) const
{
    using Register = ApicRegister;
    switch (msr) {
    case Register::tsc_deadline:
        return timer_mode() == TimerMode::tsc_deadline && expiry_ != no_deadline && expiry_ > now ? expiry_ : 0;
    case Register::id:                  return id_;
    case Register::version:             return version;
    case Register::task_priority:       return task_priority_;
    case Register::processor_priority:  return processor_priority_;
    case Register::logical_destination: return logical_id(id_);
    case Register::spurious:            return spurious_;
    case Register::error_status:        return error_status_;
    case Register::command:             return command_;
    case Register::initial_count:       return initial_count_;
    case Register::current_count:       return current_count(now);
    case Register::divide:              return divide_;
    default: break;
    }
    // Three sets of 256 bits, eight registers each, one behind the other.
    if (msr >= Register::in_service && msr < Register::requests + 8)
        return msr < Register::trigger_mode ? in_service_.part(msr % 8) : msr < Register::requests ? level_.part(msr % 8) : requests_.part(msr % 8);
    if (msr >= Register::lvt_timer && msr < Register::lvt_timer + lvt_count)
        return lvt_[msr - Register::lvt_timer];
    return std::nullopt;
}

ApicAction ApicModel::write(u32 msr, u64 value, u64 now)
{
    using Register = ApicRegister;
    if (msr == Register::tsc_deadline)
        return write_deadline(value) ? ApicAction::timer : ApicAction::done;
    if (msr == Register::command)
        return write_command(value);
    // "Reserved Bits": every other register has 32 bits, in a 64-bit MSR.
    if (value > 0xffff'ffff)
        return ApicAction::fault;
    u32 const word = static_cast<u32>(value);
    if (msr >= Register::lvt_timer && msr < Register::lvt_timer + lvt_count)
        return write_lvt(msr - Register::lvt_timer, word, now);
    switch (msr) {
    case Register::task_priority:
        if (word > 0xff)
            return ApicAction::fault;
        set_task_priority(static_cast<u8>(word));
        return ApicAction::interrupt;
    case Register::spurious:      return write_spurious(word, now);
    case Register::initial_count: return start_count(word, now);
    case Register::divide:        return write_divide(word, now);
    case Register::error_status:
        if (word != 0)
            return ApicAction::fault;
        error_status_ = errors_;
        errors_ = 0;
        return ApicAction::done;
    case Register::end_of_interrupt:
        if (word != 0)
            return ApicAction::fault;
        return end_interrupt() ? ApicAction::interrupt : ApicAction::done;
    case Register::self_interrupt:
        if (is_legal(word))
            return interrupt_self(static_cast<u8>(word)) ? ApicAction::interrupt : ApicAction::done;
        if (word >= first_legal_vector)
            return ApicAction::fault;
        report_error(ApicError::send_illegal_vector | ApicError::receive_illegal_vector);
        return ApicAction::interrupt;
    default:
        return ApicAction::fault;
    }
}

// "Local APIC State After It Has Been Software Disabled": every LVT entry is masked and stays so.
ApicAction ApicModel::write_spurious(u32 value, u64 now)
{
    if (value & ~spurious_writable)
        return ApicAction::fault;
    spurious_ = value;
    if (enabled())
        return ApicAction::done;
    settle(now);
    for (u32& entry : lvt_)
        entry |= lvt_mask;
    publish_deadline();
    return ApicAction::timer;
}

ApicAction ApicModel::write_lvt(u32 index, u32 value, u64 now)
{
    if (value & ~lvt_writable[index])
        return ApicAction::fault;
    if (index == timer && Mode::get(value) == TimerMode::reserved)
        return ApicAction::fault;
    value &= ~lvt_read_only;
    if (!enabled())
        value |= lvt_mask;
    if (index != timer) {
        lvt_[index] = value;
        return ApicAction::done;
    }
    // What ran out while masked is gone; a change of mode disarms ("APIC Timer").
    settle(now);
    if (Mode::get(value) != timer_mode())
        expiry_ = no_deadline;
    lvt_[timer] = value;
    publish_deadline();
    return ApicAction::timer;
}

ApicAction ApicModel::write_command(u64 value)
{
    using Command = ApicCommand;
    if (value & Command::reserved)
        return ApicAction::fault;
    value &= ~(1ull << 12);                             // delivery status, which x2APIC mode has not
    command_ = value;
    u8 const vector = Command::Vector::get(value);
    switch (Command::Delivery::get(value)) {
    case ApicDelivery::fixed:
    case ApicDelivery::lowest_priority:
        if (vector < first_legal_vector) {
            report_error(ApicError::send_illegal_vector);
            return ApicAction::interrupt;
        }
        if (Command::Shorthand::get(value) == shorthand_self)
            return interrupt_self(vector) ? ApicAction::interrupt : ApicAction::done;
        return ApicAction::send;
    case ApicDelivery::smi:
    case ApicDelivery::nmi:
    case ApicDelivery::init:
    case ApicDelivery::startup:
        return ApicAction::send;
    }
    return ApicAction::done;                            // a reserved mode: nobody would take it
}

bool ApicModel::is_destination(u64 command, bool same) const
{
    using Command = ApicCommand;
    switch (u8 const shorthand = Command::Shorthand::get(command); shorthand) {
    case shorthand_none: break;
    case shorthand_self: return same;
    case shorthand_all:  return true;
    default:             return !same;
    }
    u32 const destination = Command::Destination::get(command);
    if (destination == 0xffff'ffff)
        return true;
    if (!Command::Logical::get(command))
        return destination == id_;
    u32 const mine = logical_id(id_);
    return destination >> 16 == mine >> 16 && (destination & mine & 0xffff) != 0;
}

// A local source fires.
void ApicModel::raise(u32 index)
{
    if (!Masked::get(lvt_[index]))
        accept(static_cast<u8>(lvt_[index] & lvt_vector), false);
}

// "Error Handling". An error that is already known raises no second interrupt: an error entry that is itself illegal
// would otherwise raise itself for ever.
void ApicModel::report_error(u32 bits)
{
    bool const known = (errors_ & bits) == bits;
    errors_ |= bits;
    if (!known)
        raise(error);
}

// ---- timer ----

// "Divide Configuration Register": bits 3, 1 and 0 hold n; 2, 4, ... 128, and 1 for the last.
u64 ApicModel::divisor() const
{
    u32 const n = (divide_ & 3) | ((divide_ & 8) >> 1);
    return 1ull << ((n + 1) & 7);
}

u64 ApicModel::period() const
{
    u64 const ticks = initial_count_ * divisor();
    return ticks < shortest_period ? shortest_period : ticks;
}

u32 ApicModel::current_count(u64 now) const
{
    if (timer_mode() == TimerMode::tsc_deadline || expiry_ == no_deadline)
        return 0;
    u64 left = expiry_ - now;
    if (expiry_ <= now) {                               // ran out, and nobody has looked yet
        if (timer_mode() == TimerMode::one_shot)
            return 0;
        left = period() - (now - expiry_) % period();
    }
    u64 const count = (left + divisor() - 1) / divisor();
    return count < initial_count_ ? static_cast<u32>(count) : initial_count_;
}

ApicAction ApicModel::start_count(u32 count, u64 now)
{
    if (timer_mode() == TimerMode::tsc_deadline)
        return ApicAction::done;
    initial_count_ = count;
    expiry_ = count ? now + count * divisor() : no_deadline;
    publish_deadline();
    return ApicAction::timer;
}

// The count goes on from where it is, at the new pace.
ApicAction ApicModel::write_divide(u32 value, u64 now)
{
    if (value & ~divide_writable)
        return ApicAction::fault;
    settle(now);
    u32 const left = current_count(now);
    divide_ = value;
    if (left == 0)
        return ApicAction::done;
    expiry_ = now + left * divisor();
    publish_deadline();
    return ApicAction::timer;
}

// The timer reached 0, perhaps several times: a single shot is over, a period goes on. Periods that were missed are dropped,
// like the requests they would have merged into.
void ApicModel::run_out(u64 now)
{
    expiry_ = timer_mode() == TimerMode::periodic ? expiry_ + ((now - expiry_) / period() + 1) * period() : no_deadline;
}

// What passed without anybody waiting for it, because it was masked.
void ApicModel::settle(u64 now)
{
    if (expiry_ <= now && Masked::get(lvt_[timer]))
        run_out(now);
}

void ApicModel::timer_expired(u64 now)
{
    if (deadline_ > now)
        return;
    raise(timer);
    run_out(now);
    publish_deadline();
}

} // namespace kennel
