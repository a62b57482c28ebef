// SPDX-License-Identifier: Apache-2.0
//
// Where start.S arrives, once on each physical CPU, in a service partition. From here: service.cpp's loop.
#include "drivers/fault.hpp"
#include "drivers/service.hpp"

namespace kennel::service {

namespace {

constinit Shared shared;                              // handed to each vCPU's Service, and named nowhere else

} // namespace

extern "C" [[noreturn]] void service_main(abi::InfoPage const* info, u64 index);

void service_main(abi::InfoPage const* info, u64 index)
{
    if (index == 0) {
        prepare_faults(*info, [](std::string_view text) { shared.screen.log_line(text); });
        shared.info = info;
    } else {
        // Ordering: acquire pairs with vCPU 0's release of `ready`. The guests' CPUs have nothing to do before that.
        while (!shared.ready.load(std::memory_order_acquire))
            static_cast<void>(wait());
    }
    Service service{shared, *info, static_cast<u32>(index)};
    service.run();
}

} // namespace kennel::service
