// SPDX-License-Identifier: Apache-2.0
//
// Any manifest, half of them with magic, version, size and checksum put right so that the rest of it is looked at; and its disks, as
// the service reads them.
#include "drivers/block/disk_recipe.hpp"
#include "hv/lib/manifest.hpp"
#include "tests/fuzz/input.hpp"
#include <vector>

using namespace kennel;
using fuzz::demand;

namespace {

using Bytes = std::vector<u8>;

template<class T> void append(Bytes& bytes, T const& value)
{
    auto const* const from = reinterpret_cast<u8 const*>(&value);
    bytes.insert(bytes.end(), from, from + sizeof value);
}

template<class T> T wild(fuzz::Input& input, T usual, u32 choices)
{
    u8 const how = input.take<u8>();
    return how < 200 ? static_cast<T>(how % choices) : how < 250 ? usual : input.take<T>();
}

// Entries that are plausible most of the time, followed by whatever is left as text.
Bytes build(fuzz::Input& input)
{
    u32 const files = input.take<u8>() % 40u, services = 1 + input.take<u8>() % 4u, guests = input.take<u8>() % 6u, disks = input.take<u8>() % 6u;
    Bytes bytes(sizeof(abi::ManifestHeader), 0);
    for (u32 i = 0; i < files; i++) {
        abi::ManifestFile file{{'f', static_cast<char>('0' + i)}, wild<u32>(input, 1, 1u << services), 0, 0};
        file.name[2] = static_cast<char>(input.take<u8>() & 0x7f);
        append(bytes, file);
    }
    for (u32 i = 0; i < services; i++)
        append(bytes, abi::ManifestService{{'s'}, large_page * wild<u64>(input, 0, 3), wild<u32>(input, i == 0, 2), 0});
    for (u32 i = 0; i < guests; i++)
        append(bytes, abi::ManifestGuest{{'g'}, large_page * wild<u64>(input, 1, 8), wild<u32>(input, 0, services), wild<u32>(input, 0, files + 1),
                                         wild<u32>(input, abi::no_file, files + 1), wild<u32>(input, 0, 4), wild<u32>(input, abi::any_cpu, 33),
                                         wild<u32>(input, 100, 2), static_cast<abi::StopPolicy>(wild<u32>(input, 0, 3)), wild<u32>(input, 0, 2)});
    for (u32 i = 0; i < disks; i++) {
        abi::ManifestDisk disk{{'d'}, wild<u32>(input, 0, guests + 1), static_cast<abi::MediumKind>(wild<u32>(input, 1, 4)), wild<u32>(input, 0, files + 1),
                               wild<u32>(input, 0, 17), 0, 512 * wild<u64>(input, 0, 3), wild<u64>(input, 0, 2), {}};
        auto const label = input.bytes(input.take<u8>() & 63);
        std::copy(label.begin(), label.begin() + static_cast<s64>(std::min(label.size(), sizeof disk.partition)), disk.partition);
        append(bytes, disk);
    }
    u32 const text_offset = static_cast<u32>(bytes.size()) + (input.take<u8>() == 7 ? input.take<u32>() : 0), text_size = static_cast<u32>(input.rest().size());
    bytes.insert(bytes.end(), input.rest().begin(), input.rest().end());
    abi::ManifestHeader const header{abi::manifest_magic, abi::manifest_version, static_cast<u32>(bytes.size()), 0, 1, files, services, guests, disks, text_offset, text_size, {}};
    std::memcpy(bytes.data(), &header, sizeof header);
    return bytes;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(unsigned char const* data, size_t size)
{
    fuzz::Input input{data, size};
    u8 const how = input.take<u8>();
    Bytes bytes = how & 2 ? Bytes{input.rest().begin(), input.rest().end()} : build(input);
    if (how & 1 && bytes.size() >= sizeof(abi::ManifestHeader)) {
        auto put = [&](usize at, auto value) { std::memcpy(&bytes[at], &value, sizeof value); };
        put(offsetof(abi::ManifestHeader, magic), abi::manifest_magic);
        put(offsetof(abi::ManifestHeader, version), abi::manifest_version);
        put(offsetof(abi::ManifestHeader, size), static_cast<u32>(bytes.size()));
        put(offsetof(abi::ManifestHeader, checksum), crc32(std::span<u8 const>{bytes}.subspan(offsetof(abi::ManifestHeader, checksum) + 4)));
    }
    auto const reader = ManifestReader::parse(bytes);
    if (!reader) {
        demand(describe(reader.error().error)[0] != 0);
        return 0;
    }
    demand(reader->service_count() >= 1 && reader->service_count() <= abi::max_services && reader->guest_count() <= abi::max_guests);
    for (u32 i = 0; i < reader->file_count(); i++)
        demand(std::memchr(reader->file(i).name, 0, sizeof reader->file(i).name) != nullptr);
    for (u32 i = 0; i < reader->guest_count(); i++) {
        auto const guest = reader->guest(i);
        demand(guest.kernel < reader->file_count() && guest.service < reader->service_count());
        demand(guest.initrd < reader->file_count() || guest.initrd == abi::no_file);
        demand(guest.memory > 0 && guest.memory % large_page == 0);
        demand(reader->command_line(guest).size() < bytes.size());
    }
    demand(reader->disk_count() <= abi::max_disks);
    for (u32 i = 0; i < reader->disk_count(); i++) {
        auto const recipe = service::DiskRecipe::read(*reader, i);
        if (!recipe) {
            demand(!service::describe(recipe.error()).empty());
            continue;
        }
        demand(recipe->entry.guest < reader->guest_count() && !recipe->serial().empty() && recipe->entry.bytes % 512 == 0);
        demand(recipe->part().label.size() <= 36);
        if (recipe->entry.kind != abi::MediumKind::module && !recipe->is_area())
            continue;
        demand(recipe->entry.source < reader->file_count() && !(recipe->is_area() && recipe->changes_medium()));
        for (u32 g = 0; recipe->changes_medium() && g < reader->guest_count(); g++)
            if (auto const guest = reader->guest(g); guest.service == reader->guest(recipe->entry.guest).service)
                demand(guest.kernel != recipe->entry.source && guest.initrd != recipe->entry.source);
    }
    return 0;
}
