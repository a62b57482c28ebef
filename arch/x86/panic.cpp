// SPDX-License-Identifier: Apache-2.0
//
// The end, told well: what, where, registers, and the functions that led there. To the log port and the screen, without
// any lock, since the holder may be who died. The first CPU that panics tells, and stops the others by an NMI.
#include "arch/x86/host.hpp"
#include "arch/x86/instructions.hpp"
#include "arch/x86/symbols.hpp"
#include "hv/log.hpp"
#include <atomic>

extern "C" {
extern kennel::u64 __stack_chk_guard;
kennel::u64 __stack_chk_guard = 0;             // start.S sets it
[[noreturn]] void __stack_chk_fail();
}

namespace kennel {

namespace {

template<class... T> void say(T const&... parts)
{
    Line line;
    (line.add(parts), ...);
    line.add("\n");
    log_emergency(line.text());
}

template<class... T> void say_place(u64 at, T const&... before)
{
    auto const [name, offset] = arch::symbol_at(at);
    say(before..., Hex{at}, " ", name, "+", Hex{offset});
}

std::atomic<bool> over{false};

// Who comes second has nothing to add, be it another CPU or a fault of the report itself.
[[gnu::noinline]] Cpu& begin_report()
{
    if (over.exchange(true, std::memory_order_relaxed))
        arch::halt_for_ever();
    Cpu& cpu = arch::this_cpu();
    // One by one: a CPU that was left out has the firmware's tables, whose memory is somebody's by now.
    for (u32 i = 0; i < cpu.machine->cpu_count; i++)
        if (i != cpu.index)
            arch::send_nmi(cpu.machine->cpus[i]->shared.apic_id);
    arch::speak_in_panic();
    log_emergency("\n");                       // another CPU may have been in the middle of a line
    return cpu;
}

// Frame pointers: every function keeps one. A link that leaves this stack ends the walk.
void backtrace(u64 frame)
{
    for (unsigned depth = 0; depth < 24; depth++) {
        if (frame < arch::stacks_virtual_base || frame >= arch::devices_virtual_base || frame % 8)
            return;
        u64 const* words = reinterpret_cast<u64 const*>(frame);
        if (words[1] < abi::image_virtual_base)
            return;
        say_place(words[1] - 1, "  called from ");
        if (words[0] <= frame)
            return;
        frame = words[0];
    }
}

} // namespace

void panic(char const* what, u64 value)
{
    say("PANIC on cpu ", begin_report().index, ": ", what, " (", Hex{value}, ")");
    backtrace(reinterpret_cast<u64>(__builtin_frame_address(0)));
    arch::halt_for_ever();
}

namespace arch {

void panic_with_registers(char const* what, u64 const* frame)
{
    static constexpr char const* names[] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8 ", "r9 ", "r10", "r11", "r12", "r13", "r14", "r15"};
    say("PANIC on cpu ", begin_report().index, ": ", what, ", error ", Hex{frame[17]}, ", cr2 ", Hex{read_cr2()});
    say_place(frame[18], "  at ");
    for (unsigned i = 0; i < 16; i += 4)
        say("  ", std::string_view{names[i]}, " ", Hex{i == 4 ? frame[21] : frame[i]}, " ", std::string_view{names[i + 1]}, " ", Hex{frame[i + 1]}, " ",
            std::string_view{names[i + 2]}, " ", Hex{frame[i + 2]}, " ", std::string_view{names[i + 3]}, " ", Hex{frame[i + 3]});
    backtrace(frame[5]);
    halt_for_ever();
}

void stop_if_over()
{
    if (over.load(std::memory_order_relaxed))
        halt_for_ever();
}

void report_nmi(u64 at)
{
    stop_if_over();
    say_place(at, "hv: NMI on cpu ", this_cpu().index, " at ");
}

} // namespace arch
} // namespace kennel

void __stack_chk_fail() { kennel::panic("a stack was overrun"); }

// An unwrapped error or an impossible branch in the standard headers.
extern "C" void abort() noexcept { kennel::panic("abort"); }
