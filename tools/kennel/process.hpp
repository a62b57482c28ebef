// SPDX-License-Identifier: Apache-2.0
//
// Programs we start. Each is the head of its own process group, dies with us whatever happens to us, and is gone when its
// Process is.
#pragma once
#include "tools/kennel/file.hpp"
#include <chrono>
#include <optional>
#include <sys/types.h>

namespace kennel::tool {

struct Program {
    fs::path                 path;
    std::vector<std::string> arguments;   // without the program's own name
    fs::path                 folder;      // it runs there
    fs::path                 output;      // where its words go, standard error too
    std::vector<std::string> environment = {};   // NAME=VALUE words that it has instead of ours of that name
};

class Process {
public:
    static Or<Process> start(Program const& program);

    Process(Process&& other) noexcept : id_{std::exchange(other.id_, -1)}, handle_{std::exchange(other.handle_, -1)} {}
    Process& operator=(Process&&) = delete;
    ~Process();

    int                handle() const { return handle_; }   // readable once the process has ended
    std::optional<int> ended();                             // its wait status
    int                wait();                              // until it ends
    std::chrono::nanoseconds waited() const;                // for a processor, so far, while others had it; 0 where Linux does not tell

private:
    Process(pid_t id, int handle) : id_{id}, handle_{handle} {}
    pid_t id_;       // -1: reaped or moved from
    int   handle_;   // pidfd
    int   status_ = 0;
};

// Looks in PATH and in the folders of system programs, which an ordinary user's PATH may lack.
std::optional<fs::path> find_program(std::string_view name);

// Starts a program, waits for it, and makes a failure a fault that quotes its last words.
Or<void> run_program(Program const& program);

} // namespace kennel::tool
