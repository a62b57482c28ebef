// SPDX-License-Identifier: Apache-2.0
//
// See output.hpp.
#include "tools/kennel/output.hpp"
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace kennel::tool {

namespace {

bool asked_to_end()
{
    sigset_t pending;
    sigpending(&pending);
    return sigismember(&pending, SIGINT) == 1 || sigismember(&pending, SIGTERM) == 1 || sigismember(&pending, SIGHUP) == 1;
}

} // namespace

Progress::Progress(std::string what) : what_{std::move(what)}, visible_{isatty(STDERR_FILENO) == 1} {}

Progress::~Progress()
{
    if (visible_ && shown_ <= 100)
        std::fputs("\r\x1b[K", stderr);
}

void Progress::done(u64 bytes)
{
    done_ += bytes;
    auto const percent = total_ == 0 ? 100 : static_cast<u32>(std::min<u64>(100, done_ * 100 / total_));
    if (!visible_ || percent == shown_)
        return;
    shown_ = percent;
    std::fputs(std::format("\rkennel: {}: {} %", what_, percent).c_str(), stderr);
}

Or<Output> Output::create(fs::path const& target)
{
    std::error_code error;
    auto const status = fs::status(target, error);
    if (status.type() == fs::file_type::directory)
        return bad_usage("{}: a folder; a file's name is wanted", target.string());
    if (status.type() != fs::file_type::not_found && status.type() != fs::file_type::regular)
        return bad_usage("{}: {}", target.string(), status.type() == fs::file_type::none ? error.message() : "exists, and is no file; --write is for devices");
    if (status.type() == fs::file_type::regular && access(target.c_str(), W_OK) != 0)
        return bad_usage("{}: {}", target.string(), std::strerror(errno));
    fs::path const real = status.type() == fs::file_type::regular ? fs::canonical(target, error) : target;   // a link stays one
    fs::path const folder = real.has_parent_path() ? real.parent_path() : fs::path{"."};
    int const nameless = open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0666);
    if (nameless >= 0)
        return Output{nameless, real, {}};
    if (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL)
        return bad_usage("{}: {}", folder.string(), std::strerror(errno));
    std::string name = (folder / std::format(".{}.XXXXXX", real.filename().string())).string();
    int const hidden = mkostemp(name.data(), O_CLOEXEC);
    if (hidden < 0)
        return bad_usage("{}: {}", folder.string(), std::strerror(errno));
    fchmod(hidden, 0644);
    return Output{hidden, real, name};
}

Or<Output> Output::scratch(fs::path const& path)
{
    int const file = open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (file < 0)
        return machine_failed("{}: {}", path.string(), std::strerror(errno));
    return Output{file, path, {}};
}

Or<Output> Output::device(fs::path const& path, bool in_use_too)
{
    int const file = open(path.c_str(), O_RDWR | (in_use_too ? 0 : O_EXCL) | O_CLOEXEC);
    if (file < 0)
        return machine_failed("{}: {}", path.string(), errno == EBUSY ? "in use" : std::strerror(errno));
    return Output{file, path, {}};
}

Output::~Output()
{
    if (file_ >= 0)
        close(file_);
    if (!hidden_.empty())
        unlink(hidden_.c_str());
}

std::unexpected<Fault> Output::failed() const { return machine_failed("{}: cannot be written: {}", target_.string(), std::strerror(errno)); }

Or<void> Output::write(u64 offset, std::span<u8 const> bytes)
{
    while (!bytes.empty()) {
        if (asked_to_end())
            return Err(Fault{ExitStatus::interrupted, std::format("{}: interrupted", target_.string())});
        auto const count = pwrite(file_, bytes.data(), std::min<usize>(bytes.size(), 1 << 20), static_cast<off_t>(offset));
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            return failed();
        offset += static_cast<u64>(count);
        bytes = bytes.subspan(static_cast<usize>(count));
    }
    return {};
}

Or<void> Output::resize(u64 bytes)
{
    return ftruncate(file_, static_cast<off_t>(bytes)) == 0 ? Or<void>{} : Or<void>{failed()};
}

Or<void> Output::flush() { return fsync(file_) == 0 ? Or<void>{} : Or<void>{failed()}; }

Or<void> Output::commit()
{
    TRY(flush());
    if (hidden_.empty()) {
        // A link cannot take a name that is there: it gets one of its own first.
        fs::path const name = target_.parent_path() / std::format(".{}.{}", target_.filename().string(), getpid());
        if (linkat(AT_FDCWD, std::format("/proc/self/fd/{}", file_).c_str(), AT_FDCWD, name.c_str(), AT_SYMLINK_FOLLOW) != 0)
            return failed();
        hidden_ = name;
    }
    if (rename(hidden_.c_str(), target_.c_str()) != 0)
        return failed();
    hidden_.clear();
    return {};
}

} // namespace kennel::tool
