// SPDX-License-Identifier: Apache-2.0
//
// Files of the user's machine: whole files in, whole files out, and a folder that goes away by itself.
#pragma once
#include "tools/kennel/fault.hpp"
#include <filesystem>
#include <span>
#include <string_view>
#include <vector>

namespace kennel::tool {

namespace fs = std::filesystem;

inline constexpr u64 largest_file = u64{1} << 30;

Or<std::vector<u8>> read_file(fs::path const& path, u64 most = largest_file);   // refuses what is no file, or larger
Or<u64>             size_of_file(fs::path const& path);                             // refuses what is no file
Or<std::vector<u8>> read_start(fs::path const& path, usize count);               // the first bytes, or all of them
Or<void>            write_file(fs::path const& path, std::span<u8 const> bytes);
Or<void>            write_file(fs::path const& path, std::string_view text);
Or<fs::path>         canonical_path(fs::path const& path);                        // of something that exists
std::string         last_lines(fs::path const& path, usize count);   // "" when there is no such file
fs::path            own_folder();                                     // of this program: the build folder

class TemporaryFolder {
public:
    static Or<TemporaryFolder> create();
    TemporaryFolder(TemporaryFolder&& other) noexcept : path_{std::exchange(other.path_, {})} {}
    TemporaryFolder& operator=(TemporaryFolder&&) = delete;
    ~TemporaryFolder();

    fs::path const& path() const { return path_; }

private:
    explicit TemporaryFolder(fs::path path) : path_{std::move(path)} {}
    fs::path path_;
};

} // namespace kennel::tool
