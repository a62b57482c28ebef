// SPDX-License-Identifier: Apache-2.0
//
// See disk_plan.hpp.
#include "drivers/block/disk_plan.hpp"
#include "drivers/instructions.hpp"

namespace kennel::service {

namespace {

constexpr u32 drives_home = 0;
constexpr std::string_view no_heap = "no memory left for its bookkeeping";

} // namespace

// In one piece, since a disk's bytes are addressed as one.
std::span<u8> DiskMaker::take_ram(u64 bytes, Text& why)
{
    u64 const wanted = (bytes + large_page - 1) & ~(large_page - 1);
    Extents::Piece const piece = extents.take(wanted);
    if (piece.size < wanted) {
        why = Text{"it wants ", wanted >> 20, " MiB of RAM in one piece; there are ", piece.size >> 20};
        return {};
    }
    return {reinterpret_cast<u8*>(piece.base), bytes};
}

template<class Below> Disk* DiskMaker::finish(Below& below, DiskRecipe const& recipe, u32 number, Text& why)
{
    Disk* disk = nullptr;
    if (recipe.entry.overlay == 0) {
        disk = heap.make<Disk>(Medium{below}, recipe, number);
    } else {
        auto const ram = take_ram(recipe.entry.overlay, why);
        if (ram.empty())
            return nullptr;
        if (auto* const overlay = heap.make<Overlay<Below>>(below, ram))
            disk = heap.make<Disk>(Medium{*overlay}, recipe, number);
    }
    if (!disk)
        why = Text{no_heap};
    return disk;
}

Disk* DiskMaker::make(DiskRecipe const& recipe, std::span<u8> file, u32 number, u32 home, Text& why)
{
    if (recipe.entry.kind == abi::MediumKind::drive) {
        if (!drives.searched())
            drives.discover(heap, info.tsc_hz, log);
        DriveSlice* const slice = drives.open({.drive = recipe.entry.source, .part = recipe.part(), .read_only = recipe.read_only(),
                                               .write_through = recipe.has(abi::DiskOption::write_through), .overlay = recipe.entry.overlay != 0}, heap, why);
        if (!slice)
            return nullptr;
        slice->home = home;
        slice->event = disk_done_event + number;
        if (home == drives_home) {
            Disk* const disk = finish(*slice, recipe, number, why);
            if (disk)
                disk->slice = slice;
            return disk;
        }
        RemoteDisk* const remote = heap.make<RemoteDisk>(*slice, RemoteDisk::Place{drives_home, disk_request_event + number});
        if (!remote) {
            why = Text{no_heap};
            return nullptr;
        }
        Disk* const disk = finish(*remote, recipe, number, why);
        if (disk) {
            disk->slice = slice;
            disk->remote = remote;
        }
        return disk;
    }

    std::span<u8> bytes = file;
    if (recipe.entry.kind == abi::MediumKind::memory) {
        bytes = take_ram(recipe.entry.bytes, why);
        if (bytes.empty())
            return nullptr;
        fill_zero(bytes.data(), bytes.size());
    } else if (bytes.empty() || bytes.size() % sector_bytes != 0) {
        why = Text{"its file is missing, empty or no multiple of 512 bytes"};
        return nullptr;
    }
    auto* const memory = heap.make<MemoryDisk>(bytes, !recipe.changes_medium());
    if (!memory) {
        why = Text{no_heap};
        return nullptr;
    }
    return finish(*memory, recipe, number, why);
}

} // namespace kennel::service
