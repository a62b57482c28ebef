// SPDX-License-Identifier: Apache-2.0
//
// Disks as the user names them, and what the service reads of them in the manifest.
#include "tools/kennel/disk.hpp"
#include "drivers/block/disk_recipe.hpp"
#include "tools/kennel/description.hpp"
#include "tools/kennel/drive_files.hpp"
#include "tools/kennel/manifest.hpp"
#include <doctest/doctest.h>

using namespace kennel;
using namespace kennel::tool;

namespace {

struct Folder {
    TemporaryFolder folder = TemporaryFolder::create().value();
    std::string file(std::string_view name, usize size = 1024)
    {
        CHECK(write_file(folder.path() / name, std::string(size, 'x')));
        return (folder.path() / name).string();
    }
};

std::string fault(std::string const& word)
{
    auto disk = parse_disk(word);
    if (!disk)
        return disk.error().text;
    auto const checked = check_disk(*disk);
    return checked ? "accepted" : checked.error().text;
}

std::string parsed(std::string const& word)
{
    auto disk = parse_disk(word);
    REQUIRE(disk);
    CHECK(check_disk(*disk));
    return std::format("{}:{} {}{}{}overlay={} bytes={} {}", static_cast<u32>(disk->kind), disk->file.filename().string(), disk->serial, disk->read_only ? " ro " : " ",
                       disk->write_through ? "through " : "", disk->overlay, disk->bytes, disk->label);
}

} // namespace

TEST_CASE("tools: disks as words")
{
    Folder folder;
    auto const file = folder.file("disk.img");
    CHECK(parsed(file) == "2:disk.img disk.img overlay=0 bytes=0 ");
    CHECK(parsed(file + ",ro") == "2:disk.img disk.img ro overlay=0 bytes=0 ");
    CHECK(parsed(file + ",overlay") == "2:disk.img disk.img overlay=67108864 bytes=0 ");
    CHECK(parsed(file + ",overlay=2m,partition=root fs") == "2:disk.img disk.img overlay=2097152 bytes=0 root fs");
    CHECK(parsed(file + ",ram,ro") == "1:disk.img disk.img ro overlay=0 bytes=0 ");
    CHECK(parsed(file + ",pmem") == "3:disk.img disk.img ro overlay=0 bytes=0 ");
    CHECK(parse_disk(file + ",pmem=lazy")->lazy);
    CHECK_FALSE(parse_disk(file + ",pmem=eager")->lazy);
    CHECK(parsed(folder.file("of any size", 777) + ",pmem").starts_with("3:"));
    CHECK(parsed(file + ",write-through") == "2:disk.img disk.img through overlay=0 bytes=0 ");
    CHECK(parsed("ram:4m") == "0: ram overlay=0 bytes=4194304 ");
    CHECK(parsed(folder.file("a,ro")) == "2:a,ro a,ro overlay=0 bytes=0 ");            // that is its name
    CHECK(parsed(folder.file("a name of twenty-one")) == "2:a name of twenty-one a name of twenty-one overlay=0 bytes=0 ");
    CHECK(parsed(folder.file("another long name.img")).contains("another long name.im "));
}

TEST_CASE("tools: every bad disk is refused with its name")
{
    Folder folder;
    auto const file = folder.file("disk.img");
    CHECK(fault(file + ",rw").contains("'rw' is no option of a disk: ro, overlay"));
    CHECK(fault(file + ",").contains("'' is no option"));
    CHECK(fault(file + ",ro=1").contains("'ro=1' is no option"));
    CHECK(fault(file + ",partition=").contains("no option"));
    CHECK(fault(file + ",overlay=x").contains("'x' is no size"));
    CHECK(fault(",ro").contains("a file's name is missing"));
    CHECK(fault("").contains("a file's name is missing"));
    CHECK(fault("ram:0").contains("more than 0"));
    CHECK(fault("ram:513").contains("no multiple of 512"));
    CHECK(fault(file + ",ro,overlay").contains("exclude each other"));
    CHECK(fault(file + ",pmem=slow").contains("'pmem=slow' is no option"));
    CHECK(fault(file + ",pmem,ram").contains("'ram' and 'pmem' exclude each other"));
    CHECK(fault(file + ",ram,pmem").contains("'ram' and 'pmem' exclude each other"));
    CHECK(fault(file + ",pmem,overlay").contains("no overlay is possible with 'pmem'"));
    CHECK(fault(file + ",pmem,write-through").contains("whose file is written to"));
    CHECK(fault(file + ",pmem,partition=x").contains("not of a disk in RAM"));
    CHECK(fault(file + ",ro,write-through").contains("whose file is written to"));
    CHECK(fault(file + ",ram,partition=x").contains("not of a disk in RAM"));
    CHECK(fault(file + ",partition=x,partuuid=AC9B54E1-DAA5-584C-8D08-0BA76F54B098").contains("not by both"));
    CHECK(fault(file + ",partition=" + std::string(37, 'x')).contains("at most 36"));
    CHECK(fault(file + ",partuuid=AC9B54E1").contains("is no PARTUUID"));
    for (auto const& [name, text] : {std::pair{"missing", "no such file"}, {"", "a folder"}})
        CHECK(fault((folder.folder.path() / name).string()) == (folder.folder.path() / name).string() + ": " + text + (*name ? "" : ", not a disk's file"));
    CHECK(fault(folder.file("empty", 0)).ends_with("an empty file; a disk has at least one sector of 512 bytes"));
    CHECK(fault(folder.file("odd", 1000)).ends_with("its 1000 bytes are no multiple of 512, the size of a sector"));
    CHECK(fault("/dev/null").ends_with("not a file"));
}

TEST_CASE("tools: a PARTUUID is stored as on the disk")
{
    auto const uuid = parse_uuid("00112233-4455-6677-8899-aabbccddeeff");
    REQUIRE(uuid);
    CHECK(*uuid == std::array<u8, 16>{0x33, 0x22, 0x11, 0x00, 0x55, 0x44, 0x77, 0x66, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff});
    for (auto const* text : {"", "00112233", "00112233-4455-6677-8899-aabbccddeef", "00112233-4455-6677-8899-aabbccddeeff0", "0011223x-4455-6677-8899-aabbccddeeff",
                             "00112233445566778899aabbccddeeff", "00112233-4455-6677-8899-aabbccddee-f"})
        CHECK_FALSE(parse_uuid(text));
}

TEST_CASE("tools: files become drives in order, one drive for a file, three at most")
{
    Folder folder;
    auto const a = folder.file("a"), b = folder.file("b"), c = folder.file("c"), d = folder.file("d");
    auto const drives = [](std::vector<std::string> const& words) {
        static std::vector<DiskPlan> kept;
        kept.clear();
        for (auto const& word : words)
            kept.push_back(parse_disk(word).value());
        std::vector<DiskPlan const*> disks;
        for (auto const& disk : kept)
            disks.push_back(&disk);
        return drives_for(disks);
    };
    auto const two = drives({a + ",ro", "ram:1m", b, a + ",overlay"});
    REQUIRE(two);
    REQUIRE(two->size() == 2);
    CHECK((*two)[0].read_only);
    CHECK_FALSE((*two)[1].read_only);
    CHECK(drives({a, b, c, d}).error().text.contains("so 3 files are possible"));
    CHECK(drives({a, b, c, d + ",ram"}));
    CHECK(drives({a, a + ",ro"}).error().text.contains("used by two disks"));
    CHECK(drives({a + ",overlay", folder.folder.path() / "." / "a"}).error().text.contains("used by two disks"));
    CHECK(drives({a + ",partition=x", a + ",partition=y"}));
    CHECK(drives({a + ",partition=x", a + ",partition=x"}).error().text.contains("used by two disks"));
    CHECK(drives({a + ",partition=x", a}).error().text.contains("used by two disks"));
}

TEST_CASE("tools: a drive's file is locked, for writing by one, for reading by many")
{
    Folder folder;
    fs::path const a = fs::canonical(folder.file("a"));
    auto const first = LockedDrives::lock({{a, false}});
    REQUIRE(first);
    CHECK(LockedDrives::lock({{a, false}}).error().text == a.string() + ": already in use: another program has locked it");
    CHECK_FALSE(LockedDrives::lock({{a, true}}));
    fs::path const b = fs::canonical(folder.file("b"));
    auto const reading = LockedDrives::lock({{b, true}}), too = LockedDrives::lock({{b, true}});
    CHECK(reading);
    CHECK(too);
    CHECK_FALSE(LockedDrives::lock({{b, false}}));
    fs::path const c = fs::canonical(folder.file("c"));
    folder.file("c.lock", 0);
    CHECK(LockedDrives::lock({{c, false}}));
    CHECK_FALSE(fs::exists(c.string() + ".lock"));
    folder.file("c.lock", 5);                          // no lock of Bochs's: those are empty
    CHECK(LockedDrives::lock({{c, false}}));
    CHECK(fs::exists(c.string() + ".lock"));
}

TEST_CASE("tools: the service reads the disks that were planned")
{
    Folder folder;
    auto const disk = folder.file("disk.img"), kernel = folder.file("kernel");
    auto plan = parse_description(std::format(R"({{"guests": [
        {{"name": "a", "memory": "64m", "kernel": "{0}", "disks": [{{"file": "{1}", "partition": "left", "write_through": true}}, {{"size": "4m", "serial": "scratch"}}]}},
        {{"name": "b", "memory": "64m", "kernel": "{0}", "disks": [{{"file": "{1}", "partuuid": "00112233-4455-6677-8899-aabbccddeeff", "overlay": "2m"}},
            {{"file": "{1}", "ram": true}}, {{"file": "{1}", "ram": true, "read_only": true}}, {{"file": "{1}", "pmem": "lazy"}}]}}]}})", kernel, disk), "d", "/");
    REQUIRE(plan);
    for (auto& guest : plan->guests)
        for (auto& one : guest.disks)
            REQUIRE(check_disk(one));
    auto const manifest = make_manifest(*plan);
    REQUIRE(manifest);
    CHECK(manifest->drives.size() == 1);
    auto const reader = ManifestReader::parse(manifest->bytes);
    REQUIRE(reader);
    REQUIRE(reader->disk_count() == 6);
    auto const read = [&](u32 i) { return service::DiskRecipe::read(*reader, i).value(); };
    CHECK(read(0).part().label == "left");
    CHECK(read(0).entry.source == 1);
    CHECK(read(0).has(abi::DiskOption::write_through));
    CHECK(read(0).serial() == "disk.img");
    CHECK(read(1).entry.bytes == 4 << 20);
    CHECK(read(1).serial() == "scratch");
    CHECK(read(2).entry.guest == 1);
    CHECK(read(2).part().uuid[0] == 0x33);
    CHECK(read(2).entry.overlay == 2 << 20);
    CHECK(read(3).entry.source != read(4).entry.source);           // what is written to is a copy of its own
    CHECK(read(4).read_only());
    CHECK(read(5).is_area());
    CHECK(read(5).has(abi::DiskOption::lazy));
    CHECK(read(5).entry.source == read(4).entry.source);           // nothing is copied for it
}

TEST_CASE("tools: bad disks in a description are refused with the place")
{
    auto const wrong = [](std::string_view disk) {
        auto const plan = parse_description(std::format(R"({{"guests": [{{"name": "a", "memory": "1m", "kernel": "k", "disks": [{}]}}]}})", disk), "d", "/");
        return plan ? "accepted" : plan.error().text;
    };
    CHECK(wrong("1") == "d: guest 0: disk 0: an object is wanted");
    CHECK(wrong("{}") == "d: guest 0: disk 0: \"file\" must be given as a text");
    CHECK(wrong(R"({"file": "x", "size": "1m"})").contains("not both"));
    CHECK(wrong(R"({"file": "x", "ro": true})").contains("unknown key \"ro\""));
    CHECK(wrong(R"({"file": "x", "partuuid": "x"})").contains("is no PARTUUID"));
    CHECK(wrong(R"({"file": "x", "overlay": true})").contains("\"overlay\" must be given as a text"));
}
