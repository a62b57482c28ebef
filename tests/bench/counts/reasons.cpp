// SPDX-License-Identifier: Apache-2.0
//
// What the processor calls its reasons to leave a guest. SDM volume 3, appendix "VMX Basic Exit Reasons".
#include "tests/bench/counts/counts.hpp"
#include <format>
#include <utility>

namespace kennel::bench {

std::string name_of_reason(u64 reason)
{
    static constexpr std::pair<u64, char const*> names[] = {
        {0, "exception or NMI"}, {1, "external interrupt"}, {2, "triple fault"},  {7, "interrupt window"},  {10, "CPUID"},
        {12, "HLT"},             {14, "INVLPG"},            {15, "RDPMC"},        {16, "RDTSC"},            {18, "VMCALL"},
        {28, "control register"}, {29, "debug register"},   {30, "port"},         {31, "RDMSR"},            {32, "WRMSR"},
        {36, "MWAIT"},           {40, "PAUSE"},             {43, "TPR threshold"}, {44, "APIC access"},     {45, "EOI"},
        {48, "EPT violation"},   {49, "EPT misconfiguration"}, {52, "preemption timer"}, {54, "WBINVD"},   {55, "XSETBV"},
        {56, "APIC write"},
    };
    for (auto const& [number, name] : names)
        if (number == reason)
            return name;
    return std::format("reason {}", reason);
}

} // namespace kennel::bench
