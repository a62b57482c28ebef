// SPDX-License-Identifier: Apache-2.0
#include "hv/abi/hypercall.hpp"
#include "hv/abi/pages.hpp"
#include "tests/machine/guest/processor.hpp"
#include "tests/machine/guest/traps.hpp"
#include "tests/machine/guest/verdict.hpp"

namespace kennel::guest {

constinit char const* const title = "hypercalls: a guest has two; everything else is an error, and from CPL 3 nothing works";

namespace {
u64 volatile user_status;
}

void check(Verdict& verdict)
{
    constexpr u64 unknown = static_cast<u64>(abi::guest_unknown_call), not_permitted = static_cast<u64>(abi::guest_not_permitted);
    verdict.equal("version", hypercall(static_cast<u64>(abi::GuestCall::version)).status, abi::abi_version);
    HypercallResult const nothing = hypercall(static_cast<u64>(abi::GuestCall::nothing), 0x11, 0x22);
    verdict.equal("nothing", nothing.status, 0);
    verdict.equal("rdi is left alone", nothing.rdi, 0x11);
    verdict.equal("rsi is left alone", nothing.rsi, 0x22);
    // A service's calls, KVM's, and numbers nobody has, with arguments that would hurt if they were looked at.
    for (u64 number = 0; number < 64; number++)
        verdict.equal("a small number", hypercall(number, 1, 0xffff'ffff'8000'0000, ~0ull).status, unknown);
    for (u64 number : {u64{0x4b4e4bff}, u64{0x4b4e4c02}, u64{1} << 32, u64{1} << 63, ~u64{0}})
        verdict.equal("a large number", hypercall(number, ~0ull, ~0ull, ~0ull).status, unknown);
    Fault const fault = attempt_as_user([] { user_status = hypercall(static_cast<u64>(abi::GuestCall::version)).status; });
    verdict.equal("back from user mode", fault.vector, back_from_user);
    verdict.equal("CPL 3", user_status, not_permitted);
}

} // namespace kennel::guest
