// SPDX-License-Identifier: Apache-2.0
//
// See file.hpp.
#include "tools/kennel/file.hpp"
#include "tools/kennel/size.hpp"
#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <fstream>

namespace kennel::tool {

namespace {

Or<std::vector<u8>> read_bytes(fs::path const& path, u64 size)
{
    std::ifstream stream{path, std::ios::binary};
    if (!stream)
        return bad_usage("{}: {}", path.string(), std::strerror(errno));
    std::vector<u8> bytes(size);
    stream.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(size));
    if (static_cast<u64>(stream.gcount()) != size)
        return bad_usage("{}: only {} of {} bytes can be read", path.string(), stream.gcount(), size);
    return bytes;
}

} // namespace

Or<u64> size_of_file(fs::path const& path)
{
    std::error_code error;
    auto const status = fs::status(path, error);
    switch (status.type()) {
    case fs::file_type::regular:   break;
    case fs::file_type::not_found: return bad_usage("{}: no such file", path.string());
    case fs::file_type::directory: return bad_usage("{}: a folder, not a file", path.string());
    case fs::file_type::none:      return bad_usage("{}: {}", path.string(), error.message());
    default:                       return bad_usage("{}: a device, pipe or socket, not a file", path.string());
    }
    u64 const size = fs::file_size(path, error);
    if (error)
        return bad_usage("{}: {}", path.string(), error.message());
    return size;
}

Or<std::vector<u8>> read_file(fs::path const& path, u64 most)
{
    u64 const size = TRY(size_of_file(path));
    if (size > most)
        return bad_usage("{}: {} bytes; at most {} is possible", path.string(), size, size_text(most));
    return read_bytes(path, size);
}

Or<std::vector<u8>> read_start(fs::path const& path, usize count)
{
    return read_bytes(path, std::min<u64>(TRY(size_of_file(path)), count));
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

Or<fs::path> canonical_path(fs::path const& path)
{
    std::error_code error;
    auto real = fs::canonical(path, error);
    if (error)
        return bad_usage("{}: {}", path.string(), error.message());
    return real;
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
