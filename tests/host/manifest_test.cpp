// SPDX-License-Identifier: Apache-2.0
#include "hv/lib/manifest.hpp"
#include <doctest/doctest.h>
#include <functional>
#include <set>
#include <string>
#include <vector>

using namespace kennel;
using namespace kennel::abi;

namespace {

struct Content {
    ManifestHeader               header{manifest_magic, manifest_version, 0, 0, 1, 0, 0, 0, 0, 0, 0, {}};
    std::vector<ManifestFile>    files;
    std::vector<ManifestService> services;
    std::vector<ManifestGuest>   guests;
    std::string                  text;

    Content()
    {
        add_file("vmlinuz", 1);
        add_file("initrd.img", 1);
        services.push_back({"service", 0, 1, 0});
        text = std::string{"console=ttyS0\0", 14};
        guests.push_back({"linux", 128 * large_page, 0, 0, 1, 0, any_cpu, 100, StopPolicy::restart, 1});
    }
    void add_file(std::string const& name, u32 service)
    {
        ManifestFile file{};
        name.copy(file.name, sizeof file.name);
        file.service = service;
        files.push_back(file);
    }
    std::vector<u8> bytes() const
    {
        ManifestHeader h = header;
        h.file_count = header.file_count + static_cast<u32>(files.size());
        h.service_count = static_cast<u32>(services.size());
        h.guest_count = static_cast<u32>(guests.size());
        h.text_offset = header.text_offset + static_cast<u32>(sizeof h + files.size() * sizeof files[0] + services.size() * sizeof(ManifestService) +
                                                              guests.size() * sizeof(ManifestGuest));
        h.text_size = static_cast<u32>(text.size());
        std::vector<u8> all;
        auto append = [&](void const* data, usize size) {
            auto const* const from = static_cast<u8 const*>(data);
            all.insert(all.end(), from, from + size);
        };
        append(&h, sizeof h);
        append(files.data(), files.size() * sizeof(ManifestFile));
        append(services.data(), services.size() * sizeof(ManifestService));
        append(guests.data(), guests.size() * sizeof(ManifestGuest));
        append(text.data(), text.size());
        h.size = header.size + static_cast<u32>(all.size());
        std::memcpy(all.data(), &h, sizeof h);
        return seal(all);
    }
    static std::vector<u8> seal(std::vector<u8> all)
    {
        u32 const sum = crc32(std::span<u8 const>{all}.subspan(offsetof(ManifestHeader, checksum) + 4));
        std::memcpy(&all[offsetof(ManifestHeader, checksum)], &sum, 4);
        return all;
    }
};

// What is said of a manifest changed by `change`.
std::string verdict(std::function<void(Content&)> const& change)
{
    Content content;
    change(content);
    auto const bytes = content.bytes();
    auto const reader = ManifestReader::parse(bytes);
    return reader ? "good" : describe(reader.error().error);
}
std::string phrase(ManifestError error) { return describe(error); }

} // namespace

TEST_CASE("manifest: a good one is read back as it was written")
{
    auto const bytes = Content{}.bytes();
    auto const reader = ManifestReader::parse(bytes);
    REQUIRE(reader.has_value());
    CHECK(reader->file_count() == 2);
    CHECK(std::string{reader->file(1).name} == "initrd.img");
    CHECK(reader->service(0).owns_devices == 1);
    CHECK(reader->guest(0).memory == 128 * large_page);
    CHECK(reader->guest(0).policy == StopPolicy::restart);
    CHECK(reader->command_line(reader->guest(0)) == "console=ttyS0");
    CHECK(reader->has(MachineOption::emulator_exit));
    CHECK_FALSE(reader->has(MachineOption::verbose));
    CHECK(ManifestReader::belongs_to(reader->file(0), 0));
    CHECK_FALSE(ManifestReader::belongs_to(reader->file(0), 1));
}

TEST_CASE("manifest: every truncation and every flipped bit is noticed")
{
    auto const bytes = Content{}.bytes();
    for (usize length = 0; length < bytes.size(); length++)
        CHECK_FALSE(ManifestReader::parse(std::span<u8 const>{bytes}.first(length)).has_value());
    for (usize bit = 0; bit < bytes.size() * 8; bit++) {
        auto changed = bytes;
        changed[bit / 8] ^= static_cast<u8>(1u << (bit % 8));
        CHECK_FALSE(ManifestReader::parse(changed).has_value());
    }
}

TEST_CASE("manifest: each fault is named, behind a checksum that is right")
{
    using enum ManifestError;
    CHECK(verdict([](Content&) {}) == "good");
    CHECK(verdict([](Content& c) { c.header.magic++; }) == phrase(bad_magic));
    CHECK(verdict([](Content& c) { c.header.version++; }) == phrase(bad_version));
    CHECK(verdict([](Content& c) { c.header.size = 1; }) == phrase(wrong_size));
    CHECK(verdict([](Content& c) { c.header.options = 1u << 31; }) == phrase(bad_options));
    CHECK(verdict([](Content& c) { c.header.file_count = 1000; }) == phrase(bad_counts));
    CHECK(verdict([](Content& c) { c.header.file_count = 0xffff'fff0; }) == phrase(bad_counts));
    CHECK(verdict([](Content& c) { c.header.disk_count = 1; }) == phrase(bad_counts));
    CHECK(verdict([](Content& c) { c.header.disk_count = max_disks + 1; }) == phrase(bad_counts));
    CHECK(verdict([](Content& c) { c.header.disk_count = 0xffff'ffff; }) == phrase(bad_counts));
    CHECK(verdict([](Content& c) { c.services.clear(); }) == phrase(bad_counts));
    CHECK(verdict([](Content& c) { c.header.text_offset = 0xffff'0000; }) == phrase(bad_text));
    CHECK(verdict([](Content& c) { c.text.back() = 'x'; }) == phrase(bad_text));
    CHECK(verdict([](Content& c) { c.files[0].name[0] = 0; }) == phrase(file_name));
    CHECK(verdict([](Content& c) { std::memset(c.files[0].name, 'a', sizeof c.files[0].name); }) == phrase(file_name));
    CHECK(verdict([](Content& c) { c.files[0].name[2] = '\\'; }) == phrase(file_name));
    CHECK(verdict([](Content& c) { c.files[0].name[2] = '\n'; }) == phrase(file_name));
    CHECK(verdict([](Content& c) { c.files[1] = c.files[0]; }) == phrase(file_twice));
    CHECK(verdict([](Content& c) { c.files[0].service = 0; }) == phrase(file_service));
    CHECK(verdict([](Content& c) { c.files[0].service = 2; }) == phrase(file_service));
    CHECK(verdict([](Content& c) { for (int i = 0; i < 30; i++) c.add_file("f" + std::to_string(i), 1); }) == phrase(too_many_modules));
    CHECK(verdict([](Content& c) { c.services[0].name[0] = 0; }) == phrase(service_name));
    CHECK(verdict([](Content& c) { c.services[0].memory = 4096; }) == phrase(service_memory));
    CHECK(verdict([](Content& c) { c.services.push_back({"other", 0, 0, 0}); }) == phrase(service_memory));
    CHECK(verdict([](Content& c) { c.services[0].owns_devices = 0; }) == phrase(service_devices));
    CHECK(verdict([](Content& c) { c.services.push_back({"other", large_page, 1, 0}); }) == phrase(service_devices));
    CHECK(verdict([](Content& c) { c.guests[0].name[0] = 0; }) == phrase(guest_name));
    CHECK(verdict([](Content& c) { c.guests[0].memory = 0; }) == phrase(guest_memory));
    CHECK(verdict([](Content& c) { c.guests[0].memory++; }) == phrase(guest_memory));
    CHECK(verdict([](Content& c) { c.guests[0].service = 1; }) == phrase(guest_service));
    CHECK(verdict([](Content& c) { c.guests[0].kernel = 2; }) == phrase(guest_kernel));
    CHECK(verdict([](Content& c) { c.guests[0].kernel = no_file; }) == phrase(guest_kernel));
    CHECK(verdict([](Content& c) { c.guests[0].initrd = 2; }) == phrase(guest_initrd));
    CHECK(verdict([](Content& c) { c.guests[0].initrd = no_file; }) == "good");
    CHECK(verdict([](Content& c) { c.guests[0].command_line = 14; }) == phrase(guest_command_line));
    CHECK(verdict([](Content& c) { c.guests[0].cpu = 32; }) == phrase(guest_cpu));
    CHECK(verdict([](Content& c) { c.guests[0].weight = 0; }) == phrase(guest_weight));
    CHECK(verdict([](Content& c) { c.guests[0].weight = 1001; }) == phrase(guest_weight));
    CHECK(verdict([](Content& c) { c.guests[0].policy = static_cast<StopPolicy>(3); }) == phrase(guest_policy));
    CHECK(verdict([](Content& c) { c.guests[0].options = 2; }) == phrase(guest_options));
}

TEST_CASE("manifest: every fault has a phrase of its own")
{
    std::set<std::string> seen;
    for (u32 i = 0; i <= static_cast<u32>(ManifestError::guest_options); i++)
        CHECK(seen.insert(phrase(static_cast<ManifestError>(i))).second);
}
