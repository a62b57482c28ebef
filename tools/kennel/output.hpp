// SPDX-License-Identifier: Apache-2.0
//
// Where an image goes: a new file that appears whole or not at all, or a device.
#pragma once
#include "tools/kennel/file.hpp"

namespace kennel::tool {

// Shows on a terminal how far a long write is; silent elsewhere.
class Progress {
public:
    explicit Progress(std::string what);
    ~Progress();
    Progress(Progress const&) = delete;
    Progress& operator=(Progress const&) = delete;

    void expect(u64 bytes) { total_ += bytes; }
    void done(u64 bytes);

private:
    std::string what_;
    u64  total_ = 0, done_ = 0;
    u32  shown_ = 101;                  // percent
    bool visible_;
};

class Output {
public:
    // A file beside `target` that has no name yet, or a hidden one where the file system cannot do without; gone with this
    // object, also when the program is killed (where it had no name), unless commit() put it in `target`'s place.
    static Or<Output> create(fs::path const& target);
    // A file at once, that nobody else knows of: what was there is gone.
    static Or<Output> scratch(fs::path const& path);
    // A device, opened so that the kernel refuses while something else has it, unless that shall not matter.
    static Or<Output> device(fs::path const& path, bool in_use_too);

    Output(Output&& other) noexcept
        : file_{std::exchange(other.file_, -1)}, target_{std::move(other.target_)}, hidden_{std::exchange(other.hidden_, {})} {}
    Output& operator=(Output&&) = delete;
    ~Output();

    // Also ends with a fault, status 130, when the user or the system has sent a signal to end: signals must be blocked.
    Or<void> write(u64 offset, std::span<u8 const> bytes);
    Or<void> resize(u64 bytes);         // of a file
    Or<void> flush();
    Or<void> commit();                  // flushes, then gives the file its name
    int      descriptor() const { return file_; }

private:
    Output(int file, fs::path target, fs::path hidden) : file_{file}, target_{std::move(target)}, hidden_{std::move(hidden)} {}
    std::unexpected<Fault> failed() const;

    int      file_;
    fs::path target_;
    fs::path hidden_;                   // its name for now; empty: none
};

} // namespace kennel::tool
