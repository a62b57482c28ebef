// SPDX-License-Identifier: Apache-2.0
//
// A disk of this machine that an image shall be written to: what is on it, and whether that can be meant.
#pragma once
#include "tools/kennel/file.hpp"

namespace kennel::tool {

struct DevicePart {
    std::string name;                  // sdb1
    u64         size;                  // bytes
    std::string use;                   // where it is mounted, or what else uses it; empty: nothing
};

struct Device {
    fs::path                path;
    std::string             model;     // maker and model, as the device says
    u64                     size = 0;  // bytes
    bool                    removable = false;
    std::string             use;       // of the whole device
    std::vector<DevicePart> parts;

    std::vector<std::string> lines() const;      // for the user: what would be lost
    std::string              objection() const;  // why it cannot be meant; empty: it can
};

// `root` is "/" but for tests, where /sys and /proc lie below it and `name` is the device's there.
Or<Device> look_at_device(fs::path const& path);
Or<Device> look_at_device(fs::path const& root, std::string const& name);

} // namespace kennel::tool
