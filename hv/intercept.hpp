// SPDX-License-Identifier: Apache-2.0
//
// Intercepts: a guest's access becomes a message for its service, the guest waits, a reply lets it go on.
// The message and the guest's general registers lie in the same shared page, so a port access copies nothing.
#pragma once
#include "hv/exit.hpp"
#include "hv/abi/hypercall.hpp"

namespace kennel {

struct Cpu;
struct Vcpu;

// The service, which waits, runs next and on the turn of the guest that runs now. `badge`: as `wait` tells it.
void serve_now(Cpu& cpu, Vcpu& service, u64 badge);
// The guest that just exited waits for its service. With the service idle, the service is entered next.
Action intercept(Vcpu& vcpu);
// The answer in the page: copied once, checked, carried out. The vCPU is runnable afterwards (or stopped).
abi::Status answer(Cpu& here, Vcpu& vcpu);
// What `wait` returns, put into the service's registers.
void finish_wait(Vcpu& service);

} // namespace kennel
