// SPDX-License-Identifier: Apache-2.0
//
// virtio-pmem driven by anybody: rings that are anything, touches and writes of its area, resets, runs that end. Of the service's memory only the
// area's own pages are ever mapped, where they belong and never to be written; after a reset none is that comes by touch; an answer is no longer
// than four bytes and goes where the chain offers room.
#include "drivers/virtio/pmem.hpp"
#include "tests/fuzz/virtio_guest.hpp"
#include <map>
#include <memory>

using namespace kennel;
using namespace kennel::fuzz;
using namespace kennel::service::wire;

namespace {

constexpr u64 area_at = 0x1'0000'0000, partition = 7, most_content = 3 * page_size;
constexpr u8  content_byte = 0x3c;

struct alignas(page_size) Page { u8 bytes[page_size]; };

struct Guest {
    std::vector<Page> pages = std::vector<Page>(4);   // three of content, one of zeroes
    u64           content;                            // bytes
    bool          lazy, attached = false;
    GuestRam&     ram;
    VirtioPmem    pmem;
    PciFunction   function;
    InterruptSink interrupts;
    std::map<u64, u64> mapped;                        // guest page -> host page
    u16           made = 0;

    Guest(u64 bytes, bool page_by_page, GuestRam& memory)
        : content{1 + bytes % most_content}, lazy{page_by_page}, ram{memory}, pmem{{{pages[0].bytes, content}, {pages[3].bytes, page_size}, area_at, page_by_page}}
    {
        std::memset(pages[0].bytes, content_byte, content);
        fake::reset().answer = [this](fake::Made const& call) { return Answer{answer(call), 0, 0}; };
        interrupts.attach(partition);
        pmem.transport.power_on(function, 0x1000, 0xc010'0000, ram.memory, interrupts);
    }

    Status answer(fake::Made const& call)
    {
        bool const maps = call.call == abi::Call::memory_map;
        if (!maps && call.call != abi::Call::memory_unmap)
            return Status::ok;
        demand(attached && call.rdi == partition && call.rsi >= area_at && call.r8 && call.rsi + call.r8 <= area_at + large_page && call.rsi % page_size == 0);
        demand(!maps || call.r9 == (5 | 6 << 8));
        for (u64 done = 0; done < call.r8; done += page_size) {
            if (!maps) {
                mapped.erase(call.rsi + done);
                continue;
            }
            u64 const number = (call.rsi + done - area_at) / page_size;
            Page const* const wanted = number * page_size < content ? &pages[number] : &pages[3];
            demand(call.rdx + done == reinterpret_cast<u64>(wanted));
            if (!mapped.emplace(call.rsi + done, call.rdx + done).second)
                return Status::overlap;
        }
        return Status::ok;
    }

    void attach()
    {
        pmem.area.detach();
        demand(mapped.empty());
        attached = true;
        demand(pmem.area.attach(partition) == Status::ok && mapped.size() == (lazy ? 0 : large_page / page_size));
        pmem.power_on();
    }
    void bring_up(u16 size)
    {
        using namespace common;
        Transport& transport = pmem.transport;
        pmem.changed(transport.write_port(device_status, 1, 0));
        demand(transport.read_port(device_status, 1) == 0 && (!lazy || mapped.empty()));
        transport.write_port(device_status, 1, 3);
        transport.write_port(driver_feature_select, 4, 1);
        transport.write_port(driver_feature, 4, 1);
        transport.write_port(device_status, 1, 11);
        transport.write_port(queue_size, 2, size);
        transport.write_port(queue_descriptors, 4, GuestRam::descriptors_at);
        transport.write_port(queue_driver, 4, GuestRam::available_at);
        transport.write_port(queue_device, 4, GuestRam::used_at);
        transport.write_port(queue_enable, 2, 1);
        ram.put(GuestRam::available_at, u32{0}), ram.put(GuestRam::used_at, u32{0});
        made = 0;
        pmem.changed(transport.write_port(device_status, 1, 15));
    }

    void kick()
    {
        ram.remember();
        u16 const size = static_cast<u16>(pmem.transport.queue(0).setup.size);
        u16 const used = ram.get<u16>(GuestRam::used_at + 2);
        std::vector<Area> allowed{{GuestRam::used_at, used_bytes(size)}};
        for (u32 head = 0; head < size; head++)
            for (Area const& area : read_chain(ram, GuestRam::descriptors_at, size, size, head).output)
                allowed.push_back(area);
        auto const before = pmem.counters();
        pmem.kicked();
        auto const& after = pmem.counters();
        demand(after.flushes - before.flushes + (after.malformed - before.malformed) <= size);
        demand(after.failed - before.failed == (after.dropped ? after.flushes - before.flushes : 0));
        bool const rings_hit = std::any_of(allowed.begin() + 1, allowed.end(), [&](Area const& area) {
            return overlap(area, {GuestRam::descriptors_at, GuestRam::data_at - GuestRam::descriptors_at});
        });
        if (rings_hit)
            return;                                   // the answers themselves changed what the device read
        ram.for_each_change([&](u64 at) { demand(std::any_of(allowed.begin(), allowed.end(), [&](Area const& area) { return at - area.address < area.size; })); });
        for (u16 i = used, now = ram.get<u16>(GuestRam::used_at + 2); i != now && static_cast<u16>(now - i) <= size; i++)
            demand(ram.get<u32>(GuestRam::used_at + 8 + 8 * (i % size)) <= 4);
    }
};

} // namespace

extern "C" int LLVMFuzzerTestOneInput(unsigned char const* data, size_t size)
{
    static GuestRam ram;
    ram.clear();
    Input input{data, size};
    u8 const how = input.take<u8>();
    u16 const queue_size = how & 2 ? 4 : VirtioPmem::queue_size;
    auto const guest = std::make_unique<Guest>(input.take<u16>(), how & 1, ram);
    guest->attach();
    guest->bring_up(queue_size);
    while (!input.empty()) {
        u8 const what = input.take<u8>();
        u16 const slot = static_cast<u16>(what / 8 % (queue_size - 1));
        u64 const address = area_at + input.take<u32>() % large_page;
        switch (what % 8) {
        case 0: case 1: {
            // A flush, nearly.
            u64 const at = GuestRam::data_at + input.take<u16>() % 0x8000u;
            ram.put(at, u32{what % 32 == 0 ? 1u : 0u});
            ram.put(GuestRam::descriptors_at + 16u * slot, Descriptor{at, what & 64 ? 4u : input.take<u8>(), descriptor::next, static_cast<u16>(slot + 1)});
            ram.put(GuestRam::descriptors_at + 16u * (slot + 1u), Descriptor{at + 8, what & 128 ? 4u : input.take<u8>(), descriptor::write, 0});
            ram.put(GuestRam::available_at + 4 + 2 * (guest->made % queue_size), slot);
            ram.put(GuestRam::available_at + 2, ++guest->made);
            break;
        }
        case 2:
            ram.put(GuestRam::descriptors_at + 16u * (input.take<u8>() % queue_size),
                    Descriptor{input.take<u32>() % 0x1'8000, input.take<u16>(), static_cast<u16>(input.take<u8>() % 8), input.take<u8>()});
            break;
        case 3:
            ram.put(u64{input.take<u16>()}, input.take<u64>());
            break;
        case 4:
            guest->kick();
            break;
        case 5:
            demand(guest->pmem.area.touch(address) == Status::ok && guest->mapped.contains(address & ~(page_size - 1)));
            break;
        case 6: {
            u64 const offset = address - area_at, expected = offset < guest->content ? content_byte : 0;
            demand(guest->pmem.area.read(address, 1) == expected);
            guest->pmem.drop_write();
            break;
        }
        case 7:
            if (what & 128)
                guest->attach();
            guest->bring_up(queue_size);
            break;
        }
    }
    for (u64 i = 0; i < 4 * page_size; i++)
        demand(guest->pages[i / page_size].bytes[i % page_size] == (i < guest->content ? content_byte : 0));
    fake::reset();
    return 0;
}
