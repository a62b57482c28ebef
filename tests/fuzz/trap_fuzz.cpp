// SPDX-License-Identifier: Apache-2.0
//
// Any sequence of binding and unbinding: the table says what a plain list of ranges says.
#include "hv/trap.hpp"
#include "tests/fuzz/input.hpp"
#include <vector>

using namespace kennel;
using fuzz::demand;

namespace {

struct Range { u64 first, last; u16 event; };

struct Ranges {
    std::vector<Range> all;

    Range const* find(u64 at) const
    {
        for (Range const& range : all)
            if (range.first <= at && at <= range.last)
                return &range;
        return nullptr;
    }
    abi::Status bind(u64 first, u64 count, u64 limit, u16 event)
    {
        if (count == 0 || first > limit || count - 1 > limit - first)
            return abi::Status::bad_argument;
        u64 const last = first + (count - 1);
        for (Range const& range : all)
            if (range.first <= last && first <= range.last)
                return abi::Status::overlap;
        if (all.size() == TrapTable::capacity)
            return abi::Status::full;
        all.push_back({first, last, event});
        return abi::Status::ok;
    }
    abi::Status unbind(u64 first)
    {
        for (auto at = all.begin(); at != all.end(); ++at)
            if (at->first == first) {
                all.erase(at);
                return abi::Status::ok;
            }
        return abi::Status::bad_argument;
    }
    void same(u64 at, Trap const* trap) const
    {
        Range const* const range = find(at);
        demand((range != nullptr) == (trap != nullptr) && (!trap || trap->event == range->event));
    }
};

} // namespace

extern "C" int LLVMFuzzerTestOneInput(unsigned char const* data, size_t size)
{
    fuzz::Input input{data, size};
    TrapTable table;
    Ranges ports, memory, msrs;
    for (u16 event = 0; !input.empty(); event++) {
        Trap const trap{TrapKind::doorbell, 0, event};
        switch (input.take<u8>() % 9) {
        case 0: { u16 const at = input.take<u16>(); u32 const n = input.take<u16>(); demand(table.bind(abi::RangeKind::port, at, n, trap) == ports.bind(at, n, 0xffff, event)); break; }
        case 1: { u64 const at = input.take<u64>(), n = input.take<u64>(); demand(table.bind(abi::RangeKind::memory, at, n, trap) == memory.bind(at, n, ~0ull, event)); break; }
        case 2: { u32 const at = input.take<u32>(); u64 const n = input.take<u64>(); demand(table.bind(abi::RangeKind::msr, at, n, trap) == msrs.bind(at, n, 0xffff'ffff, event)); break; }
        case 3: { u16 const at = input.take<u16>(); demand(table.unbind(abi::RangeKind::port, at) == ports.unbind(at)); break; }
        case 4: { u64 const at = input.take<u64>(); demand(table.unbind(abi::RangeKind::memory, at) == memory.unbind(at)); break; }
        case 5: { u32 const at = input.take<u32>(); demand(table.unbind(abi::RangeKind::msr, at) == msrs.unbind(at)); break; }
        case 6: { u16 const at = input.take<u16>(); u32 const n = 1 + input.take<u8>() % 8; demand(table.bind(abi::RangeKind::port, at, n, trap) == ports.bind(at, n, 0xffff, event)); break; }
        case 7: { u64 const at = input.take<u8>() * 0x1000ull; demand(table.bind(abi::RangeKind::memory, at, 0x1000, trap) == memory.bind(at, 0x1000, ~0ull, event)); break; }
        case 8: { u16 const at = input.take<u16>(); u64 const far = input.take<u64>(); ports.same(at, table.find_port(at)); memory.same(far, table.find_memory(far)); msrs.same(far >> 32, table.find_msr(static_cast<u32>(far >> 32))); break; }
        }
        for (auto const& range : ports.all)
            for (u64 at : {range.first - 1, range.first, range.last, range.last + 1})
                if (at <= 0xffff)
                    ports.same(at, table.find_port(static_cast<u16>(at)));
        for (auto const& range : memory.all)
            for (u64 at : {range.first - 1, range.first, range.last, range.last + 1})
                memory.same(at, table.find_memory(at));
        for (auto const& range : msrs.all)
            for (u64 at : {range.first - 1, range.first, range.last, range.last + 1})
                if (at <= 0xffff'ffff)
                    msrs.same(at, table.find_msr(static_cast<u32>(at)));
    }
    return 0;
}
