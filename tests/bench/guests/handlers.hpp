// SPDX-License-Identifier: Apache-2.0
//
// Interrupt handlers of a few instructions, so that what is measured is not the handler.
#pragma once
#include "hv/lib/types.hpp"

extern "C" {
void bench_eoi();                             // writes EOI, and nothing else
void bench_arrival();                         // notes the time of its first instruction, and writes EOI
extern kennel::u64 volatile bench_arrived;    // that time; 0 since whoever waits has set it so
}
