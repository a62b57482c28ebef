// SPDX-License-Identifier: Apache-2.0
//
// See process.hpp.
#include "tools/kennel/process.hpp"
#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <sstream>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace kennel::tool {

namespace {

constexpr int exec_failed = 127;

// Between fork and exec, in the child: only calls that are safe there.
[[noreturn]] void become(char const* path, char* const* arguments, char* const* environment, char const* folder, char const* output, pid_t parent)
{
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)                       // it died before we asked to be told
        _exit(exec_failed);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    std::signal(SIGPIPE, SIG_DFL);
    int const in = open("/dev/null", O_RDONLY | O_CLOEXEC);
    int const out = open(output, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (in < 0 || out < 0 || dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0 || chdir(folder) != 0)
        _exit(exec_failed);
    execve(path, arguments, environment);
    _exit(exec_failed);
}

// As exec takes it: the pointers, and a null one behind them.
std::vector<char*> terminated(std::vector<std::string> const& words)
{
    std::vector<char*> list;
    for (auto const& word : words)
        list.push_back(const_cast<char*>(word.c_str()));
    list.push_back(nullptr);
    return list;
}

std::vector<std::string> environment_of(Program const& program)
{
    auto words = program.environment;
    for (char** own = environ; *own != nullptr; own++) {
        std::string_view const word{*own};
        auto const name = word.substr(0, word.find('=') + 1);
        if (std::ranges::none_of(program.environment, [&](std::string const& other) { return other.starts_with(name); }))
            words.emplace_back(word);
    }
    return words;
}

} // namespace

Or<Process> Process::start(Program const& program)
{
    std::vector<std::string> words{program.path.string()};
    words.insert(words.end(), program.arguments.begin(), program.arguments.end());
    auto const arguments = terminated(words);
    auto const own = environment_of(program);
    auto const environment = terminated(own);

    pid_t const self = getpid();
    pid_t const id = fork();
    if (id < 0)
        return machine_failed("cannot start {}: {}", program.path.string(), std::strerror(errno));
    if (id == 0)
        become(program.path.c_str(), arguments.data(), environment.data(), program.folder.c_str(), program.output.c_str(), self);
    setpgid(id, id);                               // also here: whoever is first
    int const handle = static_cast<int>(syscall(SYS_pidfd_open, id, 0));
    Process process{id, handle};
    if (handle < 0)
        return machine_failed("cannot watch {}: {}", program.path.string(), std::strerror(errno));
    return process;
}

Process::~Process()
{
    if (id_ > 0) {
        kill(-id_, SIGKILL);
        waitpid(id_, nullptr, 0);
    }
    if (handle_ >= 0)
        close(handle_);
}

std::optional<int> Process::ended()
{
    if (id_ < 0)
        return status_;
    if (waitpid(id_, &status_, WNOHANG) != id_)
        return std::nullopt;
    id_ = -1;
    return status_;
}

int Process::wait()
{
    while (id_ > 0 && waitpid(id_, &status_, 0) != id_) {}
    id_ = -1;
    return status_;
}

// The second number of schedstat (Linux, Documentation/scheduler/sched-stats.rst), of the thread that waited longest.
std::chrono::nanoseconds Process::waited() const
{
    s64 longest = 0;
    std::error_code error;
    for (auto const& thread : fs::directory_iterator{std::format("/proc/{}/task", id_), error}) {
        std::ifstream file{thread.path() / "schedstat"};
        if (s64 ran = 0, waited = 0; file >> ran >> waited)
            longest = std::max(longest, waited);
    }
    return std::chrono::nanoseconds{longest};
}

std::optional<fs::path> find_program(std::string_view name)
{
    char const* const path = std::getenv("PATH");
    std::istringstream folders{std::string{path != nullptr ? path : ""} + ":/usr/bin:/usr/sbin:/bin:/sbin"};
    for (std::string folder; std::getline(folders, folder, ':');)
        if (auto const candidate = fs::path{folder} / name; folder.starts_with('/') && access(candidate.c_str(), X_OK) == 0)
            return candidate;
    return std::nullopt;
}

Or<void> run_program(Program const& program)
{
    auto process = TRY(Process::start(program));
    int const status = process.wait();
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return {};
    std::string words = last_lines(program.output, 1);
    if (words.ends_with('\n'))
        words.pop_back();
    return machine_failed("{} failed: {}", program.path.filename().string(), words.empty() ? "it said nothing" : words);
}

} // namespace kennel::tool
