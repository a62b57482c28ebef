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

u32 VirtioPmem::flush(Chain& chain)
{
    u32 type = 0, answer = done;
    auto words = chain.input();
    if (!take_front(words, type) || type != request_flush || chain.outside || total_bytes(chain.output()) < sizeof answer) {
        counters_.malformed++;
        answer = failed;
    } else {
        counters_.flushes++;
        if (counters_.dropped) {
            counters_.failed++;
            answer = failed;
        }
    }
    return put_front(chain.output(), answer);
}

void VirtioPmem::kicked()
{
    transport.serve(0, chain_, [this](Chain& chain) { return flush(chain); });
}

} // namespace kennel::service
