// SPDX-License-Identifier: Apache-2.0
//
// VMCALL: a service's calls (hv/abi/hypercall.hpp), and the few a guest has.
#pragma once
#include "hv/vcpu.hpp"

namespace kennel {

// The instruction was stepped over already; status and results go to the caller's registers.
Action hypercall(Vcpu& vcpu);
// A service's call that is not on the path of a request: control.cpp.
abi::Status control_call(Vcpu& vcpu, u64 number);

} // namespace kennel
