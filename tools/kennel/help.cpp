// SPDX-License-Identifier: Apache-2.0
//
// See help.hpp. An option whose group is empty is for tests: none of the texts shows it. A type name with bars, as stop|hold, is
// a list of the words that are possible: completion offers them.
#include "tools/kennel/help.hpp"
#include "tools/kennel/version.hpp"
#include <algorithm>
#include <cstdio>
#include <format>
#include <memory>

namespace kennel::tool {

namespace {

constexpr std::size_t width = 80, first_column = 28;

std::vector<CLI::Option const*> options_of(CLI::App const& app)
{
    return app.get_options([](CLI::Option const* option) { return !option->get_group().empty() && option->nonpositional(); });
}

std::vector<CLI::Option const*> words_of(CLI::App const& app)
{
    return app.get_options([](CLI::Option const* option) { return !option->get_group().empty() && option->get_positional(); });
}

std::vector<CLI::App const*> verbs_of(CLI::App const& app)
{
    return app.get_subcommands([](CLI::App const* verb) { return !verb->get_group().empty(); });
}

// "-o, --output=FILE"
std::string form(CLI::Option const& option)
{
    std::string text;
    for (auto const& name : option.get_snames())
        text += std::format("-{}, ", name);
    for (auto const& name : option.get_lnames())
        text += std::format("--{}", name);
    if (option.get_items_expected_max() > 0)
        text += '=' + option.get_type_name();
    return text;
}

// Two columns; a description that is too long goes on in the second.
std::string row(std::string left, std::string_view right)
{
    left = "  " + left;
    std::string text = left;
    if (left.size() + 2 > first_column) {
        text += '\n';
        left.clear();
        text += std::string(first_column, ' ');
    } else {
        text += std::string(first_column - left.size(), ' ');
    }
    std::size_t column = first_column;
    while (!right.empty()) {
        auto const word = right.substr(0, right.find(' '));
        if (column > first_column && column + 1 + word.size() > width) {
            text += '\n' + std::string(first_column, ' ');
            column = first_column;
        } else if (column > first_column) {
            text += ' ';
            column++;
        }
        text += word;
        column += word.size();
        right.remove_prefix(std::min(right.size(), word.size() + 1));
    }
    return text + '\n';
}

class Help : public CLI::Formatter {
public:
    std::string make_help(CLI::App const* app, std::string, CLI::AppFormatMode) const override
    {
        std::string text;
        if (auto const verbs = verbs_of(*app); !verbs.empty()) {
            text = std::format("{}\n\nUsage: kennel VERB [options]\n\n", app->get_description());
            for (auto const* verb : verbs)
                text += row(verb->get_name(), verb->get_description());
        } else {
            text = std::format("{}\n\n{}\n", app->get_description(), usage_of(*app));
            auto const words = words_of(*app);
            text += words.empty() ? "" : "\n";
            for (auto const* word : words)
                text += row(word->get_name(true), word->get_description());
        }
        text += '\n';
        for (auto const* option : options_of(*app))
            text += row(form(*option), option->get_description());
        return app->get_footer().empty() ? text : text + '\n' + app->get_footer() + '\n';
    }

    static std::string usage_of(CLI::App const& app)
    {
        std::string usage = std::format("Usage: kennel {} [options]", app.get_name());
        for (auto const* word : words_of(app)) {
            auto const name = word->get_name(true);
            usage += word->get_items_expected_max() > 1 ? " [" + name + "...]" : !word->get_default_str().empty() ? " [" + name + ']' : ' ' + name;
        }
        return usage;
    }
};

// troff: a backslash begins an escape, a minus is a hyphen unless escaped, a leading dot or quote a request.
std::string troff(std::string_view text)
{
    std::string result;
    bool start = true;
    for (char const c : text) {
        if (start && (c == '.' || c == '\''))
            result += "\\&";
        if (c == '\\')
            result += "\\e";
        else if (c == '-')
            result += "\\-";
        else
            result += c;
        start = c == '\n';
    }
    return result;
}

std::string manual_options(CLI::App const& app)
{
    std::string text;
    for (auto const* word : words_of(app))
        text += std::format(".TP\n.I {}\n{}\n", troff(word->get_name(true)), troff(word->get_description()));
    for (auto const* option : options_of(app))
        text += std::format(".TP\n.B {}\n{}\n", troff(form(*option)), troff(option->get_description()));
    return text;
}

} // namespace

void use_own_help(CLI::App& program)
{
    auto const help = std::make_shared<Help>();
    program.formatter(help);
    program.set_help_flag("-h,--help", "This text; of a verb: kennel VERB --help");
    for (auto* const verb : program.get_subcommands([](CLI::App*) { return true; })) {
        verb->formatter(help);
        verb->set_help_flag("-h,--help", "This text");
    }
}

std::string manual_page(CLI::App const& program)
{
    std::string text = std::format(".\\\" Made by `kennel documentation man` from the options' definitions.\n.TH KENNEL 1 \"\" \"kennel {}\" \"User Commands\"\n"
                                   ".SH NAME\nkennel \\- {}\n.SH SYNOPSIS\n", build_id(), "run kernels as guests of the Kennel microhypervisor");
    for (auto const* verb : verbs_of(program))
        text += std::format(".B kennel {}\n{}\n.br\n", verb->get_name(), troff(Help::usage_of(*verb).substr(std::string_view{"Usage: kennel "}.size() + verb->get_name().size() + 1)));
    text += ".SH DESCRIPTION\n"
            "Kennel is a type\\-1 microhypervisor for x86\\-64. This program describes machines for it, runs them in an emulator or in QEMU\n"
            "with KVM, and makes disks that boot them on a real machine. A configuration is a TOML file; its keys are listed by\n"
            ".BR \"kennel check \\-\\-keys\" .\n.SH VERBS\n";
    for (auto const* verb : verbs_of(program)) {
        text += std::format(".SS \"kennel {}\"\n{}.\n{}", verb->get_name(), troff(verb->get_description()), manual_options(*verb));
        if (!verb->get_footer().empty())
            text += std::format(".PP\n.nf\n{}\n.fi\n", troff(verb->get_footer()));
    }
    text += std::format(".SH OPTIONS\n{}", manual_options(program));
    text += ".SH EXIT STATUS\n"
            ".TP\n0\nall is well; of `run`: all guests stopped as they should\n"
            ".TP\n1\na guest failed\n"
            ".TP\n2\nbad usage, a wrong configuration, a broken image; nothing was started or written\n"
            ".TP\n3\nthe machine could not start, or stopped without saying why; a file could not be written\n"
            ".TP\n124\nthe time limit was reached\n"
            ".TP\n130\nthe user left, or interrupted it\n"
            ".SH ENVIRONMENT\n"
            ".TP\n.B NO_COLOR\nno colours, whatever the terminal can\n"
            ".TP\n.B SOURCE_DATE_EPOCH\nthe time that the files in an image bear, seconds since 1970; without it, 1980\n"
            ".TP\n.B TMPDIR\nwhere a running machine keeps its disk and logs\n"
            ".TP\n.B XDG_CACHE_HOME\nwhere Bochs 3.0 is looked for, in kennel/; without it, ~/.cache\n";
    return text;
}

std::string bash_completion(CLI::App const& program)
{
    std::string verbs, cases, values;
    for (auto const* verb : verbs_of(program)) {
        verbs += (verbs.empty() ? "" : " ") + verb->get_name();
        std::string options;
        for (auto const* option : options_of(*verb))
            for (auto const& name : option->get_lnames()) {
                bool const has_value = option->get_items_expected_max() > 0;
                options += std::format("{}--{}{}", options.empty() ? "" : " ", name, has_value ? "=" : "");
                std::string words = option->get_type_name();
                if (!has_value || !words.contains('|'))
                    continue;
                std::ranges::replace(words, '|', ' ');
                values += std::format("        '{} --{}') COMPREPLY=($(compgen -W '{}' -- \"$word\")); return ;;\n", verb->get_name(), name, words);
            }
        auto const words = words_of(*verb);
        auto const things = words.empty() ? "nothing" : words[0]->get_name(true) == "GUEST" ? "guests" : "files";
        cases += std::format("        {}) options='{}' words={} ;;\n", verb->get_name(), options, things);
    }
    return std::format("# Made by `kennel documentation bash` from the options' definitions.\n"
                       "_kennel() {{\n"
                       "    local word=${{COMP_WORDS[COMP_CWORD]}} verb=${{COMP_WORDS[1]}} option='' options='' words=''\n"
                       "    COMPREPLY=()\n"
                       "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
                       "        COMPREPLY=($(compgen -W '{} --help --version' -- \"$word\"))\n"
                       "        return\n"
                       "    fi\n"
                       "    # bash takes --option=value for three words\n"
                       "    if [ \"$word\" = = ]; then option=${{COMP_WORDS[COMP_CWORD-1]}} word=''\n"
                       "    elif [ \"${{COMP_WORDS[COMP_CWORD-1]}}\" = = ]; then option=${{COMP_WORDS[COMP_CWORD-2]}}\n"
                       "    fi\n"
                       "    case \"$verb $option\" in\n{}"
                       "    esac\n"
                       "    case $verb in\n{}"
                       "    esac\n"
                       "    if [[ $word == -* ]]; then\n"
                       "        COMPREPLY=($(compgen -W \"$options\" -- \"$word\"))\n"
                       "        [[ ${{COMPREPLY[0]:-}} == *= ]] && compopt -o nospace\n"
                       "    elif [ \"$words\" = guests ] && [ -z \"$option\" ]; then\n"
                       "        COMPREPLY=($(compgen -W \"$(\"${{COMP_WORDS[0]}}\" list 2> /dev/null | sed '1d; s/ .*//')\" -- \"$word\"))\n"
                       "    elif [ \"$words\" = files ] || [ -n \"$option\" ]; then\n"
                       "        compopt -o filenames\n"
                       "        COMPREPLY=($(compgen -f -- \"$word\"))\n"
                       "    fi\n"
                       "}}\n"
                       "complete -F _kennel kennel\n", verbs, values, cases);
}

void add_documentation(CLI::App& program)
{
    auto const what = std::make_shared<std::string>();
    auto* const verb = program.add_subcommand("documentation", "Print the manual page or bash's completion")->group("");
    verb->add_option("WHAT", *what, "man or bash")->required()->check(CLI::IsMember({"man", "bash"}));
    verb->callback([what, &program] { std::fputs((*what == "man" ? manual_page(program) : bash_completion(program)).c_str(), stdout); });
}

} // namespace kennel::tool
