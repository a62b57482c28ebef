// SPDX-License-Identifier: Apache-2.0
//
// Counts, for the whole machine: instructions, and per partition its own instructions, its VM exits by reason, and the instructions that
// VMX root took after each exit until the next entry, of whichever partition. A partition is known by its VPID. An instruction is what
// moves the clock by one tick, as each iteration of a REP does; time in which the processor is halted is none.
// At a mark all of it is added up over the processors and written to `counts` in the emulator's folder; tests/bench/counts subtracts:
//   mark NUMBER TICKS INSTRUCTIONS ROOT-INSTRUCTIONS
//   context VPID INSTRUCTIONS           (since the start, as everything here)
//   exit VPID REASON COUNT ROOT-INSTRUCTIONS
// The same with a number of KENNEL_MARK_START on when a partition first leaves from long mode, which a kernel does soon and a BIOS never; again
// when it is a new one that begins with the VPID of one that ended.
#include "bochs.h"
#include "cpu/cpu.h"
#include "pc_system.h"
#include "marks.hpp"
#include <cstdio>

namespace {

constexpr unsigned max_cpus = 32, max_contexts = 256, max_reasons = 80;

struct Reason { Bit64u count, root_instructions; };
struct Context { Bit64u instructions; Reason reasons[max_reasons]; bool in_long_mode; };

Context contexts[max_contexts];

struct Processor {
    Bit64u since;             // when it last changed between root and a partition, in its instructions
    Bit64u root;              // instructions outside all partitions
    Bit64u halted;            // ticks in which it was halted
    Bit64u halted_since;
    bool   is_halted;
    unsigned context;         // the partition it runs, or ran last
    unsigned reason;          // why it left
    bool inside, leaving, ever;
};
Processor processors[max_cpus];

// Bochs advances its clock at the end of a trace; what is executed of the current one comes on top.
Bit64u ticks(unsigned cpu) { return bx_pc_system.time_ticks() + (BX_CPU(cpu)->get_icount() - BX_CPU(cpu)->get_icount_last_sync()); }

// Several processors share the clock: they are counted by the instruction, a REP as one.
Bit64u instructions_of(unsigned cpu)
{
    if (BX_SMP_PROCESSORS > 1)
        return BX_CPU(cpu)->get_icount();
    Processor const& processor = processors[cpu];
    return (processor.is_halted ? processor.halted_since : ticks(cpu)) - processor.halted;
}

// Books what ran since the last change, so that the totals are true now.
void settle(unsigned cpu)
{
    Processor& processor = processors[cpu];
    Bit64u const now = instructions_of(cpu), spent = now - processor.since;
    processor.since = now;
    if (processor.inside) {
        contexts[processor.context].instructions += spent;
        return;
    }
    processor.root += spent;
    if (processor.ever)
        contexts[processor.context].reasons[processor.reason].root_instructions += spent;
}

FILE* counts()
{
    static FILE* const file = std::fopen("counts", "w");
    return file;
}

void write_counts(Bit64u number)
{
    FILE* const file = counts();
    if (!file)
        return;
    Bit64u all = 0, root = 0;
    for (unsigned cpu = 0; cpu < BX_SMP_PROCESSORS && cpu < max_cpus; cpu++) {
        settle(cpu);
        all += instructions_of(cpu);
        root += processors[cpu].root;
    }
    std::fprintf(file, "mark %llu %llu %llu %llu\n", static_cast<unsigned long long>(number), static_cast<unsigned long long>(ticks(0)),
                 static_cast<unsigned long long>(all), static_cast<unsigned long long>(root));
    for (unsigned c = 0; c < max_contexts; c++) {
        if (contexts[c].instructions)
            std::fprintf(file, "context %u %llu\n", c, static_cast<unsigned long long>(contexts[c].instructions));
        for (unsigned r = 0; r < max_reasons; r++)
            if (Reason const& reason = contexts[c].reasons[r]; reason.count)
                std::fprintf(file, "exit %u %u %llu %llu\n", c, r, static_cast<unsigned long long>(reason.count), static_cast<unsigned long long>(reason.root_instructions));
    }
    std::fflush(file);
}

} // namespace

void kennel_vm_exit(unsigned cpu, Bit32u reason)
{
    if (cpu >= max_cpus)
        return;
    settle(cpu);
    Processor& processor = processors[cpu];
    processor.reason = (reason & 0xffff) < max_reasons ? reason & 0xffff : max_reasons - 1;
    processor.inside = false;
    processor.leaving = true;
    Context& context = contexts[processor.context];
    context.reasons[processor.reason].count++;
    bool const was_in_long_mode = context.in_long_mode;
    context.in_long_mode = BX_CPU(cpu)->efer.get_LMA();
    if (context.in_long_mode && !was_in_long_mode)
        write_counts(KENNEL_MARK_START + processor.context);
}

// Bochs calls this at the end of a change either way, and on other occasions.
void kennel_context_switch(unsigned cpu, unsigned what)
{
    if (what != BX_INSTR_CONTEXT_SWITCH || cpu >= max_cpus)
        return;
    Processor& processor = processors[cpu];
    if (processor.leaving) {
        processor.leaving = false;
        return;
    }
    settle(cpu);
    processor.context = BX_CPU(cpu)->vmcs.vpid % max_contexts;
    processor.inside = true;
    processor.ever = true;
}

void kennel_prefetch(unsigned, bx_address address)
{
    if (address >> KENNEL_MARK_BITS == KENNEL_MARK_BASE >> KENNEL_MARK_BITS)
        write_counts(address & ((1ull << KENNEL_MARK_BITS) - 1));
}

void kennel_halt(unsigned cpu)
{
    if (cpu >= max_cpus || BX_SMP_PROCESSORS > 1)
        return;
    processors[cpu].halted_since = ticks(cpu);
    processors[cpu].is_halted = true;
}

void kennel_interrupt(unsigned cpu)
{
    if (cpu >= max_cpus || !processors[cpu].is_halted)
        return;
    processors[cpu].is_halted = false;
    processors[cpu].halted += ticks(cpu) - processors[cpu].halted_since;
}
