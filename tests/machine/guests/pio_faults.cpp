// SPDX-License-Identifier: Apache-2.0
#include "tests/machine/guest/processor.hpp"
#include "tests/machine/guest/traps.hpp"
#include "tests/machine/guest/verdict.hpp"

namespace kennel::guest {

constinit char const* const title = "pio: a string instruction faults where its memory is not, and goes on when it is";

namespace {

constexpr u64 present = 1, writable = 2, window = 1ull << 39, page_bytes = 4096;   // 512 GiB: a part of the tables that nobody uses
constexpr u16 scratch = 0x3ff, config_address = 0xcf8;

struct alignas(page_bytes) Table { u64 entries[512]; };
Table pointers, directory, table;
alignas(page_bytes) u8 pages[2 * page_bytes];

// What the handler saw, and how often it was there.
u64 faults, address, error, left;

void map(u64 number, u64 rights) { table.entries[number] = reinterpret_cast<u64>(pages) + number * page_bytes + rights; }

void page_fault(Frame& frame)
{
    faults++;
    address = read_cr2();
    error = frame.error;
    left = frame.rcx;
    map(1, present | writable);
}

void forget(u64 rights)
{
    table.entries[1] = 0;
    if (rights)
        map(1, rights);
    faults = 0;
    write_cr3(read_cr3());
}

} // namespace

void check(Verdict& verdict)
{
    reinterpret_cast<u64*>(read_cr3())[window >> 39] = reinterpret_cast<u64>(&pointers) + present + writable;
    pointers.entries[0] = reinterpret_cast<u64>(&directory) + present + writable;
    directory.entries[0] = reinterpret_cast<u64>(&table) + present + writable;
    map(0, present | writable);
    write_cr0(read_cr0() | 1u << 16);                    // WP: the read-only page is so for us, too
    on(vector::page, page_fault);
    for (u64 i = 0; i < 8; i++)
        pages[page_bytes - 4 + i] = static_cast<u8>(1 + i);

    forget(0);
    u64 at = window + page_bytes - 4, count = 8;
    asm volatile("rep outsb" : "+S"(at), "+c"(count) : "d"(scratch) : "memory");
    verdict.equal("OUTS: one page fault", faults, 1);
    verdict.equal("its address", address, window + page_bytes);
    verdict.equal("its error code", error, 0);
    verdict.equal("half of it was done", left, 4);
    verdict.equal("it came to its end", at, window + page_bytes + 4);
    verdict.equal("the last byte went", in8(scratch), 8);

    forget(0);
    at = window + page_bytes - 1, count = 2;
    asm volatile("rep insb" : "+D"(at), "+c"(count) : "d"(scratch) : "memory");
    verdict.equal("INS: one page fault", faults, 1);
    verdict.equal("its address", address, window + page_bytes);
    verdict.equal("its error code", error, 2);
    verdict.equal("both bytes came", pages[page_bytes - 1] + pages[page_bytes], 16);

    forget(present);
    at = window + page_bytes + 1;
    asm volatile("insb" : "+D"(at) : "d"(scratch) : "memory");
    verdict.equal("a read-only page: one page fault", faults, 1);
    verdict.equal("its error code", error, 3);
    verdict.equal("the byte came", pages[page_bytes + 1], 8);

    forget(0);
    u32 const word = 0x8001'0804;
    for (u64 i = 0; i < 4; i++)
        pages[page_bytes - 2 + i] = static_cast<u8>(word >> 8 * i);
    at = window + page_bytes - 2;
    asm volatile("outsl" : "+S"(at) : "d"(config_address) : "memory");
    verdict.equal("across pages: one page fault", faults, 1);
    verdict.equal("at the second", address, window + page_bytes);
    verdict.equal("all four bytes went", in32(config_address), word);

    forget(0);
    Fault const fault = attempt([] { asm volatile("outsb" :: "S"(1ull << 47), "d"(scratch) : "memory"); });
    verdict.equal("nowhere: #GP", fault.vector, vector::general);
    verdict.equal("and no page fault", faults, 0);
}

} // namespace kennel::guest
