// SPDX-License-Identifier: Apache-2.0
//
// See partition.hpp: creation, ownership of memory, publication of traps, destruction.
#include "hv/partition.hpp"
#include "hv/cpu.hpp"
#include "hv/log.hpp"
#include "hv/schedule.hpp"

namespace kennel {

constexpr u32 read_only = static_cast<u32>(abi::MapRights::read), shared_rights = read_only | static_cast<u32>(abi::MapRights::write);

bool Partition::owns(HostPhysical base, u64 size) const
{
    for (u32 i = 0; i < extent_count; i++)
        if (range_within(base.value, size, extents[i].base, extents[i].size))
            return true;
    return false;
}

Vcpu* Partition::vcpu_on(Cpu const& cpu)
{
    for (Vcpu& vcpu : vcpus)
        if (vcpu.cpu == &cpu)
            return &vcpu;
    return nullptr;
}

Partition* create_partition(Machine& machine, u64 frames, Partition* service)
{
    Pool pool{&machine.block};
    if (auto master = machine.master.lock(); !pool.take_from(*master, frames))
        return nullptr;
    Partition* partition = new (pool.allocate()) Partition{machine.block};
    partition->pool = pool;
    partition->machine = &machine;
    partition->service = service;
    partition->traps = partition->pool.create<TrapTable>();
    partition->spare = partition->pool.create<TrapTable>();
    partition->space.create(partition->pool);
    if (!service) {
        partition->handles = partition->pool.create<HandleTable>();
        partition->extents = static_cast<Extent*>(partition->pool.allocate());
        partition->handles->add(partition, abi::Right::map);
    }
    auto control = machine.control.lock();
    partition->number = ++control->created;
    control->partitions.push_back(*partition);
    return partition;
}

void forget_partition(Control& control, Partition& partition)
{
    control.partitions.remove(partition);
    partition.service->handles->forget(&partition);
    for (Vcpu& vcpu : partition.vcpus)
        partition.service->handles->forget(&vcpu);
}

void destroy_partition(Cpu& here, Partition& partition)
{
    Machine& machine = *here.machine;
    Block const& block = machine.block;
    arch::invalidate(machine, *partition.service);   // no CPU is in the middle of a call any more that found it
    for (Vcpu& vcpu : partition.vcpus) {
        request(here, vcpu, Request::release);
        while (!__atomic_load_n(&vcpu.released, __ATOMIC_ACQUIRE)) {
            serve_inbox(here);                 // the other CPU may be waiting right here, for one of ours
            arch::relax();
        }
    }
    {
        auto control = machine.control.lock();
        partition.service->handles->erase(&partition);
        for (Vcpu& vcpu : partition.vcpus) {
            partition.service->handles->erase(&vcpu);
            for (void const* page : {static_cast<void const*>(vcpu.page), static_cast<void const*>(vcpu.counters)})
                arch::unmap(*partition.service, {block.physical(page).value}, {page_size});
        }
        arch::invalidate(machine, *partition.service);
    }
    arch::invalidate(machine, partition);
    Pool all = partition.pool;                 // the partition itself lies in it
    auto master = machine.master.lock();
    all.give_back_to(*master);
}

Vcpu* create_vcpu(Partition& partition, Cpu& cpu, Vcpu* service, u64 badge, u32 weight, u32 apic_id)
{
    Vcpu* vcpu = partition.pool.create<Vcpu>();
    if (!vcpu)
        return nullptr;
    vcpu->partition = &partition;
    vcpu->cpu = &cpu;
    vcpu->service = service;
    vcpu->badge = badge;
    vcpu->weight = weight;
    vcpu->apic.reset(apic_id);
    void* first = partition.pool.allocate();
    void* second = partition.pool.allocate();
    if (!first || !second)
        return nullptr;
    vcpu->page = new (first) abi::InterceptPage{};
    vcpu->counters = new (second) abi::CountersPage{};
    if (!arch::create_vcpu(*vcpu))
        return nullptr;
    partition.ran_on.fetch_or(1u << cpu.index, std::memory_order_relaxed);
    partition.vcpus.push_back(*vcpu);          // what it holds from here on goes when the partition does, whatever fails below
    if (!service)
        return vcpu;                           // services' are settled when all of them are made
    arch::settle_vcpu(*vcpu);
    // hv's pages, shown to the service where they lie: the same address for both.
    Block const& block = cpu.machine->block;
    Partition& reader = *service->partition;
    if (arch::map(reader, {block.physical(first).value}, block.physical(first), {page_size}, shared_rights, abi::MemoryType::write_back) != abi::Status::ok ||
        arch::map(reader, {block.physical(second).value}, block.physical(second), {page_size}, read_only, abi::MemoryType::write_back) != abi::Status::ok)
        return nullptr;
    vcpu->page->counters_page = block.physical(second).value;
    return vcpu;
}

abi::Status service_done(Machine& machine, Partition& service, bool failed)
{
    auto control = machine.control.lock();
    service.done.store(true, std::memory_order_relaxed);
    control->failed |= failed;
    for (Partition& partition : control->partitions)
        if (partition.is_service() && !partition.done.load(std::memory_order_relaxed))
            return abi::Status::ok;
    Line line;
    line.add(std::string_view{&abi::frame_mark, 1});
    line.add(control->failed ? "machine off status=failed\n" : "machine off status=ok\n");
    log_text(line.text());
    arch::power(machine, false);
    log_line("the machine cannot be switched off");
    return abi::Status::bad_state;
}

void publish_traps(Machine& machine, Partition& partition)
{
    // Readers take no lock: they see the old table or the new one, whole. The old one is reused only after every CPU
    // that might still be reading it has been through hv once, which `invalidate` waits for.
    TrapTable* const old = partition.traps;
    __atomic_store_n(&partition.traps, partition.spare, __ATOMIC_RELEASE);
    partition.spare = old;
    arch::invalidate(machine, partition);
}

} // namespace kennel
