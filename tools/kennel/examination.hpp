// SPDX-License-Identifier: Apache-2.0
//
// This machine, as far as a program without rights can see it: can Kennel run on it without an operating system, and which
// emulators can be used on it? Everything is read below one folder, so that a test can be another machine.
#pragma once
#include "tools/kennel/file.hpp"

namespace kennel::tool {

// yes: there, and good. no: it keeps Kennel from running on the bare machine. less: it works without. unknown: cannot be seen from here.
enum class Verdict { yes, no, less, unknown };

struct Finding {
    std::string area;                  // processor, firmware, devices, emulator, ...
    std::string what;
    Verdict     verdict;
    std::string detail;                // what was seen
    std::string advice;                // what to do about it; may be empty
};

struct Examination {
    std::vector<Finding> findings;
    std::string          machine;      // maker and model, kernel, distribution
    bool                 bare_metal = false;   // nothing seen keeps Kennel from running
    bool                 emulators = false;    // `kennel run` has one it can use
};

Examination      examine(fs::path const& root);       // "/" for this machine: only then are programs and CPUID looked at
std::string_view describe(Verdict verdict);

} // namespace kennel::tool
