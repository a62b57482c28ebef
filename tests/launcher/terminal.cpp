// SPDX-License-Identifier: Apache-2.0
//
// A person at a terminal, played by a script on standard input:  terminal [--patience=SECONDS] PROGRAM [WORD]...
// The program runs in a pseudo-terminal of its own. Each line of the script is a step; \r, \n, \\ and \xHH are understood.
//   expect TEXT      the screen shows it, behind what was expected before
//   send TEXT        these keys
//   resize R C       the window
//   raw | cooked     the terminal is, or becomes, so
//   signal NUMBER    to the program itself
//   ends STATUS      it ends, with this status (128 + a signal's number)
// Exit status 1, and which step failed on what screen, when one is not done in time (default 20 seconds). `ends` comes last.
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <iostream>
#include <poll.h>
#include <pty.h>
#include <sstream>
#include <string>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>
#include <utmp.h>

namespace {

using Clock = std::chrono::steady_clock;

std::string unescaped(std::string const& text)
{
    std::string out;
    for (std::size_t i = 0; i < text.size(); i++) {
        if (text[i] != '\\' || i + 1 == text.size()) {
            out += text[i];
            continue;
        }
        switch (char const c = text[++i]) {
        case 'r': out += '\r'; break;
        case 'n': out += '\n'; break;
        case 'x':
            out += static_cast<char>(std::stoul(text.substr(i + 1, 2), nullptr, 16));
            i += 2;
            break;
        default: out += c;
        }
    }
    return out;
}

class Terminal {
public:
    Terminal(char** words, std::chrono::seconds patience) : patience_{patience}
    {
        winsize const size{.ws_row = 24, .ws_col = 80, .ws_xpixel = 0, .ws_ypixel = 0};
        if (openpty(&master_, &slave_, nullptr, nullptr, &size) != 0)
            std::abort();
        program_ = fork();
        if (program_ == 0) {
            close(master_);
            login_tty(slave_);                         // the master's other end stays open in us: its state can be asked for
            for (int const signal : {SIGINT, SIGQUIT, SIGTERM, SIGHUP})
                std::signal(signal, SIG_DFL);
            execvp(words[0], words);
            std::_Exit(127);
        }
        fcntl(slave_, F_SETFD, FD_CLOEXEC);
    }
    ~Terminal()
    {
        if (!ended_) {
            kill(program_, SIGTERM);
            waitpid(program_, nullptr, 0);
        }
    }

    bool expect(std::string const& text)
    {
        return wait_until([&] {
            auto const found = screen_.find(text, seen_);
            if (found != screen_.npos)
                seen_ = found + text.size();
            return found != screen_.npos;
        });
    }
    bool send(std::string const& keys)
    {
        for (std::size_t at = 0; at < keys.size();) {
            auto const count = write(master_, keys.data() + at, keys.size() - at);
            if (count <= 0)
                return false;
            at += static_cast<std::size_t>(count);
        }
        return true;
    }
    bool resize(unsigned short rows, unsigned short columns)
    {
        winsize const size{.ws_row = rows, .ws_col = columns, .ws_xpixel = 0, .ws_ypixel = 0};
        return ioctl(master_, TIOCSWINSZ, &size) == 0;
    }
    bool becomes(bool raw)
    {
        return wait_until([&] {
            termios state{};
            return tcgetattr(slave_, &state) == 0 && ((state.c_lflag & (ICANON | ECHO | ISIG)) == 0) == raw;
        });
    }
    bool signal(int number) const { return kill(program_, number) == 0; }
    bool ends(int wanted)
    {
        int status = 0;
        ended_ = wait_until([&] { return waitpid(program_, &status, WNOHANG) == program_; });
        status_ = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
        return ended_ && status_ == wanted;
    }
    void explain(std::string const& step) const
    {
        std::cout << "at '" << step << "'" << (ended_ ? ", status " + std::to_string(status_) : "") << ", the screen: ";
        for (char const c : screen_.size() > 400 ? screen_.substr(screen_.size() - 400) : screen_)
            std::cout << (c == '\n' || c == '\r' ? ' ' : c >= ' ' && c <= '~' ? c : '?');
        std::cout << '\n';
    }

private:
    template <typename Done> bool wait_until(Done done)
    {
        auto const end = Clock::now() + patience_;
        while (!done()) {
            if (Clock::now() >= end)
                return false;
            pollfd wanted{master_, POLLIN, 0};
            if (poll(&wanted, 1, 50) > 0) {
                char bytes[4096];
                if (auto const got = read(master_, bytes, sizeof bytes); got > 0)
                    screen_.append(bytes, static_cast<std::size_t>(got));
            }
        }
        return true;
    }

    int   master_ = -1, slave_ = -1, status_ = 0;
    pid_t program_ = -1;
    bool  ended_ = false;
    std::chrono::seconds patience_;
    std::string screen_;
    std::size_t seen_ = 0;
};

bool carry_out(Terminal& terminal, std::string const& line)
{
    std::istringstream words{line};
    std::string verb, rest;
    words >> verb;
    std::getline(words >> std::ws, rest);
    std::istringstream numbers{rest};
    unsigned short first = 0, second = 0;
    numbers >> first >> second;
    return verb == "expect" ? terminal.expect(unescaped(rest))
         : verb == "send"   ? terminal.send(unescaped(rest))
         : verb == "resize" ? terminal.resize(first, second)
         : verb == "raw"    ? terminal.becomes(true)
         : verb == "cooked" ? terminal.becomes(false)
         : verb == "signal" ? terminal.signal(first)
         : verb == "ends"   ? terminal.ends(first)
                            : false;
}

} // namespace

int main(int count, char** words)
{
    std::string const option = count > 1 ? words[1] : "";
    bool const patient = option.starts_with("--patience=");
    if (count < (patient ? 3 : 2))
        return 2;
    Terminal terminal{words + (patient ? 2 : 1), std::chrono::seconds{patient ? std::atoi(option.c_str() + 11) : 20}};
    for (std::string line; std::getline(std::cin, line);)
        if (!line.empty() && !carry_out(terminal, line)) {
            terminal.explain(line);
            return 1;
        }
}
