// SPDX-License-Identifier: Apache-2.0
//
// See inspection.hpp.
#include "tools/kennel/inspection.hpp"
#include "hv/lib/manifest.hpp"
#include "tools/kennel/disk_image.hpp"
#include "tools/kennel/plan.hpp"
#include "tools/kennel/sha256.hpp"
#include <algorithm>
#include <map>

namespace kennel::tool {

namespace {

constexpr u64 largest_manifest = 1 << 20;   // bytes; also of the list of checksums

std::string lower(std::string_view text)
{
    std::string result{text};
    std::ranges::transform(result, result.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    return result;
}

class Inspector {
public:
    explicit Inspector(Bytes const& image) : image_{image} { result_.size = image.size; }

    Or<Inspection> look()
    {
        auto const volume = TRY(find_volume());
        auto const reader = FatReader::open(volume);
        if (!reader)
            return bad_usage("{}: {}", result_.partitioned ? "its EFI system partition" : "neither a GPT nor a FAT file system", reader.error().text);
        auto const files = reader->files();
        if (!files)
            return bad_usage("its file system: {}", files.error().text);
        for (auto const& file : *files)
            look_at(*reader, file);
        check_sums();
        check_manifest();
        for (std::string_view const needed : {"EFI/BOOT/BOOTX64.EFI", "kennel/hypervisor.elf", "kennel/service.elf", "kennel/manifest"})
            if (!find(needed))
                fault("{} is missing: it does not start", needed);
        if (!find("kennel/manifest") && !find("kennel/hypervisor.elf"))
            return bad_usage("not an image of Kennel: there is no kennel/manifest in it");
        return std::move(result_);
    }

private:
    template <typename... Parts> void fault(std::format_string<Parts...> format, Parts&&... parts)
    {
        result_.faults.push_back(std::format(format, std::forward<Parts>(parts)...));
    }

    Or<Bytes> find_volume()
    {
        if (image_.size < gpt_start_size)
            return bad_usage("too short for a disk: {} bytes", image_.size);
        std::vector<u8> start(gpt_start_size), end(gpt_end_size);
        u64 const whole = image_.size / sector * sector;
        if (!image_.read(0, start) || !image_.read(whole - gpt_end_size, end))
            return bad_usage("cannot be read");
        auto const first = read_gpt(start, whole), backup = read_backup_gpt(end, whole);
        if (first.error == GptError::no_signature && backup.error == GptError::no_signature)
            return image_;
        result_.partitioned = true;
        if (first.error != GptError::none)
            fault("the partition table: {}", describe(first.error));
        if (backup.error != GptError::none)
            fault("the partition table's copy at the disk's end: {}", describe(backup.error));
        if (first.error != GptError::none && backup.error != GptError::none)
            return bad_usage("neither of its partition tables can be used: {}", describe(first.error));
        result_.gpt = first.error == GptError::none ? first.gpt : backup.gpt;
        auto const esp = std::ranges::find(result_.gpt.partitions, esp_type, &GptPartition::type);
        if (esp == result_.gpt.partitions.end())
            return bad_usage("there is no EFI system partition in it");
        return image_.part(esp->offset, esp->size);
    }

    void look_at(FatReader const& reader, FatReader::File const& file)
    {
        Sha256 sum;
        if (auto const read = reader.read(file, [&](std::span<u8 const> bytes) { sum.add(bytes); }); !read) {
            fault("{}", read.error().text);
            return;
        }
        result_.files.push_back({file.path, file.size, digest_text(sum.finish())});
        auto const path = lower(file.path);
        auto& kept = path == "kennel/manifest" ? manifest_ : sums_;
        if (path == "kennel/manifest" || path == checksums_path) {
            if (auto contents = reader.contents(file, largest_manifest))
                kept = std::move(*contents);
            else
                fault("{}", contents.error().text);
        }
    }

    InspectedFile const* find(std::string_view path) const
    {
        auto const found = std::ranges::find(result_.files, lower(path), [](InspectedFile const& file) { return lower(file.path); });
        return found == result_.files.end() ? nullptr : &*found;
    }

    // Lines as sha256sum writes them: 64 digits, two spaces, the path.
    void check_sums()
    {
        std::string_view rest{reinterpret_cast<char const*>(sums_.data()), sums_.size()};
        result_.has_checksums = !rest.empty();
        std::map<std::string, bool> named;
        while (!rest.empty()) {
            auto const line = rest.substr(0, rest.find('\n'));
            rest.remove_prefix(std::min(rest.size(), line.size() + 1));
            if (line.size() < 67 || line.substr(64, 2) != "  ") {
                fault("{}: a line is no checksum", checksums_path);
                return;
            }
            auto const path = line.substr(66);
            named[lower(path)] = true;
            auto const* const file = find(path);
            if (file == nullptr)
                fault("{} is missing, or cannot be read", path);
            else if (file->sum != line.substr(0, 64))
                fault("{} is damaged: its checksum is wrong", file->path);
        }
        if (result_.has_checksums)
            for (InspectedFile const& file : result_.files)
                if (lower(file.path) != checksums_path && !named.contains(lower(file.path)))
                    fault("{} has no checksum: it was added later", file.path);
    }

    void check_manifest()
    {
        if (manifest_.empty())
            return;
        auto const read = ManifestReader::parse(manifest_);
        if (!read)
            return fault("kennel/manifest: {}{}", describe(read.error().error), read.error().index == abi::no_file ? "" : std::format(" {}", read.error().index));
        for (u32 i = 0; i < read->file_count(); i++) {
            auto const entry = read->file(i);
            auto const* const file = find(std::format("kennel/{}", std::string_view{entry.name}));
            if (file == nullptr)
                fault("kennel/{} is missing: the manifest names it", std::string_view{entry.name});
            else if (entry.size != 0 && entry.size != file->size)
                fault("kennel/{} has {} bytes; the manifest says {}", std::string_view{entry.name}, file->size, entry.size);
        }
        for (auto const& [option, name] : {std::pair{abi::MachineOption::trust_guests, "trust_guests"}, {abi::MachineOption::verbose, "verbose"},
                                           {abi::MachineOption::log_on_console, "log_on_console"}, {abi::MachineOption::emulator_exit, "emulator_exit"}})
            if (read->has(option))
                result_.options.emplace_back(name);
        for (u32 i = 0; i < read->guest_count(); i++) {
            auto const guest = read->guest(i);
            result_.guests.push_back({.name = guest.name, .kernel = read->file(guest.kernel).name,
                                      .initrd = guest.initrd == abi::no_file ? "" : read->file(guest.initrd).name,
                                      .command_line = std::string{read->command_line(guest)}, .policy = std::string{policy_names[static_cast<u32>(guest.policy)]},
                                      .service = read->service(guest.service).name, .memory = guest.memory, .cpu = guest.cpu, .weight = guest.weight});
        }
    }

    Bytes const&    image_;
    Inspection      result_;
    std::vector<u8> manifest_, sums_;
};

} // namespace

Or<Inspection> inspect_image(Bytes const& image) { return Inspector{image}.look(); }

} // namespace kennel::tool
