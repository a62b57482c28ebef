// SPDX-License-Identifier: Apache-2.0
//
// build/kennel: the program on the user's machine. One verb, one file.
#include "tools/kennel/check.hpp"
#include "tools/kennel/doctor.hpp"
#include "tools/kennel/help.hpp"
#include "tools/kennel/operate.hpp"
#include "tools/kennel/image.hpp"
#include "tools/kennel/inspect.hpp"
#include "tools/kennel/run.hpp"
#include "tools/kennel/terminal.hpp"
#include "tools/kennel/usage.hpp"
#include "tools/kennel/version.hpp"
#include <algorithm>

int main(int count, char** words)
{
    using namespace kennel::tool;
    auto status = ExitStatus::ok;
    CLI::App program{"Kennel: a microhypervisor for x86-64", "kennel"};
    program.require_subcommand(0, 1);
    // What follows a `--` is the kernel's, whatever it looks like.
    std::vector<std::string> all{words + 1, words + count};
    auto const mark = std::ranges::find(all, "--");
    std::vector<std::string> const more{mark == all.end() ? mark : mark + 1, all.end()};
    all.erase(mark, all.end());
    add_run(program, more, status);
    add_check(program, status);
    add_image(program, status);
    add_inspect(program, status);
    add_doctor(program, status);
    add_operate(program, status);
    add_documentation(program);
    program.set_version_flag("--version", std::format("kennel {}", build_id()), "The version, and the commit it was built from");
    program.footer("Examples:\n"
                   "  kennel run 128m vmlinuz --initrd=initrd.img  one guest, at once\n"
                   "  kennel check machine.toml                    what is wrong with it\n"
                   "  kennel image machine.toml -o disk.img        a disk that boots it\n\n"
                   "kennel VERB --help tells more; so does the manual page, man kennel.");
    use_own_help(program);
    if (auto const fault = words_fault(program, all); !fault.empty()) {
        say("{} (kennel --help)", fault);
        return static_cast<int>(ExitStatus::bad_usage);
    }
    std::ranges::reverse(all);                         // the order in which CLI11 wants a vector
    try {
        program.parse(std::move(all));
    } catch (CLI::Success const& answered) {          // --help
        return program.exit(answered);
    } catch (CLI::ParseError const& error) {
        auto const chosen = program.get_subcommands();
        say("{} (kennel {}--help)", parse_fault(program, error), chosen.empty() ? "" : chosen.front()->get_name() + ' ');
        return static_cast<int>(ExitStatus::bad_usage);
    } catch (std::exception const& error) {
        restore_terminal();
        say("{}", error.what());
        return static_cast<int>(ExitStatus::machine_failed);
    }
    return static_cast<int>(status);
}
