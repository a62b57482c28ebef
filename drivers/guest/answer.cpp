// SPDX-License-Identifier: Apache-2.0
//
// See answer.hpp. The path of a port access is short on purpose: it is most of what a guest's start consists of.
#include "drivers/guest/answer.hpp"
#include "drivers/instructions.hpp"

namespace kennel::service {

namespace {

End after(Guest& guest)
{
    switch (guest.platform.take_happening()) {
    case Happening::none:      return {};
    case Happening::power_off: return {EndReason::power_off};
    case Happening::reset:     return {EndReason::reboot};
    case Happening::panic:     return {EndReason::panic};
    }
    return {};
}

constexpr u32 general_protection = 13, page_fault = 14;

void inject(abi::Reply& reply, u32 vector, u32 error_code)
{
    reply.action = abi::ReplyAction::inject;
    reply.vector = vector;
    reply.has_error = 1;
    reply.error_code = error_code;
}

End carry_out(Guest& guest, Emulated const& emulated)
{
    abi::Reply& reply = guest.page->reply;
    switch (emulated.next) {
    case Emulated::Next::skip: [[likely]]
        reply.action = abi::ReplyAction::skip;
        reply.instruction_length = emulated.length;
        reply.has_value = emulated.value.has_value();
        reply.value = emulated.value.value_or(0);
        break;
    case Emulated::Next::retry:
        reply.action = abi::ReplyAction::retry;
        break;
    case Emulated::Next::page_fault:
        inject(reply, page_fault, emulated.length);
        reply.has_value = 1;
        reply.value = emulated.value.value_or(0);
        break;
    case Emulated::Next::general_protection:
        inject(reply, general_protection, emulated.length);
        break;
    case Emulated::Next::impossible:
        return {EndReason::unsupported, emulated.why};
    }
    return after(guest);
}

End answer_port(Guest& guest)
{
    abi::InterceptPage& page = *guest.page;
    abi::PortIntercept const access = page.port;
    if (access.is_string) [[unlikely]]
        return carry_out(guest, emulate_port_string(guest.memory, guest.platform, page.execution, access, page.registers));
    page.reply.action = abi::ReplyAction::skip;
    page.reply.has_value = 0;
    if (access.is_input)
        page.registers.rax = merged(page.registers.rax, guest.platform.read_port(access.port, access.size), access.size);
    else
        guest.platform.write_port(access.port, access.size, static_cast<u32>(page.registers.rax));
    return after(guest);
}

End inject_general_protection(abi::InterceptPage& page)
{
    inject(page.reply, general_protection, 0);
    return {};
}

// A page of an area of the guest's own that is not there yet.
End answer_area(abi::InterceptPage& page, VirtioPmem& pmem)
{
    if (pmem.area.touch(page.memory.address) != Status::ok)
        return {EndReason::unsupported, "no memory is left for the tables of an area"};
    page.reply.action = abi::ReplyAction::retry;
    return {};
}

// An area can only be read: a write changes nothing. One that cannot be carried out as far as that (SSE's, or of code in the area itself)
// is an exception in the guest: a program of it shall not end all of it.
End answer_memory(Guest& guest)
{
    abi::InterceptPage& page = *guest.page;
    abi::MemoryIntercept const& access = page.memory;
    VirtioDevices& virtio = guest.platform.virtio;
    if (!access.is_write) [[likely]] {
        if (VirtioPmem* const pmem = virtio.pmem_at(access.address)) [[unlikely]]
            return answer_area(page, *pmem);
    }
    Emulated const done = emulate_memory(guest.memory, guest.platform, guest.cache, page.execution, access, page.registers);
    if (done.next == Emulated::Next::impossible) [[unlikely]] {
        if (VirtioPmem* const pmem = virtio.pmem_at(access.address)) {
            pmem->drop_write();
            return inject_general_protection(page);
        }
    }
    return carry_out(guest, done);
}

End answer_msr(Guest& guest)
{
    abi::InterceptPage& page = *guest.page;
    KvmClock& clock = guest.platform.clock;
    page.reply.action = abi::ReplyAction::skip;
    page.reply.has_value = 0;
    if (page.msr.is_write) {
        u64 const value = (page.registers.rdx << 32) | (page.registers.rax & 0xffff'ffff);
        if (clock.write(guest.memory, page.msr.index, value, time_stamp()))
            return {};
    } else if (auto const value = clock.read(page.msr.index)) {
        page.registers.rax = *value & 0xffff'ffff;
        page.registers.rdx = *value >> 32;
        return {};
    }
    return inject_general_protection(page);
}

End answer_stop(abi::StopIntercept const& stop)
{
    switch (stop.reason) {
    case abi::StopReason::none:           break;
    case abi::StopReason::triple_fault:   return {EndReason::triple_fault};
    case abi::StopReason::invalid_state:  return {EndReason::invalid_state};
    case abi::StopReason::left_x2apic:    return {EndReason::left_x2apic, "it left x2APIC mode, which is not supported yet"};
    case abi::StopReason::unsupported:    return {EndReason::unsupported};
    case abi::StopReason::init_received:  return {EndReason::init_received};
    case abi::StopReason::stop_requested: return {EndReason::stop_requested};
    case abi::StopReason::mce:            return {EndReason::machine_check};
    case abi::StopReason::halted_forever: return {EndReason::halted_forever};
    }
    return {EndReason::unsupported, "an unknown reason to stop"};
}

} // namespace

char const* name_of(EndReason reason)
{
    switch (reason) {
    case EndReason::none:           return "none";
    case EndReason::power_off:      return "poweroff";
    case EndReason::reboot:         return "reboot";
    case EndReason::panic:          return "panic";
    case EndReason::triple_fault:   return "triple-fault";
    case EndReason::invalid_state:  return "invalid-state";
    case EndReason::left_x2apic:    return "left-x2apic";
    case EndReason::unsupported:    return "unsupported";
    case EndReason::init_received:  return "init-received";
    case EndReason::stop_requested: return "stop-requested";
    case EndReason::machine_check:  return "machine-check";
    case EndReason::halted_forever: return "halted-forever";
    case EndReason::reply_refused:  return "reply-refused";
    case EndReason::load_error:     return "load-error";
    }
    return "unknown";
}

End answer(Guest& guest)
{
    abi::InterceptPage& page = *guest.page;
    switch (page.kind) {
    case abi::InterceptKind::port: [[likely]]
        return answer_port(guest);
    case abi::InterceptKind::memory:
        return answer_memory(guest);
    case abi::InterceptKind::msr:
        return answer_msr(guest);
    case abi::InterceptKind::stopped:
        return answer_stop(page.stop);
    case abi::InterceptKind::none:
        break;
    }
    return {EndReason::unsupported, "an unknown kind of intercept"};
}

} // namespace kennel::service
