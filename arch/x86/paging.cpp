// SPDX-License-Identifier: Apache-2.0
//
// See paging.hpp. SDM, "4-Level Paging and 5-Level Paging".
#include "arch/x86/paging.hpp"
#include "arch/x86/instructions.hpp"
#include "arch/x86/registers.hpp"
#include "hv/log.hpp"

namespace kennel::arch {

constexpr u64 address_mask = 0x000f'ffff'ffff'f000;

void* own_frame(Machine& machine)
{
    void* const frame = machine.master.lock()->allocate();
    if (!frame)
        panic("hv's pool cannot hold what hv itself needs");
    return frame;
}

u64* HostPaging::entry(u64 virtual_address, u32 cpu)
{
    Block const& block = machine_->block;
    u64* at = block.pointer<u64>(roots_[cpu]);
    for (unsigned level = 3; level > 0; level--) {
        u64& slot = at[(virtual_address >> (12 + 9 * level)) & 511];
        if (!(slot & Page::present))
            slot = block.physical(own_frame(*machine_)).value | Page::present | Page::writable;
        at = block.pointer<u64>({slot & address_mask});
    }
    return &at[(virtual_address >> 12) & 511];
}

void HostPaging::map_page(u64 virtual_address, HostPhysical page, u64 flags)
{
    *entry(virtual_address) = page.value | flags | Page::present;
}

void HostPaging::unmap_page(u64 virtual_address)
{
    *entry(virtual_address) = 0;
    invlpg(virtual_address);
}

void HostPaging::build(Machine& machine, Image const& image)
{
    machine_ = &machine;
    reserve(0);

    for (u64 offset = 0; offset < machine.boot->block_size; offset += page_size) {
        u64 const at = abi::image_virtual_base + offset;
        u64 flags = Page::writable | Page::no_execute;
        if (at >= image.text && at < image.text_end)
            flags = 0;
        else if (at >= image.constants && at < image.constants_end)
            flags = Page::no_execute;
        map_page(at, {machine.boot->block_base + offset}, flags);
    }
    map_page(machine.boot->trampoline, {machine.boot->trampoline}, 0);
}

void HostPaging::reserve(u32 cpu) { roots_[cpu] = machine_->block.physical(own_frame(*machine_)); }

void HostPaging::copy(u64 const* from, u64* to, unsigned level)
{
    Block const& block = machine_->block;
    for (unsigned i = 0; i < 512; i++) {
        to[i] = from[i];
        if (level == 0 || !(from[i] & Page::present))
            continue;
        u64* const below = static_cast<u64*>(own_frame(*machine_));
        copy(block.pointer<u64>({from[i] & address_mask}), below, level - 1);
        to[i] = block.physical(below).value | Page::present | Page::writable;
    }
}

void HostPaging::divide(u32 cpus)
{
    for (divided_ = 1; divided_ < cpus; divided_++)
        copy(machine_->block.pointer<u64>(roots_[0]), machine_->block.pointer<u64>(roots_[divided_]), 3);
}

void HostPaging::set_private(u32 owner, u64 virtual_address, bool is_private)
{
    u64 const at = virtual_address - abi::image_virtual_base + machine_->boot->block_base;
    for (u32 cpu = 0; cpu < divided_; cpu++)
        if (cpu != owner)
            __atomic_store_n(entry(virtual_address, cpu), is_private ? 0 : at | Page::present | Page::writable | Page::no_execute, __ATOMIC_RELEASE);
}

void* HostPaging::map_device(HostPhysical base, u64 size)
{
    u64 const offset = base.value & (page_size - 1), at = next_device_;
    for (u64 done = 0; done < offset + size; done += page_size, next_device_ += page_size)
        map_page(next_device_, {(base.value - offset) + done}, Page::writable | Page::no_execute | Page::cache_disable | Page::write_through);
    return reinterpret_cast<void*>(at + offset);
}

void HostPaging::use() const
{
    wrmsr(Msr::efer, rdmsr(Msr::efer) | Efer::nxe);
    u32 const seven = cpuid(7).ebx;
    u64 const offered = (seven & bit(7) ? Cr4::smep : 0) | (seven & bit(20) ? Cr4::smap : 0);
    wrmsr(Msr::pat, pat_of_reset);
    write_cr3(root().value);
    write_cr4(Cr4::pae | Cr4::pge | Cr4::osfxsr | Cr4::osxsave | Cr4::mce | offered);   // nothing that firmware left in one CPU
    write_cr0((read_cr0() | Cr0::pe | Cr0::pg | Cr0::wp | Cr0::ne | Cr0::mp) & ~(Cr0::cd | Cr0::nw | Cr0::em | Cr0::ts));
}

} // namespace kennel::arch
