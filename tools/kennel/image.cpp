// SPDX-License-Identifier: Apache-2.0
//
// See image.hpp. The steps: configuration (checked) -> manifest -> DiskImage (everything placed) -> a new file, or a device.
#include "tools/kennel/image.hpp"
#include "tools/kennel/configuration.hpp"
#include "tools/kennel/device.hpp"
#include "tools/kennel/image_disks.hpp"
#include "tools/kennel/session.hpp"
#include "tools/kennel/size.hpp"
#include "tools/kennel/terminal.hpp"
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <linux/fs.h>
#include <memory>
#include <sys/ioctl.h>
#include <unistd.h>

namespace kennel::tool {

namespace {

struct Words {
    std::string file, output, device, images;
    bool yes = false, force = false;
};

constexpr usize chunk = 1 << 20;

Or<void> write_file(DiskImage const& image, fs::path const& target)
{
    auto output = TRY(Output::create(target));
    Progress progress{target.filename().string()};
    TRY(image.write(output, progress));
    return output.commit();
}

// What the device holds is shown first, and only the user can say that it may go.
Or<void> allow(Device const& device, DiskImage const& image, Words const& words)
{
    for (auto const& line : device.lines())
        say_line(line);
    if (device.size < image.size())
        return bad_usage("{} has {} bytes; the image has {}", device.path.string(), device.size, image.size());
    if (auto const objection = device.objection(); !objection.empty() && !words.force)
        return bad_usage("{}; nothing was written (--force writes in spite of that)", objection);
    if (words.yes)
        return {};
    if (!input_is_terminal())
        return bad_usage("all that is on {} would be lost: --yes says that this is meant; nothing was written", device.path.string());
    say_line(std::format("All that is on {} will be lost. Type yes to write the image:", device.path.string()));
    std::string answer;
    std::getline(std::cin, answer);
    return answer == "yes" ? Or<void>{} : Or<void>{bad_usage("the answer was not yes: nothing was written")};
}

// Whole, the zeros too: what was there before shall not show through. The partition table is that of the device's own size.
Or<void> write_device(DiskImage const& image, Device const& device, bool forced, fs::path const& folder)
{
    auto made = TRY(Output::create(folder / "disk.img"));
    {
        Progress progress{"image"};
        TRY(image.write(made, progress));
    }
    auto output = TRY(Output::device(device.path, forced));
    Progress progress{device.path.string()};
    progress.expect(image.size());
    std::vector<u8> part(chunk);
    for (u64 at = 0; at < image.size(); at += part.size()) {
        part.resize(std::min<u64>(chunk, image.size() - at));
        if (pread(made.descriptor(), part.data(), part.size(), static_cast<off_t>(at)) != static_cast<ssize_t>(part.size()))
            return machine_failed("the image cannot be read back: {}", std::strerror(errno));
        TRY(output.write(at, part));
        progress.done(part.size());
    }
    u64 const size = device.size / sector * sector;
    auto const [start, end] = make_gpt(image.gpt(), size);
    TRY(output.write(size - end.size(), end));
    TRY(output.write(0, start));
    TRY(output.flush());
    ioctl(output.descriptor(), BLKRRPART);             // the system may look at its partitions now; it need not
    return {};
}

std::string size_in_words(u64 bytes) { return size_text(round_up(bytes, 1 << 20)); }

Or<ExitStatus> make(Words const& words)
{
    if (words.file.empty())
        return bad_usage("FILE.toml is missing: kennel image FILE.toml -o disk.img");
    if (words.output.empty() == words.device.empty())
        return bad_usage("{}: kennel image FILE.toml -o disk.img, or --write=/dev/sdX", words.output.empty() ? "-o is missing" : "-o and --write exclude each other");
    auto configuration = TRY(use_configuration(words.file));
    TRY(check_plan(configuration.plan));
    TRY(check_output(words.output, configuration.plan, words.file));
    u64 const time = TRY(image_time());
    block_ending_signals();
    auto const temporary = TRY(TemporaryFolder::create());
    auto data = TRY(move_disks_into_image(configuration.plan, temporary.path()));
    auto const disks = data.size();
    auto const manifest = TRY(make_manifest(configuration.plan));
    auto files = TRY(esp_files(find_images(words.images), manifest));
    DiskImage const image{std::move(files), std::move(data), Checksums::with, time};
    if (words.device.empty()) {
        TRY(write_file(image, words.output));
    } else {
        auto const device = TRY(look_at_device(words.device));
        TRY(allow(device, image, words));
        TRY(write_device(image, device, words.force, temporary.path()));
    }
    auto const counted = [](usize count, std::string_view noun) { return std::format("{} {}{}", count, noun, count == 1 ? "" : "s"); };
    std::fputs(std::format("{}: {}, {}, {}, {}, made for a machine with at least {} of memory\n", words.device.empty() ? words.output : words.device,
                           size_in_words(image.size()), counted(configuration.plan.guests.size(), "guest"), counted(image.file_count(), "file"), counted(disks, "disk"),
                           size_in_words(least_machine_memory(configuration.plan))).c_str(), stdout);
    return ExitStatus::ok;
}

} // namespace

void add_image(CLI::App& program, ExitStatus& status)
{
    auto const words = std::make_shared<Words>();
    auto* const verb = program.add_subcommand("image", "Make a disk that boots a configuration");
    verb->option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
    verb->add_option("FILE", words->file, "The configuration, in TOML");
    verb->add_option("-o,--output", words->output, "The image to make; nothing is left of it when that fails")->type_name("FILE");
    verb->add_option("--write", words->device, "Write it to a disk, after showing what is there and asking")->type_name("DEVICE");
    verb->add_flag("--yes", words->yes, "Do not ask");
    verb->add_flag("--force", words->force, "Also to a disk in use, or of this machine");
    verb->add_option("--images", words->images, "The folder with loader, hypervisor and service; default: this program's")->type_name("FOLDER")->group("");
    verb->footer("The same configuration and files give the same bytes. Examples:\n"
                 "  kennel image machine.toml -o disk.img && kennel inspect disk.img\n"
                 "  kennel image machine.toml --write=/dev/sdX");
    verb->callback([words, &status] { status = spoken(make(*words)); });
}

} // namespace kennel::tool
