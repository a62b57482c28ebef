// SPDX-License-Identifier: Apache-2.0
//
// See session.hpp.
#include "tools/kennel/session.hpp"
#include <algorithm>
#include <cerrno>
#include <csignal>
#include <poll.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

namespace kennel::tool {

using namespace std::chrono_literals;

namespace {

constexpr auto silence_limit   = 180s;    // between the loader's first line and the service being ready
constexpr auto off_grace       = 5000ms;    // an emulator that powers off ends by itself
constexpr auto last_words      = 1500ms;  // after a refusal or a panic: more lines belong to it
constexpr auto drain_time      = 1000ms;  // what an ended emulator has sent is here by then
constexpr usize input_at_once  = 1024;

// Measured: a UEFI application is reached in 2 to 7 s in Bochs 3.0, in 16 to 32 s in 2.7, in 2 s with KVM.
constexpr std::chrono::seconds default_loader_limit(Emulator emulator)
{
    return emulator == Emulator::qemu_kvm ? 20s : 120s;
}

// What Bochs says of its configuration, 00000000000e[SIM   ] TEXT: errors and panics, behind which it only says goodbye.
std::string complaints_in(fs::path const& log, usize most)
{
    std::ifstream file{log};
    std::string all;
    for (std::string line; most > 0 && std::getline(file, line);) {
        auto const level = line.find_first_not_of("0123456789"), text = line.find("] ");
        if (level == 0 || text == line.npos || (line[level] != 'e' && line[level] != 'p') || line[level + 1] != '[' || line.contains("bxevent_callback"))
            continue;
        all += line.substr(text + 2) + '\n';
        most--;
    }
    return all;
}

sigset_t ending_signals()
{
    sigset_t set;
    sigemptyset(&set);
    for (int const signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT})
        sigaddset(&set, signal);
    return set;
}

} // namespace

void block_ending_signals()
{
    auto const set = ending_signals();
    sigprocmask(SIG_BLOCK, &set, nullptr);
    std::signal(SIGPIPE, SIG_IGN);
}

Handle listen_to_signals()
{
    auto set = ending_signals();
    sigaddset(&set, SIGWINCH);
    sigprocmask(SIG_BLOCK, &set, nullptr);
    return Handle{signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK)};
}

int take_signal(Handle const& signals)
{
    signalfd_siginfo info;
    return read(signals.number, &info, sizeof info) == sizeof info ? static_cast<int>(info.ssi_signo) : 0;
}

Or<ExitStatus> Session::run()
{
    input_allowed_ = options_.input_after.empty();
    interactive_ = input_is_terminal();
    if (auto const status = TRY(run_once()))
        return *status;

    if (settings_.emulator == Emulator::qemu_kvm && options_.may_fall_back) {
        auto const bochs = TRY(choose_bochs());
        say("the loader did not speak in QEMU with KVM; using {} instead", describe(bochs.emulator));
        settings_.emulator = bochs.emulator;
        settings_.program = bochs.program;
        settings_.cpu_model.clear();
    } else {
        say("the machine's firmware has not reached the loader; starting it once more");
    }
    if (auto const status = TRY(run_once()))
        return *status;
    return machine_failed("the machine's firmware did not reach the loader, twice");
}

Or<std::optional<ExitStatus>> Session::run_once()
{
    console_port_ = TRY(SerialPort::open());
    log_port_ = TRY(SerialPort::open());
    console_ = {};
    log_lines_ = {};
    keyboard_ = {};
    stage_ = Stage::firmware;
    gone_ = false;
    settings_.console_port = console_port_->number();
    settings_.log_port = log_port_->number();

    auto const program = TRY(machine_program(settings_));
    auto process = TRY(Process::start(program));
    last_heard_ = Clock::now();
    forgiven_ = {};
    Handle const signals = listen_to_signals();
    if (options_.verbose)
        say("started {} (process group {})", describe(settings_.emulator), program.path.string());

    while (true) {
        Time const now = Clock::now();
        if (ending_ && now >= ending_->kill_at)
            break;
        if (!ending_ && options_.time_limit && now >= started_ + *options_.time_limit) {
            say("time limit of {} reached", *options_.time_limit);
            end(ExitStatus::time_limit, 0ms);
            break;
        }
        if (!ending_ && lost_patience(process, now)) {
            if (stage_ == Stage::firmware)
                return std::optional<ExitStatus>{};
            say("the machine has said nothing for {} and the service is not ready", silence_limit);
            end(ExitStatus::machine_failed, 0ms);
            break;
        }
        if (process.ended() && !gone_)
            notice_end();
        if (gone_ && console_port_->closed() && log_port_->closed())
            break;
        poll_once(process, signals);
    }
    restore_terminal();
    if (unexplained_)
        explain();
    return std::optional{ending_->status};
}

// What it sent last is still on its way to us. A message may be among it and explain the end.
void Session::notice_end()
{
    gone_ = true;
    unexplained_ = !ending_;
    if (unexplained_)
        end(ExitStatus::machine_failed, drain_time);
    else
        ending_->kill_at = std::min(ending_->kill_at, Clock::now() + drain_time);
}

void Session::explain()
{
    say("the machine ended without saying why; {}'s last words:", describe(settings_.emulator));
    constexpr usize most = 5;
    auto const complaints = complaints_in(settings_.folder / "emulator.log", most);
    for (auto const& lines : {complaints.empty() ? last_lines(settings_.folder / "emulator.log", most) : complaints, last_lines(settings_.folder / "bochs.log", most)})
        if (!lines.empty())
            say_line(lines.substr(0, lines.size() - 1));
}

std::optional<std::chrono::seconds> Session::patience() const
{
    switch (stage_) {
    case Stage::firmware: return options_.loader_limit.value_or(default_loader_limit(settings_.emulator));
    case Stage::loader:   return silence_limit;
    case Stage::ready:    break;
    }
    return std::nullopt;
}

// On a busy host the emulator waits for a processor: that is no silence of the machine's.
bool Session::lost_patience(Process const& process, Time now)
{
    auto const limit = patience();
    if (!limit || now < last_heard_ + *limit)
        return false;
    auto const waited = std::max(process.waited(), forgiven_);
    last_heard_ += waited - std::exchange(forgiven_, waited);
    return now >= last_heard_ + *limit;
}

Session::Time Session::wake_up_at() const
{
    if (ending_)
        return ending_->kill_at;
    Time next = Clock::now() + 1h;
    if (auto const limit = patience())
        next = last_heard_ + *limit;
    if (control_)
        next = std::min(next, control_->wake_up_at());
    return options_.time_limit ? std::min(next, started_ + *options_.time_limit) : next;
}

void Session::poll_once(Process& process, Handle const& signals)
{
    if (control_)
        to_machine_ += control_->take_bytes();
    short const to_console = to_machine_.empty() || !console_.taken_over() ? POLLIN : POLLIN | POLLOUT;
    std::vector<pollfd> wanted{
        {signals.number,                             POLLIN,     0},
        {console_port_->handle(),                    to_console, 0},
        {log_port_->handle(),                        POLLIN,     0},
        {gone_ ? -1 : process.handle(),              POLLIN,     0},   // poll passes over negative ones
        {input_wanted() ? STDIN_FILENO : -1,         POLLIN,     0},
    };
    usize const own = wanted.size();
    if (control_)
        control_->poll_on(wanted);
    auto const rest = std::chrono::ceil<std::chrono::milliseconds>(wake_up_at() - Clock::now());
    if (poll(wanted.data(), wanted.size(), static_cast<int>(std::clamp<s64>(rest.count(), 0, 3'600'000))) < 0)
        return;

    int const signal = wanted[0].revents != 0 ? take_signal(signals) : 0;
    if (signal == SIGWINCH && attached_)
        to_machine_ += window_message();
    else if (signal != 0 && signal != SIGWINCH)
        end(static_cast<ExitStatus>(128 + signal), 0ms);
    if (wanted[1].revents != 0)
        take_console();
    if (wanted[2].revents != 0)
        take_log();
    if (wanted[4].revents != 0)
        take_input();
    if (control_)
        control_->serve(std::span{wanted}.subspan(own), stage_ == Stage::ready && console_.taken_over() && !ending_);
    if (!to_machine_.empty() && console_.taken_over())
        to_machine_.erase(0, console_port_->send(to_machine_));
}

void Session::end(ExitStatus status, std::chrono::milliseconds grace)
{
    if (!ending_)
        ending_ = Ending{status, Clock::now() + grace};
    else
        ending_->kill_at = Clock::now() + grace;
}

void Session::record(std::string_view line)
{
    if (log_.is_open())
        log_ << line << std::endl;
}

void Session::take_console()
{
    auto const output = console_.feed(console_port_->receive());
    for (auto const& line : output.loader)
        take_loader_line(line);
    if (console_.taken_over() && interactive_ && !attached_) {
        attached_ = true;
        say("the console is yours; Ctrl-] q leaves it and ends the machine, Ctrl-] m is the monitor, Ctrl-] h helps");
        make_terminal_raw();
        to_machine_ += window_message();
    }
    if (output.console.empty())
        return;
    show(output.console);
    if (control_)
        control_->console_said(output.console);
    if (!input_allowed_) {
        seen_ += output.console;
        input_allowed_ = seen_.contains(options_.input_after);
        seen_.erase(0, seen_.size() - std::min(seen_.size(), options_.input_after.size()));
    }
}

void Session::take_loader_line(std::string const& line)
{
    record(line);
    last_heard_ = Clock::now();
    stage_ = std::max(stage_, Stage::loader);
    bool const refusal = line.starts_with("kennel: cannot start");
    if (refusal || options_.verbose)
        say_line(line);
    if (line.contains("back to the firmware"))
        end(ExitStatus::machine_failed, 0ms);
    else if (refusal)
        end(ExitStatus::machine_failed, last_words);
}

void Session::take_log()
{
    auto const bytes = log_port_->receive();
    auto const take = [&](std::string_view line) {
        if (stage_ != Stage::ready && is_firmware_line(line))
            return;
        last_heard_ = Clock::now();
        stage_ = std::max(stage_, Stage::loader);
        if (line.starts_with(frame_mark)) {
            take_message(parse_message(line.substr(1)), line.substr(1));
            return;
        }
        record(line);
        panicked_ = panicked_ || line.starts_with("PANIC");
        if (panicked_ || options_.verbose)
            say_line(line);
        if (panicked_)
            end(ExitStatus::machine_failed, last_words);
    };
    log_lines_.feed(bytes, take);
    if (log_port_->closed())                               // a machine that is gone may owe us the end of its last line
        log_lines_.feed(std::string_view{"\n"}, take);
}

void Session::take_message(Message const& message, std::string_view text)
{
    if (message.kind == Message::Kind::reply) {
        if (control_)
            control_->replied(message.request, message.text);
        return;
    }
    record(std::format("message: {}", text));
    switch (message.kind) {
    case Message::Kind::ready:
        stage_ = Stage::ready;
        break;
    case Message::Kind::guest_started:
    case Message::Kind::guest_restarted:
        if (options_.verbose || message.kind == Message::Kind::guest_restarted)
            say("{}", text);
        break;
    case Message::Kind::guest_stopped:
        say("guest {} {}: {}", message.guest, message.failed ? "failed" : "stopped", message.reason);
        break;
    case Message::Kind::machine_off:
        unexplained_ = false;
        ending_ = Ending{message.failed ? ExitStatus::guest_failed : ExitStatus::ok, Clock::now() + (gone_ ? drain_time : off_grace)};
        break;
    case Message::Kind::reply:
        break;
    case Message::Kind::unknown:
        say("message not understood: {}", text);
        break;
    }
}

bool Session::input_wanted() const
{
    // At a terminal Ctrl-C ends us while the machine starts; from then on every key is the guest's.
    return input_open_ && input_allowed_ && console_.taken_over() && !ending_ && to_machine_.size() < input_at_once;
}

void Session::take_input()
{
    char bytes[input_at_once];
    auto const got = read(STDIN_FILENO, bytes, sizeof bytes);
    if (got <= 0) {
        input_open_ = got < 0 && errno == EINTR;
        return;
    }
    std::string_view const text{bytes, static_cast<usize>(got)};
    if (!interactive_) {
        to_machine_ += text;
        return;
    }
    auto const typed = keyboard_.feed(text);
    to_machine_ += typed.bytes;
    if (typed.help)
        say("Ctrl-] q: quit and end the machine; Ctrl-] m: the machine's monitor, Ctrl-D leaves it; Ctrl-] 0 to 9: the console of this guest; "
            "Ctrl-] Ctrl-]: send Ctrl-] itself; Ctrl-] h: this line");
    if (typed.quit) {
        say("ended by the user");
        end(ExitStatus::interrupted, 0ms);
    }
}

void Session::show(std::string_view bytes)
{
    while (!bytes.empty()) {
        auto const written = write(STDOUT_FILENO, bytes.data(), bytes.size());
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)                                   // nobody reads any more
            return end(ExitStatus::interrupted, 0ms);
        bytes.remove_prefix(static_cast<usize>(written));
    }
}

} // namespace kennel::tool
