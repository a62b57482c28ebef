// SPDX-License-Identifier: Apache-2.0
//
// arch.hpp answered without hardware. See machine.hpp.
#include "hv/crossing.hpp"
#include "hv/log.hpp"
#include "hv/schedule.hpp"
#include "tests/fake/machine.hpp"
#include <algorithm>
#include <new>
#include <stdexcept>
#include <sys/mman.h>

namespace kennel {

namespace {
fake::FakeMachine* running = nullptr;      // the machine of the test that runs
bool ranges_meet(u64 a, u64 a_size, u64 b, u64 b_size) { return a < b ? b - a < a_size : a - b < b_size; }
constexpr u64 frame_count = 16384;
}

void panic(char const* what, u64) { throw std::logic_error{what}; }

namespace arch {

// The state of `vcpu` into the processor: where another's was there, that is a crossing.
static void load(Vcpu& vcpu)
{
    Vcpu*& loaded = vcpu.cpu->arch.loaded;
    if (loaded == &vcpu)
        return;
    running->crossings.push_back(crossing_actions(loaded, vcpu));
    loaded = &vcpu;
}

u64  now() { return running->now; }
void arm_timer(Cpu& cpu, u64 deadline) { cpu.arch.timer = deadline; }
void idle(Cpu& cpu)
{
    // A CPU with nothing to do: its timer is the only thing that can come, so time jumps there.
    if (++cpu.arch.idles > 100 || cpu.arch.timer == ~0ull)
        throw std::runtime_error{"idle"};
    running->now = std::max(running->now, cpu.arch.timer);
    host_interrupt(cpu, HostVector::timer);
}
void relax() {}
void spin() {}

void take_pending_interrupts(Cpu&) {}
void prepare_entry(Cpu&, Vcpu& vcpu)
{
    vcpu.attention = 0;
    int const vector = vcpu.apic.highest_pending();
    if (vector < 0)
        return;
    if (!vcpu.arch.interrupts_enabled || vcpu.arch.exception) {
        vcpu.arch.window_wanted = true;
        return;
    }
    vcpu.apic.deliver(static_cast<u8>(vector));
    vcpu.arch.interrupt = static_cast<u8>(vector);
}

bool create_vcpu(Vcpu&) { return true; }
void settle_vcpu(Vcpu&) {}
bool skip_instruction(Vcpu& vcpu)
{
    vcpu.arch.rip += vcpu.arch.length;
    return vcpu.arch.interrupts_enabled;
}
void skip_bytes(Vcpu& vcpu, u32 length)
{
    load(vcpu);
    vcpu.arch.rip += length;
}
u64  instruction_length(Vcpu& vcpu) { return vcpu.arch.length; }
void inject_interrupt(Vcpu& vcpu, u8 vector) { vcpu.arch.interrupt = vector; }
void set_status_flags(Vcpu& vcpu, u64 flags)
{
    load(vcpu);
    vcpu.arch.flags = flags;
}
void set_fault_address(Vcpu& vcpu, u64 address) { vcpu.arch.fault_address = address; }
void inject_exception(Vcpu& vcpu, u8 vector, std::optional<u32>) { vcpu.arch.exception = vector; }
bool reflect_exception(Vcpu& vcpu, ExceptionExit const& exit) { vcpu.arch.exception = exit.vector; return true; }
void reinject_interrupted_delivery(Vcpu& vcpu) { vcpu.arch.reinjections++; }
bool at_privilege_zero(Vcpu& vcpu) { return vcpu.arch.privilege == 0; }
void fill_execution_state(Vcpu& vcpu, abi::ExecutionState& state) { state.rip = vcpu.arch.rip; state.complete = 1; }
void fill_exit_state(Vcpu& vcpu, abi::ExecutionState& state) { fill_execution_state(vcpu, state); }
void get_state(Vcpu& vcpu, abi::VcpuState& state) { state.rip = vcpu.arch.rip; }
abi::Status set_state(Vcpu& vcpu, abi::VcpuState const& state) { vcpu.arch.rip = state.rip; return abi::Status::ok; }
void release_vcpu(Cpu& cpu, Vcpu& vcpu)
{
    vcpu.arch.released = true;
    if (cpu.arch.loaded == &vcpu)
        cpu.arch.loaded = nullptr;
}

void answer_cpuid(Vcpu& vcpu) { vcpu.registers().rax = 0x16; }
std::optional<u64> read_msr(Vcpu&, u32) { return std::nullopt; }
MsrOutcome write_msr(Vcpu&, u32, u64) { return MsrOutcome::denied; }
bool write_control(Vcpu&, ControlExit const&, u64) { return false; }
bool write_xcr0(Vcpu&, u64) { return false; }
bool debug_registers_to_guest(Cpu&, Vcpu& vcpu) { return !vcpu.is_service(); }

abi::Status map(Partition& partition, GuestPhysical guest, HostPhysical host, Bytes size, u32 rights, abi::MemoryType type)
{
    for (Mapping const& m : partition.space.mappings)
        if (m.size && ranges_meet(m.guest, m.size, guest.value, size.value))
            return abi::Status::overlap;
    for (Mapping& m : partition.space.mappings)
        if (!m.size) {
            m = {guest.value, host.value, size.value, rights, type};
            return abi::Status::ok;
        }
    return abi::Status::no_memory;
}
void unmap(Partition& partition, GuestPhysical guest, Bytes size)
{
    for (Mapping& m : partition.space.mappings)
        if (m.size && ranges_meet(m.guest, m.size, guest.value, size.value))
            m = {};
}
void invalidate(Machine&, Partition& partition) { partition.space.invalidations++; }
void open_ports(Partition&) {}
void kick(Machine&, Cpu& target) { target.arch.kicks++; }
bool route_line(Machine&, u32 line, bool, bool, u8, u32) { return line < 24; }
void mask_line(Machine&, u32, bool) {}
bool message_for(Machine&, u32, u8 vector, u64& message)
{
    message = 0xfee0'0000 | u64{vector} << 32;
    return true;
}
void end_of_interrupt(Cpu& cpu) { cpu.arch.end_of_interrupts++; }
void log_bytes(char const* text, usize length) { running->log.append(text, length); }
void power(Machine&, bool reset) { running->power.push_back(reset ? fake::FakeMachine::Power::reset : fake::FakeMachine::Power::off); }
void start_running(Cpu&) { throw std::logic_error{"not on the host"}; }

} // namespace arch

namespace fake {

std::unique_ptr<Page[], GiveBack> zeroed_pages(usize count)
{
    void* const memory = mmap(nullptr, count * sizeof(Page), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        throw std::bad_alloc{};
    return std::unique_ptr<Page[], GiveBack>{static_cast<Page*>(memory)};
}
void GiveBack::operator()(Page* pages) const { munmap(pages, frame_count * sizeof(Page)); }

FakeMachine::FakeMachine(u32 cpus, u32 services)
    : memory_{zeroed_pages(frame_count)}, frames_{new Frame[frame_count]{}}, boot_{new abi::BootInfo{}}, machine_{new Machine{}}
{
    running = this;
    boot_->tsc_hz = 1'000'000'000;
    boot_->cpu_count = cpus;
    boot_->service_count = services;
    boot_->range_count = services;
    for (u32 i = 0; i < services; i++) {
        boot_->ranges[i] = {ram_base + i * ram_size, ram_size, abi::MemoryKind::service, abi::MemoryType::write_back, i, 0};
        boot_->services[i].owns_devices = i == 0;
        boot_->services[i].executable_base = ram_base + i * ram_size + 0x1000;
        boot_->services[i].executable_size = 0x1000;
    }
    Machine& m = *machine_;
    m.boot = boot_.get();
    m.block = Block{{block_base}, reinterpret_cast<u64>(memory_.get()), frames_.get()};
    {
        auto master = m.master.lock();
        *master = Pool{&m.block};
        for (u64 i = frame_count; i-- > 0;)
            master->adopt(&frames_[i]);
    }
    for (u32 i = 0; i < cpus; i++) {
        cpus_.push_back(std::make_unique<Cpu>());
        cpus_.back()->machine = &m;
        cpus_.back()->index = i;
        m.cpus[m.cpu_count++] = cpus_.back().get();
    }
    m.create_services();
    for (auto& c : cpus_) {
        schedule(*c);
        arch::load(*c->current);
    }
}

FakeMachine::~FakeMachine() { running = nullptr; }

Vcpu& FakeMachine::service(u32 cpu_index, u32 number)
{
    for (Partition& partition : machine_->control.lock()->partitions)
        if (partition.is_service() && number-- == 0)
            return *partition.vcpu_on(cpu(cpu_index));
    throw std::logic_error{"no such service"};
}

void FakeMachine::exit(VmExit const& value, u32 cpu_index)
{
    Cpu& c = cpu(cpu_index);
    Action const action = std::visit([&](auto const& e) { return dispatch(*c.current, e); }, value);
    if (action == Action::reschedule)
        schedule(c);
    arch::load(*c.current);
    if (c.current->attention)
        arch::prepare_entry(c, *c.current);
}

abi::Status FakeMachine::call(abi::Call number, u64 rdi, u64 rsi, u64 rdx, u64 r8, u64 r9, u32 cpu_index)
{
    Vcpu& caller = *cpu(cpu_index).current;
    abi::Registers& r = caller.registers();
    r.rax = static_cast<u64>(number);
    r.rdi = rdi, r.rsi = rsi, r.rdx = rdx, r.r8 = r8, r.r9 = r9;
    exit(HypercallExit{}, cpu_index);
    return static_cast<abi::Status>(r.rax);
}

FakeMachine::Guest FakeMachine::start_guest(u64 badge)
{
    using abi::Call;
    Guest guest{};
    abi::Registers& r = service().registers();
    if (call(Call::partition_create, 64) != abi::Status::ok)
        throw std::logic_error{"no partition"};
    guest.partition = r.rdi;
    if (call(Call::vcpu_create, guest.partition, 0, badge, 100, 0) != abi::Status::ok)
        throw std::logic_error{"no vcpu"};
    guest.handle = r.rdi;
    service().partition->handles->find(guest.handle, abi::Right::run, guest.vcpu);
    if (call(Call::vcpu_state_set, guest.handle, 1) != abi::Status::ok || call(Call::vcpu_start, guest.handle) != abi::Status::ok)
        throw std::logic_error{"vcpu not started"};
    return guest;
}

} // namespace fake
} // namespace kennel
