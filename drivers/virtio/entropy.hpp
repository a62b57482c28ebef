// SPDX-License-Identifier: Apache-2.0
//
// virtio-rng: random bytes of the processor's own source for the guest's buffers. virtio 1.2, "Entropy Device". Not offered
// where the processor has no such source.
#pragma once
#include "drivers/virtio/transport.hpp"

namespace kennel::service {

class VirtioEntropy {
public:
    static constexpr u32 most_bytes = 256;            // of one buffer; the driver asks again

    VirtioEntropy() : transport{{.type = wire::DeviceType::entropy, .class_code = 0x10'00'00, .features = 0, .queue_count = 1, .queue_size = 16, .writable_config = 0}} {}

    Transport transport;

    static bool is_offered();
    void changed(Transport::Change change);
    void kicked();

private:
    Chain chain_;
};

} // namespace kennel::service
