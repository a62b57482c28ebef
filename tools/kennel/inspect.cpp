// SPDX-License-Identifier: Apache-2.0
//
// See inspect.hpp.
#include "tools/kennel/inspect.hpp"
#include "hv/abi/manifest.hpp"
#include "tools/kennel/file.hpp"
#include "tools/kennel/inspection.hpp"
#include "tools/kennel/size.hpp"
#include "tools/kennel/terminal.hpp"
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <memory>
#include <nlohmann/json.hpp>
#include <sys/stat.h>
#include <unistd.h>

namespace kennel::tool {

namespace {

struct Words {
    std::string image;
    bool json = false;
};

class ImageFile {
public:
    static Or<ImageFile> open(std::string const& path)
    {
        // O_NONBLOCK: a pipe nobody writes to shall be refused, not awaited.
        int const file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        if (file < 0)
            return bad_usage("{}: {}", path, errno == ENOENT ? "no such file" : std::strerror(errno));
        ImageFile image{file};
        struct stat status{};
        if (fstat(file, &status) != 0 || !(S_ISREG(status.st_mode) || S_ISBLK(status.st_mode)))
            return bad_usage("{}: {}, neither a file nor a disk", path, S_ISDIR(status.st_mode) ? "a folder" : "a device, pipe or socket");
        auto const size = lseek(file, 0, SEEK_END);
        if (size < 0)
            return bad_usage("{}: {}", path, std::strerror(errno));
        image.size_ = static_cast<u64>(size);
        return image;
    }

    ImageFile(ImageFile&& other) noexcept : file_{std::exchange(other.file_, -1)}, size_{other.size_} {}
    ImageFile& operator=(ImageFile&&) = delete;
    ~ImageFile()
    {
        if (file_ >= 0)
            close(file_);
    }

    Bytes bytes() const
    {
        return {.size = size_, .read = [file = file_](u64 offset, std::span<u8> into) {
            while (!into.empty()) {
                auto const count = pread(file, into.data(), into.size(), static_cast<off_t>(offset));
                if (count <= 0)
                    return false;
                offset += static_cast<u64>(count);
                into = into.subspan(static_cast<usize>(count));
            }
            return true;
        }};
    }

private:
    explicit ImageFile(int file) : file_{file} {}
    int file_;
    u64 size_ = 0;
};

std::string json_of(std::string const& path, Inspection const& found)
{
    using nlohmann::json;
    auto partitions = json::array(), files = json::array(), guests = json::array();
    for (auto const& partition : found.gpt.partitions)
        partitions.push_back({{"name", partition.name}, {"id", guid_text(partition.id)}, {"type", guid_text(partition.type)}, {"offset", partition.offset}, {"size", partition.size}});
    for (auto const& file : found.files)
        files.push_back({{"path", file.path}, {"size", file.size}, {"sha256", file.sum}});
    for (auto const& guest : found.guests)
        guests.push_back({{"name", guest.name}, {"memory", guest.memory}, {"kernel", guest.kernel}, {"initrd", guest.initrd.empty() ? json{} : json(guest.initrd)},
                          {"command_line", guest.command_line}, {"cpu", guest.cpu == abi::any_cpu ? json{} : json(guest.cpu)}, {"weight", guest.weight},
                          {"policy", guest.policy}, {"service", guest.service}});
    json const all{{"image", path}, {"ok", found.faults.empty()}, {"size", found.size}, {"partitioned", found.partitioned},
                   {"disk", found.partitioned ? json(guid_text(found.gpt.disk)) : json{}}, {"partitions", partitions}, {"files", files}, {"guests", guests},
                   {"options", found.options}, {"checksums", found.has_checksums}, {"faults", found.faults}};
    return all.dump(2, ' ', false, json::error_handler_t::replace) + '\n';
}

std::string text_of(std::string const& path, Inspection const& found)
{
    std::string text = std::format("{}: {} bytes, {}\n", path, found.size, found.partitioned ? "disk " + guid_text(found.gpt.disk) : "one file system, no partitions");
    for (auto const& partition : found.gpt.partitions)
        text += std::format("partition {:<16} {:>12} bytes at {:<12} {}{}\n", partition.name.empty() ? "-" : partition.name, partition.size, partition.offset,
                            guid_text(partition.id), partition.type == esp_type ? "  EFI system" : "");
    for (auto const& file : found.files)
        text += std::format("file      {:<28} {:>10} bytes  {}\n", file.path, file.size, file.sum.substr(0, 16));
    for (auto const& guest : found.guests)
        text += std::format("guest     {:<16} {:>6}  {}{}  weight {}, {}, {} on stop: {}\n          {}\n", guest.name, size_text(guest.memory), guest.kernel,
                            guest.initrd.empty() ? "" : " + " + guest.initrd, guest.weight, guest.cpu == abi::any_cpu ? "any CPU" : std::format("CPU {}", guest.cpu),
                            guest.service, guest.policy, guest.command_line);
    for (auto const& option : found.options)
        text += std::format("option    {}\n", option);
    text += found.faults.empty() ? found.has_checksums ? "whole: every checksum is right\n" : "no fault found; there are no checksums of the files\n"
                                 : std::format("damaged: {} fault{}\n", found.faults.size(), found.faults.size() == 1 ? "" : "s");
    return text;
}

Or<ExitStatus> inspect(Words const& words)
{
    if (words.image.empty())
        return bad_usage("IMAGE is missing: kennel inspect disk.img");
    auto const file = TRY(ImageFile::open(words.image));
    auto const found = inspect_image(file.bytes());
    if (!found)
        return bad_usage("{}: {}", words.image, found.error().text);
    std::fputs((words.json ? json_of(words.image, *found) : text_of(words.image, *found)).c_str(), stdout);
    if (!words.json)
        for (auto const& fault : found->faults)
            say("{}: {}", words.image, fault);
    return found->faults.empty() ? ExitStatus::ok : ExitStatus::bad_usage;
}

} // namespace

void add_inspect(CLI::App& program, ExitStatus& status)
{
    auto const words = std::make_shared<Words>();
    auto* const verb = program.add_subcommand("inspect", "Show what an image holds, and whether it is whole");
    verb->add_option("IMAGE", words->image, "A disk image, or a disk");
    verb->add_flag("--json", words->json, "As JSON");
    verb->footer("Example:\n"
                 "  kennel inspect disk.img\n\n"
                 "Exit status: 0 all that can be checked is right, 2 something is not.");
    verb->callback([words, &status] { status = spoken(inspect(*words)); });
}

} // namespace kennel::tool
