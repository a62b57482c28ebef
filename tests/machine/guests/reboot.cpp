// SPDX-License-Identifier: Apache-2.0
#include "drivers/model/power.hpp"
#include "tests/machine/guest/processor.hpp"
#include "tests/machine/guest/verdict.hpp"

namespace kennel::guest {

// Ends with reason reboot.
constinit char const* const title = "reset register";

void check(Verdict&)
{
    out8(service::Power::reset_port, service::Power::reset_value);
}

} // namespace kennel::guest
