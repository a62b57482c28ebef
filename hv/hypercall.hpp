// SPDX-License-Identifier: Apache-2.0
//
// Hypercalls: arguments copied from the registers once, checked into objects and ranges, then the noun that owns the
// matter is called. hv/abi/hypercall.hpp is the contract.
#pragma once
#include "hv/exit.hpp"

namespace kennel {

struct Vcpu;

Action hypercall(Vcpu& vcpu);

} // namespace kennel
