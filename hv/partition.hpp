// SPDX-License-Identifier: Apache-2.0
//
// A partition: second-level address space, vCPUs, traps, and a pool that everything in it comes from. Services and
// guests are both partitions; a service has a handle table and owns extents, a guest has a service.
#pragma once
#include "hv/arch.hpp"
#include "hv/frames.hpp"
#include "hv/handle.hpp"
#include "hv/trap.hpp"
#include "hv/vcpu.hpp"

namespace kennel {

struct Extent { u64 base = 0, size = 0; bool is_ram = false; };   // host physical, one owner

struct Partition {
    explicit Partition(Block const& block) : pool{&block} {}

    Pool         pool;
    arch::Space  space;
    Machine*     machine = nullptr;
    Partition*   service = nullptr;            // of a guest: who created it. Null for a service
    TrapTable*   traps   = nullptr;            // of a guest. Replaced as a whole, see publish_traps
    TrapTable*   spare   = nullptr;
    HandleTable* handles = nullptr;            // of a service
    Extent*      extents = nullptr;            // of a service: a frame of them, `extent_count` used
    u32          extent_count = 0;
    u32          number = 0;                   // 1, 2, ... in the order of creation; for logs and as VPID
    bool         owns_devices = false;
    std::atomic<bool> done{false};             // a service: it has nothing left to do, or is broken
    std::atomic<u32> ran_on{0};                // CPUs that have a vCPU of it, so may hold translations; one bit each
    List<Vcpu, &Vcpu::partition_link> vcpus;
    ListLink     machine_link;
    abi::InfoPage* info = nullptr;

    bool is_service() const { return service == nullptr; }
    bool owns(HostPhysical base, u64 size) const;          // the whole range lies in one of its extents
    Vcpu* vcpu_on(Cpu const& cpu);                         // a service's vCPU there
};

// What changes when partitions come and go; inside Machine::control.
struct Control {
    List<Partition, &Partition::machine_link> partitions;
    u32  created = 0;
    bool failed = false;                       // a service, or a guest that it told us of, did not end as it should
};

inline constexpr u64 max_extents = page_size / sizeof(Extent);

// A partition in frames of its own pool, `frames` of them from the machine's: at least as many as it takes itself. Null: there are too few.
inline constexpr u64 least_frames = 16;
Partition* create_partition(Machine& machine, u64 frames, Partition* service);
// A vCPU on `cpu` in frames of the partition's pool; service: who answers its intercepts (null for a service's own). Who can name it
// puts it on the CPU's list: what no handle leads to costs nobody but the pool it lies in.
Vcpu* create_vcpu(Partition& partition, Cpu& cpu, Vcpu* service, u64 badge, u32 weight, u32 apic_id);
// Nobody finds it any more: off the machine's list, its handles and its vCPUs' gone. What a CPU found before is still there.
void forget_partition(Control& control, Partition& partition);
// A forgotten guest: its vCPUs leave their CPUs, then everything goes back to the machine's pool.
void destroy_partition(Cpu& here, Partition& partition);
// Changes take effect at once for vCPUs not running, and on all CPUs when this returns.
void publish_traps(Machine& machine, Partition& partition);
// A service has nothing left to do, or never will again (failed). The last of them switches the machine off.
abi::Status service_done(Machine& machine, Partition& service, bool failed);

} // namespace kennel
