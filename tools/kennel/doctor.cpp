// SPDX-License-Identifier: Apache-2.0
//
// See doctor.hpp.
#include "tools/kennel/doctor.hpp"
#include "tools/kennel/examination.hpp"
#include "tools/kennel/terminal.hpp"
#include "tools/kennel/version.hpp"
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <unistd.h>

namespace kennel::tool {

namespace {

struct Words {
    std::string root = "/";
    bool json = false;
};

std::string coloured(Verdict verdict, std::string_view text)
{
    int const colour = verdict == Verdict::yes ? 32 : verdict == Verdict::no ? 31 : verdict == Verdict::less ? 33 : 36;
    return use_colours(STDOUT_FILENO) ? std::format("\x1b[{}m{}\x1b[0m", colour, text) : std::string{text};
}

std::string text_of(Examination const& found)
{
    std::string text = std::format("kennel {}\n{}\n\n", build_id(), found.machine);
    std::string area;
    for (Finding const& finding : found.findings) {
        text += std::format("{:<10} {} {:<26}", finding.area == area ? "" : finding.area, coloured(finding.verdict, std::format("{:<4}", describe(finding.verdict))), finding.what);
        area = finding.area;
        std::string rest = finding.detail;
        if (!finding.advice.empty())
            rest += (rest.empty() ? "" : "; ") + finding.advice;
        text += rest.empty() ? "" : ' ' + rest;
        while (text.ends_with(' '))
            text.pop_back();
        text += '\n';
    }
    text += std::format("\nOn this machine without an operating system: {}\n", found.bare_metal ? "nothing that can be seen keeps Kennel from running" : "no, see each NO above");
    text += std::format("Here, as a program (kennel run): {}\n", found.emulators ? "yes" : "no: an emulator and its firmware are needed, see above");
    return text;
}

std::string json_of(Examination const& found)
{
    auto findings = nlohmann::json::array();
    for (Finding const& finding : found.findings)
        findings.push_back({{"area", finding.area}, {"what", finding.what},
                            {"verdict", finding.verdict == Verdict::no ? "no" : finding.verdict == Verdict::unknown ? "unknown" : std::string{describe(finding.verdict)}},
                            {"detail", finding.detail}, {"advice", finding.advice}});
    nlohmann::json const all{{"version", build_id()}, {"machine", found.machine}, {"bare_metal", found.bare_metal}, {"emulators", found.emulators}, {"findings", findings}};
    return all.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + '\n';
}

ExitStatus doctor(Words const& words)
{
    auto const found = examine(words.root);
    auto text = words.json ? json_of(found) : text_of(found);
    std::fputs(text.c_str(), stdout);
    return ExitStatus::ok;
}

} // namespace

void add_doctor(CLI::App& program, ExitStatus& status)
{
    auto const words = std::make_shared<Words>();
    auto* const verb = program.add_subcommand("doctor", "Say whether Kennel can run on this machine, and which emulators can be used");
    verb->add_flag("--json", words->json, "As JSON");
    verb->add_option("--root", words->root, "For tests: look at proc, sys and etc below this folder")->type_name("FOLDER")->group("");
    verb->footer("Needs no rights. Fit for a bug report: it names no user, host or serial number.");
    verb->callback([words, &status] { status = doctor(*words); });
}

} // namespace kennel::tool
