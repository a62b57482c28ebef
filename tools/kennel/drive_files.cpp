// SPDX-License-Identifier: Apache-2.0
//
// See drive_files.hpp.
#include "tools/kennel/drive_files.hpp"
#include "tools/kennel/terminal.hpp"
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

namespace kennel::tool {

namespace {

// Processes that have the file open for writing, and loop devices made of it: what a lock of ours says nothing about.
std::string writer_of(fs::path const& path, struct stat const& wanted)
{
    std::error_code error;
    for (auto const& process : fs::directory_iterator{"/proc", fs::directory_options::skip_permission_denied, error}) {
        auto const number = process.path().filename().string();
        if (!std::ranges::all_of(number, [](unsigned char c) { return std::isdigit(c) != 0; }) || number == std::to_string(getpid()))
            continue;
        for (auto const& handle : fs::directory_iterator{process.path() / "fd", fs::directory_options::skip_permission_denied, error}) {
            struct stat found{};
            if (stat(handle.path().c_str(), &found) != 0 || found.st_dev != wanted.st_dev || found.st_ino != wanted.st_ino)
                continue;
            std::ifstream information{process.path() / "fdinfo" / handle.path().filename()};
            unsigned flags = 0;
            for (std::string key; information >> key && key != "flags:";) {}
            information >> std::oct >> flags;
            if ((flags & O_ACCMODE) == O_RDONLY)
                continue;
            std::string name;
            std::getline(std::ifstream{process.path() / "comm"}, name);
            return std::format("process {} ({}) has it open", number, name);
        }
    }
    for (auto const& device : fs::directory_iterator{"/sys/block", fs::directory_options::skip_permission_denied, error}) {
        std::string backing;
        if (std::ifstream stream{device.path() / "loop/backing_file"}; std::getline(stream, backing) && backing == path.string())
            return std::format("/dev/{} is made of it", device.path().filename().string());
    }
    return {};
}

} // namespace

Or<std::vector<DriveFile>> drives_for(std::vector<DiskPlan const*> const& disks)
{
    std::vector<DriveFile> drives;
    for (DiskPlan const* disk : disks) {
        if (disk->kind != abi::MediumKind::drive || disk->own_drive)
            continue;
        std::error_code error;
        auto const path = fs::canonical(disk->file, error);
        if (error)
            return bad_usage("{}: {}", disk->file.string(), error.message());
        auto const known = std::ranges::find(drives, path, &DriveFile::path);
        if (known != drives.end())
            known->read_only = known->read_only && !disk->changes_file();
        else if (drives.size() == most_drives)
            return bad_usage("{}: one disk too many: the machine has four drives, and the first is its own, so {} files are possible (',ram' loads one into RAM)",
                             disk->file.string(), most_drives);
        else
            drives.push_back({path, !disk->changes_file()});
        for (DiskPlan const* other : disks) {
            if (other == disk)
                break;
            if (other->kind == abi::MediumKind::drive && fs::equivalent(other->file, disk->file, error) && !may_share(*disk, *other))
                return bad_usage("{}: used by two disks, and one of them writes to it: give each a partition of its own, or 'ro' or 'overlay' to both", disk->file.string());
        }
    }
    return drives;
}

u32 drive_number(std::vector<DriveFile> const& drives, DiskPlan const& disk)
{
    std::error_code error;
    auto const path = fs::canonical(disk.file, error);
    return static_cast<u32>(std::ranges::find(drives, path, &DriveFile::path) - drives.begin()) + 1;
}

// ---- locks ----

Or<LockedDrives> LockedDrives::lock(std::vector<DriveFile> drives)
{
    LockedDrives locked;
    for (DriveFile const& drive : drives) {
        auto const& path = drive.path;
        int const handle = open(path.c_str(), (drive.read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC);
        if (handle < 0)
            return bad_usage("{}: {}{}", path.string(), std::strerror(errno), errno == EACCES && !drive.read_only ? "; with ',ro' or ',overlay' it is only read" : "");
        locked.handles_.push_back(handle);
        if (flock(handle, (drive.read_only ? LOCK_SH : LOCK_EX) | LOCK_NB) != 0)
            return bad_usage("{}: already in use: another program has locked it", path.string());
        struct stat status{};
        if (fstat(handle, &status) != 0)
            return bad_usage("{}: {}", path.string(), std::strerror(errno));
        if (auto const writer = writer_of(path, status); !writer.empty())
            return bad_usage("{}: already in use: {}", path.string(), writer);
        // Bochs leaves one when it is killed, and takes it for a running Bochs the next time. Nobody has the file open, so it is that.
        fs::path const stale = path.string() + ".lock";
        std::error_code error;
        if (fs::is_regular_file(stale, error) && fs::file_size(stale, error) == 0) {
            fs::remove(stale, error);
            say("removed {}, left by an emulator that is gone", stale.string());
        }
    }
    locked.drives_ = std::move(drives);
    return locked;
}

LockedDrives::~LockedDrives()
{
    for (int const handle : handles_)
        close(handle);
}

} // namespace kennel::tool
