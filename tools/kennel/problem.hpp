// SPDX-License-Identifier: Apache-2.0
//
// What is wrong with a configuration: all of it, each with its place, in the order of the file.
#pragma once
#include "tools/kennel/fault.hpp"
#include <string>
#include <vector>

namespace kennel::tool {

struct Place {
    u32 line = 0, column = 0;   // from 1; 0: the file as a whole
    auto operator<=>(Place const&) const = default;
};

struct Problem {
    Place       place;
    std::string text;           // one line: what is wrong, what is allowed
};

class Problems {
public:
    explicit Problems(std::string file) : file_{std::move(file)} {}

    void add(Place place, std::string text);

    bool                     empty() const { return list_.empty(); }
    std::string const&       file() const { return file_; }
    std::vector<Problem>     sorted() const;
    std::vector<std::string> lines() const;                // FILE:LINE:COLUMN: text
    std::string              json() const;

private:
    std::string          file_;
    std::vector<Problem> list_;
};

} // namespace kennel::tool
