// SPDX-License-Identifier: Apache-2.0
//
// See file.hpp.
#include "tools/kennel/file.hpp"
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <fstream>

namespace kennel::tool {

namespace {

constexpr u64 largest_file = u64{1} << 30;

} // namespace

Or<std::vector<u8>> read_file(fs::path const& path)
{
    std::error_code error;
    auto const status = fs::status(path, error);
    if (status.type() == fs::file_type::not_found)
        return bad_usage("{}: no such file", path.string());
    if (status.type() != fs::file_type::regular)
        return bad_usage("{}: not a file", path.string());
    u64 const size = fs::file_size(path, error);
    if (error)
        return bad_usage("{}: {}", path.string(), error.message());
    if (size > largest_file)
        return bad_usage("{}: {} bytes; at most 1g is possible", path.string(), size);
    std::ifstream stream{path, std::ios::binary};
    if (!stream)
        return bad_usage("{}: {}", path.string(), std::strerror(errno));
    std::vector<u8> bytes(size);
    stream.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(size));
    if (static_cast<u64>(stream.gcount()) != size)
        return bad_usage("{}: only {} of {} bytes can be read", path.string(), stream.gcount(), size);
    return bytes;
}

Or<void> write_file(fs::path const& path, std::span<u8 const> bytes)
{
    std::ofstream stream{path, std::ios::binary | std::ios::trunc};
    stream.write(reinterpret_cast<char const*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    stream.close();
    if (!stream)
        return machine_failed("{}: cannot be written: {}", path.string(), std::strerror(errno));
    return {};
}

Or<void> write_file(fs::path const& path, std::string_view text)
{
    return write_file(path, std::span{reinterpret_cast<u8 const*>(text.data()), text.size()});
}

std::string last_lines(fs::path const& path, usize count)
{
    std::ifstream stream{path};
    std::deque<std::string> lines;
    for (std::string line; std::getline(stream, line);) {
        lines.push_back(line);
        if (lines.size() > count)
            lines.pop_front();
    }
    std::string text;
    for (auto const& line : lines)
        text += line + '\n';
    return text;
}

fs::path own_folder() { return fs::read_symlink("/proc/self/exe").parent_path(); }

Or<TemporaryFolder> TemporaryFolder::create()
{
    std::error_code error;
    std::string name = (fs::temp_directory_path(error) / "kennel.XXXXXX").string();
    if (error || mkdtemp(name.data()) == nullptr)
        return machine_failed("cannot make a temporary folder {}: {}", name, error ? error.message() : std::strerror(errno));
    return TemporaryFolder{name};
}

TemporaryFolder::~TemporaryFolder()
{
    std::error_code ignored;
    if (!path_.empty())
        fs::remove_all(path_, ignored);
}

} // namespace kennel::tool
