// SPDX-License-Identifier: Apache-2.0
//
// A guest that writes anything into its APIC, at any time: no write may break what the hypervisor relies on.
#include "hv/apic_model.hpp"
#include "tests/fuzz/input.hpp"

using namespace kennel;
using fuzz::demand;

extern "C" int LLVMFuzzerTestOneInput(unsigned char const* data, size_t size)
{
    fuzz::Input input{data, size};
    ApicModel apic;
    apic.reset(input.take<u8>());
    apic.write(ApicRegister::spurious, 0x1ff, 0);
    u64 now = input.take<u64>() >> 1;
    while (!input.empty()) {
        u32 const msr = ApicRegister::first + input.take<u8>() % 64u;
        switch (input.take<u8>() % 9) {
        case 0: {
            ApicAction const action = apic.write(msr, input.take<u64>(), now);
            demand(action <= ApicAction::send);
            if (action == ApicAction::send)
                (void)apic.is_destination(apic.command(), (now & 1) != 0);
            break;
        }
        case 1: (void)apic.write(msr, input.take<u32>() & 0x700ff, now); break;
        case 2: (void)apic.write(ApicRegister::tsc_deadline, now + input.take<u16>(), now); break;
        case 3: (void)apic.read(msr, now); (void)apic.read(ApicRegister::tsc_deadline, now); break;
        case 4: apic.accept(input.take<u8>(), (now & 1) != 0); break;
        case 5: {
            int const vector = apic.highest_pending();
            demand(vector < 256 && (vector == -1 || vector >= 16));
            if (vector >= 0) {
                demand(vector >> 4 > static_cast<int>(*apic.read(ApicRegister::processor_priority, now) >> 4));
                apic.deliver(static_cast<u8>(vector));
                demand((*apic.read(ApicRegister::in_service + static_cast<u32>(vector) / 32, now) >> (vector % 32)) & 1);
            }
            break;
        }
        case 6: (void)apic.write(ApicRegister::end_of_interrupt, 0, now); break;
        case 7:
            now += input.take<u32>();
            if (now >= apic.deadline()) {
                apic.timer_expired(now);
                demand(apic.deadline() > now);
            }
            break;
        case 8: (void)apic.write(ApicRegister::self_interrupt, input.take<u8>(), now); break;
        }
    }
    return 0;
}
