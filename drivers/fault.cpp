// SPDX-License-Identifier: Apache-2.0
//
// See fault.hpp. Called by the vectors in start.S, and by the stack protector.
#include "drivers/fault.hpp"
#include "drivers/instructions.hpp"
#include "drivers/log.hpp"
#include <cstdlib>
#include <utility>

namespace kennel::service {

namespace {

struct Frame { u64 vector, error, rip, cs, rflags, rsp, ss; };

// SDM, "64-Bit Mode IDT".
struct Gate { u16 low, selector; u8 stack, kind; u16 middle; u32 high, reserved; };
static_assert(sizeof(Gate) == 16);

// A fault comes from anywhere, so this is the one thing found without being passed along.
constinit abi::InfoPage const* machine = nullptr;
constinit void (*show_once)(std::string_view text) = nullptr;

void say(Text const& text)
{
    // Which vCPU this is cannot be told here any more; hv reads the page of the one that calls.
    for (u32 cpu = 0; machine && cpu < machine->cpu_count && cpu < abi::max_cpus; cpu++) {
        auto* page = reinterpret_cast<abi::EventPage*>(machine->event_page[cpu]);
        std::memcpy(page->text, text.view().data(), text.view().size());
    }
    static_cast<void>(log(text.view().size(), LogKind::text));
    if (auto const show = std::exchange(show_once, nullptr))   // the fault may be there
        show(text.view());
}

} // namespace

extern "C" Gate service_idt[32];
extern "C" u8 service_vectors[];
extern "C" [[noreturn]] void service_fault(Frame const* frame, u64 cr2);
extern "C" [[noreturn]] void __stack_chk_fail();

void prepare_faults(abi::InfoPage const& info, void (*show)(std::string_view text))
{
    constexpr u64 vector_bytes = 16;
    constexpr u8  interrupt_gate = 0x8e;
    machine = &info;
    show_once = show;
    for (u32 vector = 0; vector < 32; vector++) {
        u64 const at = reinterpret_cast<u64>(service_vectors) + vector * vector_bytes;
        service_idt[vector] = {static_cast<u16>(at), 0x08, 0, interrupt_gate, static_cast<u16>(at >> 16), static_cast<u32>(at >> 32), 0};
    }
}

void give_up(char const* what, u64 value)
{
    say(Text{"service: gives up: ", what, " (", Hex{value}, ")"});
    stop_here();
}

void service_fault(Frame const* frame, u64 cr2)
{
    say(Text{"service: fault ", frame->vector, " error ", Hex{frame->error}, " at rip ", Hex{frame->rip}, " rsp ", Hex{frame->rsp}, " cr2 ", Hex{cr2}});
    stop_here();
}

void __stack_chk_fail() { give_up("stack overrun"); }

} // namespace kennel::service

// Where the standard library's own checks end; declared by <cstdlib>, which some standard headers include.
extern "C" void abort() noexcept { kennel::service::give_up("abort"); }
