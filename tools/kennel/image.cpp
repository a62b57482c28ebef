// SPDX-License-Identifier: Apache-2.0
//
// See image.hpp. The steps: configuration (checked) -> manifest -> DiskImage (everything placed) -> a new file, or a device.
#include "tools/kennel/image.hpp"
#include "tools/kennel/configuration.hpp"
#include "tools/kennel/disk_image.hpp"
#include "tools/kennel/session.hpp"
#include "tools/kennel/size.hpp"
#include <cstdio>
#include <memory>

namespace kennel::tool {

namespace {

struct Words {
    std::string file, output, images;
};

Or<void> write_image(DiskImage const& image, fs::path const& target)
{
    auto output = TRY(Output::create(target));
    Progress progress{target.filename().string()};
    TRY(image.write(output, progress));
    return output.commit();
}

std::string size_in_words(u64 bytes) { return size_text(round_up(bytes, 1 << 20)); }

Or<ExitStatus> make(Words const& words)
{
    if (words.file.empty() || words.output.empty())
        return bad_usage("{} is missing: kennel image FILE.toml -o disk.img", words.file.empty() ? "FILE.toml" : "-o");
    auto configuration = TRY(use_configuration(words.file));
    TRY(check_plan(configuration.plan));
    auto const manifest = TRY(make_manifest(configuration.plan));
    u64 const time = TRY(image_time());
    auto const image = TRY(DiskImage::plan(find_images(words.images), manifest, {}, time));
    block_ending_signals();
    TRY(write_image(image, words.output));
    std::fputs(std::format("{}: {}, {} guest{}, {} files, made for a machine with at least {} of memory\n", words.output, size_in_words(image.size()),
                           configuration.plan.guests.size(), configuration.plan.guests.size() == 1 ? "" : "s", image.file_count(),
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
    verb->add_option("--images", words->images, "The folder with loader, hypervisor and service; default: this program's")->type_name("FOLDER")->group("");
    verb->footer("The same configuration and files give the same bytes. Example:\n"
                 "  kennel image machine.toml -o disk.img && kennel inspect disk.img");
    verb->callback([words, &status] { status = spoken(make(*words)); });
}

} // namespace kennel::tool
