// SPDX-License-Identifier: Apache-2.0
//
// A split virtqueue whose rings, tables and indices are anything: a chain holds what a second reader of the same words finds, and
// nothing outside the guest's RAM; work is bounded by the queue's size; only the used ring is written, and
// what is held back is what the driver waits for.
#include "tests/fuzz/virtio_guest.hpp"

using namespace kennel;
using namespace kennel::fuzz;

namespace {

// `pieces` are the buffers of `wanted` in order; all of them, or those before the first that is no RAM or finds no room.
void compare(GuestRam const& ram, std::span<Segment const> pieces, std::vector<Area> const& wanted, bool& outside, u32& room)
{
    usize at = 0;
    for (Area const& area : wanted)
        for (u64 done = 0; done < area.size && !outside;) {
            auto const expected = ram.memory.piece(area.address + done, area.size - done);
            if (expected.empty() || room == 0) {
                outside = true;
                break;
            }
            demand(at < pieces.size() && pieces[at].data == expected.data() && pieces[at].size == expected.size());
            room--;
            done += pieces[at++].size;
        }
    demand(at == pieces.size());
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(unsigned char const* data, size_t size)
{
    static GuestRam ram;
    static Chain chain;
    Input input{data, size};
    ram.clear();

    Queue queue;
    queue.reset(Queue::most);
    u8 const how = input.take<u8>();
    bool const event_index = how & 1;
    u16 const count = static_cast<u16>(1u << (how >> 1) % 9);
    queue.setup = {.size = count, .enabled = true, .descriptors = GuestRam::descriptors_at, .available = GuestRam::available_at, .used = GuestRam::used_at};
    if ((how & 0xe0) == 0)
        queue.setup.descriptors = input.take<u32>(), queue.setup.available = input.take<u32>(), queue.setup.used = input.take<u32>();
    Queue::Setup const setup = queue.setup;
    bool const started = queue.start(ram.memory, event_index);
    demand(started == queue.is_running());
    if (!started) {
        demand(queue.take(chain) == Queue::Taken::none && !queue.publish() && !queue.expect_kick());
        return 0;
    }
    for (Area const& ring : {Area{setup.descriptors, wire::descriptors_bytes(count)}, Area{setup.available, wire::available_bytes(count)}, Area{setup.used, wire::used_bytes(count)}})
        demand(ring.address + ring.size <= GuestRam::bytes);

    Area const used_ring{setup.used, wire::used_bytes(count)};
    u16 next = 0, given = 0, made = 0;
    while (!input.empty()) {
        switch (input.take<u8>() % 6) {
        case 0: {
            u16 const index = input.take<u16>() % count;
            ram.put(setup.descriptors + 16u * index, wire::Descriptor{input.take<u16>(), input.take<u16>(), static_cast<u16>(input.take<u8>() % 8), static_cast<u16>(input.take<u8>() % (count + 1))});
            break;
        }
        case 1: {
            u64 const address = input.take<u16>();
            ram.put(address, input.take<u64>());
            break;
        }
        case 2:
            ram.put(GuestRam::indirect_at + 16u * (input.take<u8>() % 64u),
                    wire::Descriptor{input.take<u16>(), input.take<u16>(), static_cast<u16>(input.take<u8>() % 4), input.take<u8>()});
            break;
        case 3:
            ram.put(setup.available + 4 + 2 * (made % count), static_cast<u16>(input.take<u8>()));
            ram.put(setup.available + 2, ++made);
            break;
        case 4: {
            made = input.take<u16>();
            ram.put(setup.available + 2, made);
            break;
        }
        case 5: {
            ram.remember();
            for (u32 taken = 0;; taken++) {
                // What the device sees now; its own writes may have changed it.
                u16 const index = ram.get<u16>(setup.available + 2);
                u16 const head = ram.get<u16>(setup.available + 4 + 2 * (next % count));
                bool const running = queue.is_running();
                ReadChain const expected = read_chain(ram, setup.descriptors, count, count, head);
                Queue::Taken const answer = queue.take(chain);
                if (!running) {
                    demand(answer == Queue::Taken::broken);
                    break;
                }
                if (index == next) {
                    demand(answer == Queue::Taken::none);
                    break;
                }
                bool const jumped = static_cast<u16>(index - next) > count;
                next++;
                if (answer == Queue::Taken::broken) {
                    demand(jumped || expected.broken);
                    break;
                }
                // Behind a buffer that is no RAM the device does not look for disorder: nothing of the chain is used then.
                demand(!jumped && (!expected.broken || chain.outside));
                if (expected.broken)
                    continue;
                demand(chain.head == head && head < count && chain.readable <= chain.count && chain.count <= Chain::most_pieces);
                bool outside = false;
                u32 room = Chain::most_pieces;
                compare(ram, chain.input(), expected.input, outside, room);
                compare(ram, chain.output(), expected.output, outside, room);
                demand(outside == chain.outside);
                queue.give_back(chain.head, static_cast<u32>(total_bytes(chain.output())));
                given++;
                if (taken > 2u * count)
                    break;                            // the device's own words in the available ring: it goes on for ever
            }
            bool const may = queue.is_running() && !overlap(used_ring, {setup.available, wire::available_bytes(count)});
            bool const quietly = input.take<u8>() & 1;
            u16 const before = queue.held();
            quietly ? queue.publish_quietly() : queue.publish();
            u16 const published = static_cast<u16>(given - queue.held());
            if (may && queue.held() != before)
                demand(ram.get<u16>(setup.used + 2) == published);
            // What is held is what the driver waits for.
            if (may && queue.held())
                demand(quietly && (event_index ? ram.get<u16>(setup.available + 4 + 2 * count) == published : !(ram.get<u16>(setup.available) & wire::available_no_interrupt)));
            queue.expect_kick();
            ram.for_each_change([&](u64 at) { demand(at - used_ring.address < used_ring.size); });
            break;
        }
        }
    }
    return 0;
}
