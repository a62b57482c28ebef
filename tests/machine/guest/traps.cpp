// SPDX-License-Identifier: Apache-2.0
//
// See traps.hpp.
#include "tests/machine/guest/traps.hpp"
#include "tests/machine/guest/apic.hpp"
#include "tests/machine/guest/processor.hpp"
#include "tests/machine/guest/verdict.hpp"

extern "C" {
extern char trap_stubs[];
extern char guarded_return[];
extern kennel::u64 guarded_stack;
kennel::u64 guarded_call(void (*body)(void*), void* argument);
void user_call(void (*body)());
void guest_trap(kennel::guest::Frame* frame);
}

namespace kennel::guest {

namespace {

struct Gate { u16 low; u16 selector; u8 ist; u8 kind; u16 middle; u32 high; u32 reserved; };
static_assert(sizeof(Gate) == 16);

Gate    gates[256];
Handler handlers[256];
u32     counts[256];
Fault   last;

void count(Frame& frame)
{
    counts[frame.vector]++;
    wrmsr(apic::end_of_interrupt, 0);
}

} // namespace

void load_traps()
{
    constexpr u8 interrupt_gate = 0x8e, user = 0x60;
    for (u32 i = 0; i < 256; i++) {
        u64 const at = reinterpret_cast<u64>(trap_stubs) + 16ull * i;
        bool const for_user = i == 3 || i == 4 || i >= 0x80;
        gates[i] = {static_cast<u16>(at), 0x08, 0, static_cast<u8>(interrupt_gate | (for_user ? user : 0)), static_cast<u16>(at >> 16), static_cast<u32>(at >> 32), 0};
    }
    struct [[gnu::packed]] { u16 limit; u64 base; } const pointer{sizeof gates - 1, reinterpret_cast<u64>(gates)};
    asm volatile("lidt %0" :: "m"(pointer));
}

void on(u8 vector, Handler handler) { handlers[vector] = handler; }
void use_stack(u8 vector, u8 ist) { gates[vector].ist = ist; }
void raw_gate(u8 vector, void (*entry)())
{
    u64 const at = reinterpret_cast<u64>(entry);
    gates[vector].low = static_cast<u16>(at);
    gates[vector].middle = static_cast<u16>(at >> 16);
    gates[vector].high = static_cast<u32>(at >> 32);
}
void count_interrupts(u8 vector) { on(vector, count); }
u32  counted(u8 vector) { return __atomic_load_n(&counts[vector], __ATOMIC_RELAXED); }

Fault attempt_raw(void (*body)(void*), void* argument)
{
    last = {no_fault, 0, 0};
    last.vector = guarded_call(body, argument);
    return last;
}

Fault attempt_as_user(void (*body)())
{
    // Every entry of the loader's tables: root, pointers, directories of 2 MiB leaves.
    constexpr u64 present = 1, user = 4, large = 0x80, address = 0x000f'ffff'ffff'f000;
    auto table = [](u64 entry) { return reinterpret_cast<u64*>(entry & address); };
    u64* const root = table(read_cr3());
    for (u32 i = 0; i < 512; i++)
        if (root[i] & present) {
            root[i] |= user;
            for (u32 j = 0; j < 512; j++)
                if (u64& pointer = table(root[i])[j]; pointer & present) {
                    pointer |= user;
                    for (u32 k = 0; k < 512 && !(pointer & large); k++)
                        if (u64& directory = table(pointer)[k]; directory & present)
                            directory |= user;
                }
        }
    write_cr3(read_cr3());
    return attempt([body] { user_call(body); });
}

} // namespace kennel::guest

void guest_trap(kennel::guest::Frame* frame)
{
    using namespace kennel::guest;
    if (Handler const handler = handlers[frame->vector]) {
        handler(*frame);
        return;
    }
    if (!guarded_stack)
        fail("unexpected vector (at rip)", frame->vector << 48 | frame->rip, no_fault);
    last = {frame->vector, frame->error, frame->rip};
    frame->rax = frame->vector;
    frame->rip = reinterpret_cast<kennel::u64>(guarded_return);
    frame->cs = 0x08;
    frame->ss = 0x10;
    frame->rflags = 2;
    frame->rsp = guarded_stack;
}
