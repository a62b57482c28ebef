// SPDX-License-Identifier: Apache-2.0
//
// A machine for hv/ on the host: real memory for its block, a clock that moves when told, CPUs that do nothing but
// what a test scripts. Exits go in by exit(), and what hv decided is read from the objects.
#pragma once
#include "hv/cpu.hpp"
#include "hv/dispatch.hpp"
#include <memory>
#include <string>
#include <variant>
#include <vector>

namespace kennel::fake {

// Any exit, as a test scripts it.
using VmExit = std::variant<CpuidExit, HypercallExit, HaltExit, PortExit, StringPortExit, MemoryExit, MsrReadExit, MsrWriteExit, ControlExit, DebugRegisterExit,
                            XsetbvExit, CacheExit, DeniedExit, ExceptionExit, InterruptExit, WatchdogExit, WindowExit, NmiExit, FatalExit>;

struct Page { alignas(page_size) u8 bytes[page_size]; };

// Zeroed pages that cost nothing until they are touched: a test uses few of them.
struct GiveBack { void operator()(Page* pages) const; };
std::unique_ptr<Page[], GiveBack> zeroed_pages(usize count);

class FakeMachine {
public:
    // One service that owns the devices, with RAM [ram_base, ram_base + ram_size), on `cpus` CPUs.
    explicit FakeMachine(u32 cpus = 1, u32 services = 1);
    ~FakeMachine();

    static constexpr u64 block_base = 0x1000'0000, ram_base = 0x4000'0000, ram_size = 64ull << 20;

    Machine& machine() { return *machine_; }
    Cpu&     cpu(u32 index = 0) { return *machine_->cpus[index]; }
    Vcpu&    service(u32 cpu = 0, u32 number = 0);

    // The current vCPU of that CPU exits like this; hv decides, and the next one is current afterwards.
    void exit(VmExit const& value, u32 cpu = 0);
    // The service calls; -> status. Its result registers stay in place.
    abi::Status call(abi::Call number, u64 rdi = 0, u64 rsi = 0, u64 rdx = 0, u64 r8 = 0, u64 r9 = 0, u32 cpu = 0);

    // A guest with one vCPU, started and current, the service waiting. -> its vCPU
    struct Guest { u64 partition, handle; Vcpu* vcpu; };
    Guest start_guest(u64 badge = 7);

    enum class Power { off, reset };
    std::vector<Power> power;                // what hv asked for, in order
    std::string log;
    std::vector<u32> crossings;              // Crossing bits, each time a CPU went on to another vCPU; empty ones, too
    u64 now = 1000;

private:
    std::unique_ptr<Page[], GiveBack> memory_;
    std::unique_ptr<Frame[]>        frames_;
    std::unique_ptr<abi::BootInfo>  boot_;
    std::unique_ptr<Machine>        machine_;
    std::vector<std::unique_ptr<Cpu>> cpus_;
};

} // namespace kennel::fake
