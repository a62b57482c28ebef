// SPDX-License-Identifier: Apache-2.0
//
// The one reader of \kennel\manifest (layout: hv/abi/manifest.hpp). boot/ takes files, services and options from it,
// drivers/ the guests. ManifestReader::parse checks everything once: sizes, checksum, counts, names, and every index
// against what it points to. What it returns can be used without a further look.
#pragma once
#include "hv/abi/manifest.hpp"
#include "hv/lib/checksum.hpp"
#include "hv/lib/result.hpp"
#include <algorithm>
#include <cstring>
#include <span>
#include <string_view>

namespace kennel {

enum class ManifestError : u32 {
    too_short, bad_magic, bad_version, wrong_size, bad_checksum, bad_counts, bad_text, bad_options,
    file_name, file_twice, file_service, too_many_modules,
    service_name, service_memory, service_devices,
    guest_name, guest_memory, guest_service, guest_kernel, guest_initrd, guest_command_line, guest_cpu, guest_weight,
    guest_policy, guest_options,
};

// One phrase per fault. Faults of an entry are followed by its number (ManifestFault::index).
constexpr char const* describe(ManifestError error)
{
    switch (error) {
    case ManifestError::too_short:          return "shorter than a manifest header";
    case ManifestError::bad_magic:          return "not a Kennel manifest";
    case ManifestError::bad_version:        return "made for another version of Kennel";
    case ManifestError::wrong_size:         return "its size is not what its header says; the file may be truncated";
    case ManifestError::bad_checksum:       return "its checksum is wrong";
    case ManifestError::bad_counts:         return "its tables do not fit into it, or it has too many entries";
    case ManifestError::bad_text:           return "its text is not inside it, or has no end";
    case ManifestError::bad_options:        return "it has an unknown machine option";
    case ManifestError::file_name:          return "a file name is empty, too long or has a forbidden character; file number";
    case ManifestError::file_twice:         return "a file name occurs twice; file number";
    case ManifestError::file_service:       return "a file belongs to no service, or to one that does not exist; file number";
    case ManifestError::too_many_modules:   return "a service has more than 31 files; service number";
    case ManifestError::service_name:       return "a service name is empty, too long or not printable; service number";
    case ManifestError::service_memory:     return "a service's memory is no multiple of 2 MiB, or two want the rest; service number";
    case ManifestError::service_devices:    return "exactly one service must own the devices; service number";
    case ManifestError::guest_name:         return "a guest name is empty, too long or not printable; guest number";
    case ManifestError::guest_memory:       return "a guest's memory is 0 or no multiple of 2 MiB; guest number";
    case ManifestError::guest_service:      return "a guest's service does not exist; guest number";
    case ManifestError::guest_kernel:       return "a guest's kernel is no file of its service; guest number";
    case ManifestError::guest_initrd:       return "a guest's initrd is no file of its service; guest number";
    case ManifestError::guest_command_line: return "a guest's command line is outside the text; guest number";
    case ManifestError::guest_cpu:          return "a guest's CPU is above 31; guest number";
    case ManifestError::guest_weight:       return "a guest's weight is not in 1 to 1000; guest number";
    case ManifestError::guest_policy:       return "a guest's stop policy is unknown; guest number";
    case ManifestError::guest_options:      return "a guest has an unknown option; guest number";
    }
    return "unknown fault";
}

struct ManifestFault {
    ManifestError error;
    u32           index = abi::no_file;   // entry of the table the fault is in; no_file: of none
};

class ManifestReader {
public:
    static constexpr u32 max_files = abi::max_modules * abi::max_services;
    static constexpr u32 all_machine_options = 15;
    static constexpr u32 all_guest_options   = 1;

    // `bytes` must stay where it is, unchanged, for as long as the reader is used.
    static Result<ManifestReader, ManifestFault> parse(std::span<u8 const> bytes)
    {
        using enum ManifestError;
        ManifestReader reader;
        reader.bytes_ = bytes;
        abi::ManifestHeader& header = reader.header_;
        if (bytes.size() < sizeof header)
            return fault(too_short);
        std::memcpy(&header, bytes.data(), sizeof header);
        if (header.magic != abi::manifest_magic)
            return fault(bad_magic);
        if (header.version != abi::manifest_version)
            return fault(bad_version);
        if (header.size != bytes.size())
            return fault(wrong_size);
        if (header.checksum != crc32(bytes.subspan(checksum_end)))
            return fault(bad_checksum);
        if ((header.options & ~all_machine_options) != 0)
            return fault(bad_options);
        if (header.file_count > max_files || header.service_count == 0 || header.service_count > abi::max_services ||
            header.guest_count > abi::max_guests || header.disk_count > abi::max_disks ||
            header.counts.networks > abi::max_networks || header.counts.cards > abi::max_cards || reader.tables_end() > bytes.size())
            return fault(bad_counts);
        if (header.text_offset < reader.tables_end() || header.text_offset > bytes.size() ||
            header.text_size > bytes.size() - header.text_offset ||
            (header.text_size > 0 && bytes[header.text_offset + header.text_size - 1] != 0))
            return fault(bad_text);

        TRY(reader.check_files());
        TRY(reader.check_services());
        TRY(reader.check_guests());
        return reader;
    }

    u32  file_count() const    { return header_.file_count; }
    u32  service_count() const { return header_.service_count; }
    u32  guest_count() const   { return header_.guest_count; }
    u32  disk_count() const    { return header_.disk_count; }
    u32  network_count() const { return header_.counts.networks; }
    u32  card_count() const    { return header_.counts.cards; }
    bool has(abi::MachineOption option) const { return (header_.options & static_cast<u32>(option)) != 0; }

    // Entries by value: the file need not be aligned. Callers stay below the counts.
    abi::ManifestFile    file(u32 i) const    { return at<abi::ManifestFile>(files_offset(), i); }
    abi::ManifestService service(u32 i) const { return at<abi::ManifestService>(services_offset(), i); }
    abi::ManifestGuest   guest(u32 i) const   { return at<abi::ManifestGuest>(guests_offset(), i); }
    abi::ManifestDisk    disk(u32 i) const    { return at<abi::ManifestDisk>(disks_offset(), i); }   // not checked
    abi::ManifestNetwork network(u32 i) const { return at<abi::ManifestNetwork>(networks_offset(), i); }           // these neither
    abi::ManifestCard    card(u32 i) const    { return at<abi::ManifestCard>(cards_offset(), i); }

    std::string_view command_line(abi::ManifestGuest const& guest) const
    {
        return reinterpret_cast<char const*>(bytes_.data()) + header_.text_offset + guest.command_line;   // the text's last byte is an end
    }

    static bool belongs_to(abi::ManifestFile const& file, u32 service) { return ((file.service >> service) & 1) != 0; }

private:
    using Checked = Result<void, ManifestFault>;

    static constexpr usize checksum_end = offsetof(abi::ManifestHeader, checksum) + sizeof(u32);

    static std::unexpected<ManifestFault> fault(ManifestError error, u32 index = abi::no_file)
    {
        return std::unexpected(ManifestFault{error, index});
    }

    usize files_offset() const    { return sizeof(abi::ManifestHeader); }
    usize services_offset() const { return files_offset() + header_.file_count * sizeof(abi::ManifestFile); }
    usize guests_offset() const   { return services_offset() + header_.service_count * sizeof(abi::ManifestService); }
    usize disks_offset() const    { return guests_offset() + header_.guest_count * sizeof(abi::ManifestGuest); }
    usize networks_offset() const { return disks_offset() + header_.disk_count * sizeof(abi::ManifestDisk); }
    usize cards_offset() const    { return networks_offset() + header_.counts.networks * sizeof(abi::ManifestNetwork); }
    usize tables_end() const      { return cards_offset() + header_.counts.cards * sizeof(abi::ManifestCard); }

    template <typename T> T at(usize table, u32 index) const
    {
        T entry;
        std::memcpy(&entry, bytes_.data() + table + index * sizeof(T), sizeof(T));
        return entry;
    }

    // A name in a fixed field; as long as the field when it has no end in it.
    template <usize size> static std::string_view text_of(char const (&field)[size]) { return {field, std::find(field, field + size, '\0')}; }

    // Printable ASCII with an end inside the field, and none of the characters `without`.
    template <usize size> static bool is_name(char const (&field)[size], std::string_view without)
    {
        auto const name = text_of(field);
        return !name.empty() && name.size() < size &&
               std::ranges::all_of(name, [&](char c) { return c > ' ' && c <= '~' && std::ranges::find(without, c) == without.end(); });
    }

    static Checked require(bool good, ManifestError error, u32 index)
    {
        return good ? Checked{} : Checked{fault(error, index)};
    }

    Checked check_files() const
    {
        using enum ManifestError;
        u32 modules[abi::max_services] = {};
        for (u32 i = 0; i < file_count(); i++) {
            auto const entry = file(i);
            TRY(require(is_name(entry.name, "/\\:*?\"<>|"), file_name, i));
            TRY(require(entry.service != 0 && (entry.service >> service_count()) == 0, file_service, i));
            for (u32 other = 0; other < i; other++)
                TRY(require(text_of(file(other).name) != text_of(entry.name), file_twice, i));
            for (u32 s = 0; s < service_count(); s++)
                TRY(require(!belongs_to(entry, s) || ++modules[s] < abi::max_modules, too_many_modules, s));   // the manifest itself is one
        }
        return {};
    }

    Checked check_services() const
    {
        using enum ManifestError;
        u32 owners = 0, greedy = 0;
        for (u32 i = 0; i < service_count(); i++) {
            auto const entry = service(i);
            TRY(require(is_name(entry.name, ""), service_name, i));
            greedy += entry.memory == 0;
            TRY(require(entry.memory % large_page == 0 && greedy <= 1, service_memory, i));
            owners += entry.owns_devices;
            TRY(require(entry.owns_devices <= 1 && owners <= 1, service_devices, i));
        }
        return require(owners == 1, service_devices, 0);
    }

    Checked check_guests() const
    {
        using enum ManifestError;
        auto const is_file_of = [&](u32 number, u32 service) { return number < file_count() && belongs_to(file(number), service); };
        for (u32 i = 0; i < guest_count(); i++) {
            auto const entry = guest(i);
            TRY(require(is_name(entry.name, ""), guest_name, i));
            TRY(require(entry.memory != 0 && entry.memory % large_page == 0, guest_memory, i));
            TRY(require(entry.service < service_count(), guest_service, i));
            TRY(require(is_file_of(entry.kernel, entry.service), guest_kernel, i));
            TRY(require(entry.initrd == abi::no_file || is_file_of(entry.initrd, entry.service), guest_initrd, i));
            TRY(require(entry.command_line < header_.text_size, guest_command_line, i));
            TRY(require(entry.cpu == abi::any_cpu || entry.cpu < abi::max_cpus, guest_cpu, i));
            TRY(require(entry.weight >= 1 && entry.weight <= 1000, guest_weight, i));
            TRY(require(static_cast<u32>(entry.policy) <= static_cast<u32>(abi::StopPolicy::hold), guest_policy, i));
            TRY(require((entry.options & ~all_guest_options) == 0, guest_options, i));
        }
        return {};
    }

    std::span<u8 const> bytes_;
    abi::ManifestHeader header_{};
};

} // namespace kennel
