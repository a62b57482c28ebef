// SPDX-License-Identifier: Apache-2.0
//
// Disks of a machine that is a folder: what is on them, and why an image may not go there.
#include "tools/kennel/device.hpp"
#include <doctest/doctest.h>

using namespace kennel;
using namespace kennel::tool;

namespace {

struct Machine {
    TemporaryFolder folder = TemporaryFolder::create().value();
    Machine()
    {
        put("sys/devices/usb1/sdb/size", "2048000\n");
        put("sys/devices/usb1/sdb/dev", "8:16\n");
        put("sys/devices/usb1/sdb/removable", "0\n");
        put("sys/devices/usb1/sdb/device/vendor", "Maker   \n");
        put("sys/devices/usb1/sdb/device/model", "Stick\n");
        put("sys/devices/usb1/sdb/sdb1/partition", "1\n");
        put("sys/devices/usb1/sdb/sdb1/size", "2000\n");
        put("sys/devices/usb1/sdb/sdb1/dev", "8:17\n");
        put("sys/devices/pci0/sda/size", "99\n");
        put("sys/devices/pci0/sda/dev", "8:0\n");
        put("sys/devices/pci0/sda/removable", "0\n");
        put("proc/self/mountinfo", "22 1 0:21 / /proc rw - proc proc rw\n");
        put("proc/swaps", "Filename Type Size Used Priority\n");
        fs::create_directories(folder.path() / "sys/class/block");
        for (auto const& [name, place] : {std::pair{"sdb", "usb1/sdb"}, {"sdb1", "usb1/sdb/sdb1"}, {"sda", "pci0/sda"}})
            fs::create_directory_symlink(folder.path() / "sys/devices" / place, folder.path() / "sys/class/block" / name);
    }
    void put(fs::path const& path, std::string_view text)
    {
        fs::create_directories((folder.path() / path).parent_path());
        CHECK(write_file(folder.path() / path, text));
    }
    Device look(std::string const& name) { return look_at_device(folder.path(), name).value(); }
};

} // namespace

TEST_CASE("device: a USB stick and its partitions")
{
    Machine machine;
    auto const stick = machine.look("sdb");
    CHECK(stick.size == 2048000 * 512);
    CHECK(stick.removable);
    CHECK(stick.objection() == "");
    CHECK(stick.lines() == std::vector<std::string>{"/dev/sdb: Maker Stick, 1048 MB", "  sdb1: 1 MB"});
    CHECK(look_at_device(machine.folder.path(), "sdb1").error().text == "/dev/sdb1: a partition; the whole device is wanted");
}

TEST_CASE("device: one that is in use, or not removable, cannot be meant")
{
    Machine machine;
    CHECK(machine.look("sda").objection() == "/dev/sda is not removable: it may be a disk of this machine");
    machine.put("proc/self/mountinfo", "22 1 8:17 / /media/stick rw - vfat /dev/sdb1 rw\n");
    CHECK(machine.look("sdb").objection() == "sdb1 is mounted on /media/stick");
    CHECK(machine.look("sdb").lines()[1] == "  sdb1: 1 MB, mounted on /media/stick");
    machine.put("proc/self/mountinfo", "22 1 8:16 / / rw - vfat /dev/sdb rw\n");
    CHECK(machine.look("sdb").objection() == "/dev/sdb is mounted on /");
    machine.put("proc/self/mountinfo", "22 1 0:48 / /media/stick rw shared:5 - btrfs /dev/sdb1 rw\n");
    CHECK(machine.look("sdb").objection() == "sdb1 is mounted on /media/stick");
    machine.put("proc/self/mountinfo", "");
    machine.put("proc/swaps", "Filename Type\n/dev/sdb1 partition 1 0 -2\n");
    CHECK(machine.look("sdb").objection() == "sdb1 is used as swap");
    machine.put("proc/swaps", "");
    machine.put("sys/devices/usb1/sdb/sdb1/holders/dm-0/x", "");
    CHECK(machine.look("sdb").objection() == "sdb1 is used by dm-0");
}

TEST_CASE("device: what is no disk")
{
    Machine machine;
    auto const fault = [](fs::path const& path) { return look_at_device(path).error().text; };
    CHECK(fault("/dev/null") == "/dev/null: another kind of device, no disk");
    CHECK(fault("/dev/nothing") == "/dev/nothing: no such device");
    CHECK(fault(machine.folder.path()).ends_with("a folder, no disk"));
    CHECK(fault(machine.folder.path() / "proc/swaps").ends_with("a file (-o writes files), no disk"));
}
