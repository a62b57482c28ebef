// SPDX-License-Identifier: Apache-2.0
//
// See hypercalls.hpp. The only VMCALL of the service.
#include "drivers/hypercalls.hpp"

namespace kennel::service {

Answer hypercall(abi::Call call, u64 rdi, u64 rsi, u64 rdx, u64 r8, u64 r9)
{
    // "memory": hv writes intercept and event pages, and guests run meanwhile. All other registers survive.
    register u64 fourth asm("r8") = r8;
    register u64 fifth asm("r9") = r9;
    u64 rax = static_cast<u64>(call);
    asm volatile("vmcall" : "+a"(rax), "+D"(rdi), "+S"(rsi) : "d"(rdx), "r"(fourth), "r"(fifth) : "memory", "cc");
    return {static_cast<Status>(rax), rdi, rsi};
}

} // namespace kennel::service
