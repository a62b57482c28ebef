// SPDX-License-Identifier: Apache-2.0
//
// All networks of a service: planned by vCPU 0 with the guests, then used by each vCPU for its own part. A network exists once
// on each CPU that has a guest on it; between those CPUs run trunks, one in each direction, which the networks share.
#pragma once
#include "drivers/extents.hpp"
#include "drivers/heap.hpp"
#include "drivers/log.hpp"
#include "drivers/net/neighbours.hpp"
#include "drivers/net/network.hpp"
#include "drivers/net/network_recipe.hpp"
#include "drivers/net/stack.hpp"
#include "drivers/net/uplink.hpp"
#include "drivers/pace.hpp"

namespace kennel::service::net {

class Networks {
public:
    // The event of a vCPU that has frames from others to take.
    void ring_with(u64 event) { trunk_event_ = event; }
    // The manifest's networks are checked.
    void begin(ManifestReader const& manifest, abi::InfoPage const& info);

    struct Maker { Heap& heap; Extents& extents; Log& log; };

    // A card for a guest at home on `home`, named as the guest. Null: `why` says why not.
    VirtioNet* add_card(Maker const& maker, abi::ManifestCard const& recipe, std::string_view guest, u32 home, Text& why);
    // Once all cards are there: what connects the CPUs. False: no memory, which was said; guests on other CPUs are not reached.
    bool finish(Maker const& maker);

    u32 count() const { return count_; }

    // ---- the machine's card; vCPU 0 only ----
    void start(u64 event, Log& log);                  // `event`: for its interrupts
    // Frames from the wire. -> the TSC value from which to look again; ~0: not before the event.
    u64  serve_wire(Log& log);
    // The same, where that was said.
    u64  serve_wire_again(u64 now, Log& log) { return now >= from_wire_.again ? serve_wire(log) : from_wire_.again; }
    void timer(u64 now, Log& log);
    u64  deadline() { return stack_.deadline(); }
    bool has_clock() const { return outside_ != nullptr; }
    bool clock_changed() const { return stack_.clock_changed(); }   // until deadline() is asked

    // Frames for this vCPU. -> the TSC value from which to look again; ~0: not before the event.
    u64 drain(u32 cpu);
    // The same, where that was said.
    u64 drain_again(u32 cpu, u64 now) { return now >= from_others_[cpu].again ? drain(cpu) : from_others_[cpu].again; }

    // What the parts on this vCPU have counted.
    void report(u32 cpu, Log& log);

private:
    struct Member { MacAddress address; u32 cpu = 0; };
    struct Planned {
        abi::ManifestNetwork recipe{};
        bool       is_ours = false;
        Network*   on[abi::max_cpus] = {};
        Member     members[abi::max_cards + 1];       // and the service
        u32        member_count = 0;
        Neighbours neighbours{Subnet{}};
        std::optional<u32> interface;                 // of the service
    };
    // Frames whose senders pay nothing for what they cost here.
    struct Inflow {
        Pace pace{1, 0};
        u64  again = ~0ull;                           // TSC value
        u32  first = 0;                               // the CPU whose frames come first

        // Work went on since `now`, which becomes the present. May it go on?
        bool worked(u64& now);
        // -> `again`
        u64  ended(bool has_more, u64 now) { return again = !pace.allows(now) ? pace.next() : has_more ? now : ~0ull; }
    };
    struct Wish { u32 network = 0; Forward forward; };

    void     find_uplink(Maker const& maker);
    bool     run_services(Maker const& maker);
    bool     go_outside(Maker const& maker);
    void     tell(Log& log);
    Network* part(Maker const& maker, u32 network, u32 cpu);
    Trunk*   trunk(Maker const& maker, u32 from, u32 to);

    Planned networks_[abi::max_networks];
    u32     count_ = 0, cpus_ = 0;
    u64     tsc_hz_ = 0, trunk_event_ = 0;
    Trunk*  trunks_[abi::max_cpus][abi::max_cpus] = {};   // [from][to]
    Inflow  from_others_[abi::max_cpus], from_wire_;
    std::span<u8> ring_space_;
    bool    owns_devices_ = false;
    Stack   stack_;                                   // vCPU 0 only
    Uplink  uplink_;                                  // and this
    Network* outside_ = nullptr;                      // where the card is: a network in mode bridge, or one of its own
    PortNumber wire_ = no_port;
    Wish    wishes_[Nat::most_forwards];
    u32     wish_count_ = 0;
};

} // namespace kennel::service::net
