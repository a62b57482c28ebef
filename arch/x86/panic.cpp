// SPDX-License-Identifier: Apache-2.0
//
// The end, told well: what, where, registers, and the functions that led there. To the log port and the screen, without
// any lock, since the holder may be who died.
#include "arch/x86/host.hpp"
#include "arch/x86/instructions.hpp"
#include "arch/x86/symbols.hpp"
#include "hv/log.hpp"

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

void say_place(char const* before, u64 at)
{
    auto const [name, offset] = arch::symbol_at(at);
    say(before, Hex{at}, " ", name, "+", Hex{offset});
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
        say_place("  called from ", words[1] - 1);
        if (words[0] <= frame)
            return;
        frame = words[0];
    }
}

} // namespace

void panic(char const* what, u64 value)
{
    Cpu& cpu = arch::this_cpu();
    arch::screen_for_panic(*cpu.machine);
    say("PANIC on cpu ", cpu.index, ": ", std::string_view{what}, " (", Hex{value}, ")");
    backtrace(reinterpret_cast<u64>(__builtin_frame_address(0)));
    arch::stop_machine();
}

namespace arch {

void panic_with_registers(char const* what, u64 const* frame)
{
    static constexpr char const* names[] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8 ", "r9 ", "r10", "r11", "r12", "r13", "r14", "r15"};
    Cpu& cpu = this_cpu();
    screen_for_panic(*cpu.machine);
    say("PANIC on cpu ", cpu.index, ": ", std::string_view{what}, ", error ", Hex{frame[17]}, ", cr2 ", Hex{read_cr2()});
    say_place("  at ", frame[18]);
    for (unsigned i = 0; i < 16; i += 4)
        say("  ", std::string_view{names[i]}, " ", Hex{i == 4 ? frame[21] : frame[i]}, " ", std::string_view{names[i + 1]}, " ", Hex{frame[i + 1]}, " ",
            std::string_view{names[i + 2]}, " ", Hex{frame[i + 2]}, " ", std::string_view{names[i + 3]}, " ", Hex{frame[i + 3]});
    backtrace(frame[5]);
    arch::stop_machine();
}

void stop_machine()
{
    for (;;)
        halt_for_ever();
}

} // namespace arch
} // namespace kennel

void __stack_chk_fail() { kennel::panic("a stack was overrun"); }

// An unwrapped error or an impossible branch in the standard headers.
extern "C" void abort() noexcept { kennel::panic("abort"); }
