// SPDX-License-Identifier: Apache-2.0
//
// The closed list of media, as one value that is a Backend itself: what a guest's disk is made of is known when it is planned,
// and a comparison of a small number finds the code, with no indirect call.
#pragma once
#include "drivers/block/memory_disk.hpp"
#include "drivers/block/overlay.hpp"
#include "drivers/block/remote_disk.hpp"
#include <variant>

namespace kennel::service {

class Medium {
    using Any = std::variant<MemoryDisk*, DriveSlice*, RemoteDisk*, Overlay<MemoryDisk>*, Overlay<DriveSlice>*, Overlay<RemoteDisk>*>;

    // Instead of std::visit, which goes through a table of functions.
    template<usize index = 0, class Do> decltype(auto) on(Do&& act) const
    {
        if constexpr (index + 1 < std::variant_size_v<Any>)
            if (is_.index() != index)
                return on<index + 1>(act);
        return act(**std::get_if<index>(&is_));
    }

public:
    // Refers to a medium that lives as long as this does.
    template<Backend T> explicit Medium(T& medium) : is_{&medium} {}

    BlockProperties const& properties() const { return on([](auto& medium) -> BlockProperties const& { return medium.properties(); }); }
    BlockCounters const&   counters() const { return on([](auto& medium) -> BlockCounters const& { return medium.counters(); }); }
    Submission             submit(BlockRequest& request) { return on([&](auto& medium) { return medium.submit(request); }); }
    std::optional<BlockCompletion> take_completion() { return on([](auto& medium) { return medium.take_completion(); }); }

private:
    Any is_;
};

static_assert(Backend<Medium>);

} // namespace kennel::service
