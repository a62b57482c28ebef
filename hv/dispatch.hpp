// SPDX-License-Identifier: Apache-2.0
//
// One decision per kind of exit: (Vcpu&, exit value) -> what the run loop does next. An exit kind without an
// overload does not compile. Row 3 of the request path.
#pragma once
#include "hv/vcpu.hpp"

namespace kennel {

Action dispatch(Vcpu& vcpu, CpuidExit);
Action dispatch(Vcpu& vcpu, HypercallExit);
Action dispatch(Vcpu& vcpu, HaltExit);
Action dispatch(Vcpu& vcpu, PortExit const&);
Action dispatch(Vcpu& vcpu, StringPortExit const&);
Action dispatch(Vcpu& vcpu, MemoryExit const&);
Action dispatch(Vcpu& vcpu, MsrReadExit);
Action dispatch(Vcpu& vcpu, MsrWriteExit);
Action dispatch(Vcpu& vcpu, ControlExit);
Action dispatch(Vcpu& vcpu, DebugRegisterExit);
Action dispatch(Vcpu& vcpu, XsetbvExit);
Action dispatch(Vcpu& vcpu, CacheExit);
Action dispatch(Vcpu& vcpu, DeniedExit);
Action dispatch(Vcpu& vcpu, ExceptionExit const&);
Action dispatch(Vcpu& vcpu, InterruptExit);
Action dispatch(Vcpu& vcpu, WatchdogExit);
Action dispatch(Vcpu& vcpu, WindowExit);
Action dispatch(Vcpu& vcpu, NmiExit);
Action dispatch(Vcpu& vcpu, FatalExit const&);

} // namespace kennel
