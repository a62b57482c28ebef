// SPDX-License-Identifier: Apache-2.0
//
// See device.hpp. Linux: Documentation/admin-guide/devices.rst, ABI/stable/sysfs-block; mountinfo: proc(5).
#include "tools/kennel/device.hpp"
#include "tools/kennel/size.hpp"
#include <algorithm>
#include <charconv>
#include <fstream>
#include <map>
#include <sstream>
#include <sys/stat.h>
#include <sys/sysmacros.h>

namespace kennel::tool {

namespace {

std::string first_line(fs::path const& path)
{
    std::string line;
    std::ifstream stream{path};
    std::getline(stream, line);
    while (line.ends_with(' '))
        line.pop_back();
    return line;
}

u64 number_in(fs::path const& path)
{
    auto const text = first_line(path);
    u64 value = 0;
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
}

// What is mounted where: by device number ("8:17"), and by device name ("/dev/sdb1"), since file systems of several devices (btrfs)
// have numbers of their own. proc_pid_mountinfo(5): the fields behind a lone "-" are type and source.
std::map<std::string, std::string> mounts(fs::path const& root)
{
    std::map<std::string, std::string> places;
    std::ifstream stream{root / "proc/self/mountinfo"};
    for (std::string line; std::getline(stream, line);) {
        std::istringstream words{line};
        std::string id, parent, number, within, place;
        if (!(words >> id >> parent >> number >> within >> place))
            continue;
        places.emplace(number, place);
        std::string word, type, source;
        while (words >> word && word != "-") {}
        if (words >> type >> source)
            places.emplace(source, place);
    }
    return places;
}

std::string use_of(fs::path const& root, fs::path const& entry, std::string const& name, std::map<std::string, std::string> const& places)
{
    for (auto const& known_as : {first_line(entry / "dev"), "/dev/" + name})
        if (auto const found = places.find(known_as); found != places.end())
            return "mounted on " + found->second;
    std::ifstream swaps{root / "proc/swaps"};
    for (std::string word; swaps >> word;)
        if (word == "/dev/" + name)
            return "used as swap";
    std::error_code error;
    for (auto const& holder : fs::directory_iterator{entry / "holders", error})
        return "used by " + holder.path().filename().string();
    return {};
}

} // namespace

Or<Device> look_at_device(fs::path const& root, std::string const& name)
{
    fs::path const entry = root / "sys/class/block" / name;
    std::error_code error;
    if (fs::exists(entry / "partition", error))
        return bad_usage("/dev/{}: a partition; the whole device is wanted", name);
    auto const places = mounts(root);
    Device device{.path = fs::path{"/dev"} / name, .model = first_line(entry / "device/vendor"), .size = number_in(entry / "size") * 512, .use = use_of(root, entry, name, places), .parts = {}};
    if (auto const model = first_line(entry / "device/model"); !model.empty())
        device.model += (device.model.empty() ? "" : " ") + model;
    // A USB disk without removable media says 0; that it hangs on USB is enough.
    device.removable = number_in(entry / "removable") == 1 || fs::canonical(entry, error).string().contains("/usb");
    for (auto const& part : fs::directory_iterator{entry, error})
        if (auto const child = part.path().filename().string(); child.starts_with(name) && fs::exists(part.path() / "partition", error))
            device.parts.push_back({.name = child, .size = number_in(part.path() / "size") * 512, .use = use_of(root, part.path(), child, places)});
    std::ranges::sort(device.parts, {}, [](DevicePart const& part) { return std::pair{part.name.size(), part.name}; });
    return device;
}

Or<Device> look_at_device(fs::path const& path)
{
    struct stat status{};
    if (stat(path.c_str(), &status) != 0)
        return bad_usage("{}: no such device", path.string());
    if (!S_ISBLK(status.st_mode))
        return bad_usage("{}: {}, no disk", path.string(), S_ISREG(status.st_mode) ? "a file (-o writes files)" : S_ISDIR(status.st_mode) ? "a folder" : "another kind of device");
    std::error_code error;
    auto const target = fs::read_symlink(std::format("/sys/dev/block/{}:{}", major(status.st_rdev), minor(status.st_rdev)), error);
    if (error)
        return bad_usage("{}: the system knows nothing of it: {}", path.string(), error.message());
    auto device = TRY(look_at_device("/", target.filename().string()));
    device.path = path;
    return device;
}

std::vector<std::string> Device::lines() const
{
    std::vector<std::string> lines{std::format("{}: {}, {} MB{}{}", path.string(), model.empty() ? "unknown model" : model, size / 1'000'000, removable ? "" : ", not removable",
                                               use.empty() ? "" : ", " + use)};
    for (DevicePart const& part : parts)
        lines.push_back(std::format("  {}: {} MB{}{}", part.name, part.size / 1'000'000, part.use.empty() ? "" : ", ", part.use));
    if (parts.empty())
        lines.push_back("  no partitions");
    return lines;
}

std::string Device::objection() const
{
    if (!use.empty())
        return std::format("{} is {}", path.string(), use);
    for (DevicePart const& part : parts)
        if (!part.use.empty())
            return std::format("{} is {}", part.name, part.use);
    if (!removable)
        return std::format("{} is not removable: it may be a disk of this machine", path.string());
    return {};
}

} // namespace kennel::tool
