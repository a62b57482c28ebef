// SPDX-License-Identifier: Apache-2.0
//
// See measure.h.
#include "tests/bench/linux/measure.h"
#include "tests/bench/counting/marks.hpp"
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char const* name;
static unsigned long long mark;
static uint64_t ticks[most_rounds];

void fail(char const* what)
{
    perror(what);
    exit(1);
}

void measure_as(char const* as, char const* first_mark)
{
    name = as;
    mark = strtoull(first_mark, NULL, 10);
}

static uint64_t now(void)                            // right after a jump, where Bochs's clock is exact
{
    uint64_t value;
    __asm__ volatile("jmp 1f; 1: rdtsc; shl $32, %%rdx; or %%rdx, %0" : "=a"(value) :: "rdx", "memory");
    return value;
}

static int in_order(void const* a, void const* b)
{
    uint64_t const x = *(uint64_t const*)a, y = *(uint64_t const*)b;
    return x < y ? -1 : x > y;
}

static unsigned long long interrupts(void)
{
    FILE* const file = fopen("/proc/interrupts", "r");
    if (!file)
        fail("/proc/interrupts");
    unsigned long long all = 0, number;
    for (char line[512]; fgets(line, sizeof line, file);)
        if (strstr(line, "virtio") && sscanf(line, "%*[^:]:%llu", &number) == 1)
            all += number;
    fclose(file);
    return all;
}

void measure(char const* what, unsigned rounds, unsigned operations, void (*round)(unsigned number))
{
    for (unsigned i = 0; i < 4; i++)
        round(i);
    unsigned long long const before = interrupts();
    kennel_mark(mark);
    for (unsigned i = 0; i < rounds; i++) {
        uint64_t const start = now();
        round(i);
        ticks[i] = now() - start;
    }
    kennel_mark(mark + 1);
    unsigned long long const after = interrupts();
    qsort(ticks, rounds, sizeof *ticks, in_order);
    printf("REQUEST %s-%s %llu %llu %u %u %llu %llu\n", name, what, (unsigned long long)ticks[0], (unsigned long long)ticks[rounds / 2], rounds, operations,
           after - before, mark);
    fflush(stdout);
    mark += 2;
}
