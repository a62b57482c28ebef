// SPDX-License-Identifier: Apache-2.0
//
// A service and its guests doing anything, in any order, over the fake architecture: hv must neither panic nor lose a frame nor
// give a guest memory that is not its service's.
#include "tests/fake/machine.hpp"
#include "tests/fuzz/input.hpp"
#include <stdexcept>

using namespace kennel;
using fake::FakeMachine, fake::VmExit;
using fuzz::demand;
using fuzz::Input;

namespace {

// Mostly small numbers and pages of the service's RAM, which get further than noise does.
u64 argument(Input& input)
{
    u8 const how = input.take<u8>();
    switch (how >> 5) {
    case 0: case 1: case 2: return how & 31;
    case 3: return FakeMachine::ram_base + page_size * input.take<u16>();
    case 4: return page_size * (how & 31);
    case 5: return input.take<u16>();
    case 6: return input.take<u32>();
    default: return input.take<u64>();
    }
}

VmExit guest_exit(Input& input)
{
    u8 const how = input.take<u8>();
    switch (how % 16) {
    case 0: return CpuidExit{};
    case 1: return HypercallExit{};
    case 2: return HaltExit{};
    case 3: case 4: return PortExit{static_cast<u16>(argument(input)), static_cast<u8>(1 << (how >> 4) % 3), (how & 64) != 0};
    case 5: return MemoryExit{{argument(input)}, (how & 16) == 0, (how & 16) != 0, (how & 32) != 0, (how & 64) != 0};
    case 6: return (how & 16) ? VmExit{MsrWriteExit{static_cast<u32>(argument(input))}} : VmExit{MsrReadExit{static_cast<u32>(argument(input))}};
    case 7: return (how & 16) ? VmExit{StringPortExit{0x3f8, 1, (how & 32) != 0, true, 8, 3}} : VmExit{MsrWriteExit{ApicRegister::first + input.take<u8>() % 64u}};
    case 8: return ControlExit{static_cast<ControlExit::Register>((how >> 4) % 3), (how & 64) != 0, static_cast<u8>(input.take<u8>() % 16)};
    case 9: return XsetbvExit{};
    case 10: return ExceptionExit{static_cast<u8>((how & 16) ? 17 : 1), (how & 16) != 0, 0, argument(input)};
    case 11: return InterruptExit{HostVector::timer};
    case 12: return InterruptExit{input.take<u8>()};
    case 13: return WindowExit{};
    case 14: return (how & 16) ? VmExit{FatalExit{"triple fault", abi::StopReason::triple_fault, 2, 0}} : VmExit{FatalExit{"invalid state", abi::StopReason::invalid_state, 33, 0}};
    default: return DebugRegisterExit{};
    }
}

void check(FakeMachine& m, u64 frames)
{
    u64 owned = m.machine().master.lock()->owned_count();
    auto control = m.machine().control.lock();
    for (Partition& partition : control->partitions) {
        owned += partition.pool.owned_count();
        demand(partition.pool.free_count() <= partition.pool.owned_count());
        if (!partition.is_service())
            for (auto const& mapping : partition.space.mappings)
                demand(mapping.size == 0 || range_within(mapping.host, mapping.size, FakeMachine::ram_base, FakeMachine::ram_size));
    }
    demand(owned == frames);
}

u64 all_frames(FakeMachine& m)
{
    u64 owned = m.machine().master.lock()->owned_count();
    for (Partition& partition : m.machine().control.lock()->partitions)
        owned += partition.pool.owned_count();
    return owned;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(unsigned char const* data, size_t size)
{
    Input input{data, size};
    FakeMachine m;
    u64 const frames = all_frames(m);
    try {
        if (input.take<u8>() & 1)
            m.start_guest();
        while (!input.empty()) {
            Vcpu& current = *m.cpu().current;
            m.now += input.take<u16>();
            u8 const what = input.take<u8>();
            if (current.is_service() && what < 240) {
                // What the service may have written into its pages.
                for (Partition& partition : m.machine().control.lock()->partitions)
                    for (Vcpu& vcpu : partition.vcpus)
                        if (!vcpu.is_service())
                            vcpu.page->reply = {static_cast<abi::ReplyAction>(input.take<u8>() % 5), input.take<u8>() % 17u, input.take<u8>() % 34u,
                                                input.take<u8>() % 3u, input.take<u16>(), input.take<u8>() % 2u, argument(input)};
                u64 arguments[5];
                for (u64& a : arguments)
                    a = argument(input);
                m.call(static_cast<abi::Call>(what % 26), arguments[0], arguments[1], arguments[2], arguments[3], arguments[4]);
            } else {
                abi::Registers& r = current.registers();
                r.rax = argument(input), r.rcx = argument(input), r.rdx = argument(input);
                m.exit(guest_exit(input));
            }
            check(m, frames);
        }
    } catch (std::runtime_error const&) {
        // Nobody can run and no timer is set: the fake has nothing more to do.
    }
    return 0;
}
