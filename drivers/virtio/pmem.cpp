// SPDX-License-Identifier: Apache-2.0
//
// See pmem.hpp.
#include "drivers/virtio/pmem.hpp"

namespace kennel::service {

namespace {

// "Device configuration layout": struct virtio_pmem_config.
struct Configuration { u64 start, size; };
static_assert(sizeof(Configuration) == 16);

// "Driver Operations": struct virtio_pmem_req, its only type; "Device Operations": struct virtio_pmem_resp.
constexpr u32 request_flush = 0, done = 0, failed = ~0u;

} // namespace

VirtioPmem::VirtioPmem(SharedArea::Recipe const& recipe)
    : transport{{.type = wire::DeviceType::pmem, .class_code = 0x05'80'00, .features = 0, .queue_count = 1, .queue_size = queue_size, .writable_config = 0}},
      area{recipe}
{
    Configuration const configuration{.start = area.address(), .size = area.size()};
    __builtin_memcpy(transport.config, &configuration, sizeof configuration);
}

void VirtioPmem::changed(Transport::Change change)
{
    if (change != Transport::Change::reset)
        return;
    area.revoke();                                    // the next driver begins as the first did
    transport.finish_reset();
}

u32 VirtioPmem::flush()
{
    u32 type = 0, answer = done;
    auto words = chain_.input();
    if (!take_front(words, type) || type != request_flush || chain_.outside || total_bytes(chain_.output()) < sizeof answer) {
        counters_.malformed++;
        answer = failed;
    } else {
        counters_.flushes++;
        if (counters_.dropped) {
            counters_.failed++;
            answer = failed;
        }
    }
    return put_front(chain_.output(), &answer, sizeof answer);
}

void VirtioPmem::kicked()
{
    Queue& queue = transport.queue(0);
    do {
        for (;;) {
            Queue::Taken const taken = queue.take(chain_);
            if (taken == Queue::Taken::none)
                break;
            if (taken == Queue::Taken::broken)
                return transport.break_down();
            queue.give_back(chain_.head, flush());
        }
        if (queue.publish())
            transport.interrupt_queue(0);
    } while (queue.expect_kick());
}

} // namespace kennel::service
