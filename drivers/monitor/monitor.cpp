// SPDX-License-Identifier: Apache-2.0
//
// See monitor.hpp.
#include "drivers/monitor/monitor.hpp"

namespace kennel::service {

namespace {

std::optional<u32> find(Plan const& plan, std::string_view name)
{
    for (u32 i = 0; i < plan.count; i++)
        if (plan.guests[i]->name_view() == name)
            return i;
    return std::nullopt;
}

std::string_view name_of(GuestState state)
{
    switch (state) {
    case GuestState::planned: return "planned";
    case GuestState::running: return "running";
    case GuestState::ending:  return "ending";
    case GuestState::resting: return "resting";
    case GuestState::held:    return "held";
    case GuestState::stopped: return "stopped";
    case GuestState::ended:   return "ended";
    }
    return "unknown";
}

GuestRow row_of(Guest const& guest, Sample const& before, u64 tsc_hz)
{
    return {.name = guest.name_view(), .state = name_of(guest.state), .cpu = guest.home, .memory = guest.recipe.memory, .disks = guest.disk_count, .cards = guest.card_count,
            .now = &guest.sample, .before = &before, .tsc_hz = tsc_hz};
}

// What cannot be done with a guest in this state; empty: it can.
std::string_view objection(Order order, GuestState state)
{
    bool const rests = state == GuestState::stopped || state == GuestState::ended;
    switch (order) {
    case Order::start: return rests || state == GuestState::held || state == GuestState::resting ? "" : "it runs already";
    case Order::stop:  return rests ? "it does not run" : "";
    case Order::reset: return state == GuestState::running || state == GuestState::held ? "" : "it does not run: start or restart it";
    default:           return "";
    }
}

Order order_of(Verb verb)
{
    switch (verb) {
    case Verb::list:
    case Verb::counters: return Order::sample;
    case Verb::start:    return Order::start;
    case Verb::stop:     return Order::stop;
    case Verb::restart:  return Order::restart;
    case Verb::reset:    return Order::reset;
    case Verb::poweroff: return Order::leave;
    default:             return Order::none;
    }
}

bool number_in(std::string_view& text, u32& value)
{
    usize digits = 0;
    value = 0;
    for (; digits < text.size() && digits < 9 && text[digits] >= '0' && text[digits] <= '9'; digits++)
        value = value * 10 + static_cast<u32>(text[digits] - '0');
    text.remove_prefix(digits);
    return digits > 0 && (text.empty() || text[0] == ' ');
}

} // namespace

MonitorWish Monitor::serve(Plan& plan, History& history, Log& log)
{
    MonitorWish wish;
    while (!pending_.active && !requests_.empty()) {
        u8 const byte = requests_.pop();
        if (byte == '\n')
            request_ended(plan, history, wish, log);
        else if (request_size_ < longest_request)
            request_[request_size_++] = static_cast<char>(byte);
        else
            request_size_ = longest_request + 1;
    }
    while (!pending_.active && !input_.empty()) {
        switch (editor_.feed(input_.pop(), output_)) {
        case LineEditor::Outcome::none:
            break;
        case LineEditor::Outcome::leave:
            wish.leave = true;
            break;
        case LineEditor::Outcome::line:
            pending_ = {};
            begin(editor_.line(), plan, history, wish, log);
            break;
        }
    }
    return wish;
}

void Monitor::request_ended(Plan& plan, History& history, MonitorWish& wish, Log& log)
{
    std::string_view line{request_, request_size_ > longest_request ? longest_request : request_size_};
    bool const whole = request_size_ <= longest_request;
    request_size_ = 0;
    pending_ = {};
    pending_.asker = Asker::program;
    if (!number_in(line, pending_.request))
        return log.line(Text{"monitor: a request without a number"});
    if (!whole)
        return finish("the request is too long", log);
    begin(line, plan, history, wish, log);
}

void Monitor::begin(std::string_view line, Plan& plan, History& history, MonitorWish& wish, Log& log)
{
    Text fault;
    auto const command = parse_command(line, fault);
    if (!command)
        return finish(fault.view(), log);
    pending_.command = *command;
    if (!command->guest.empty()) {
        auto const guest = find(plan, command->guest);
        if (!guest) {
            fault = Text{"there is no guest '", command->guest, "':"};
            for (u32 i = 0; i < plan.count; i++)
                fault.add(" ", plan.guests[i]->name_view());
            return finish(fault.view(), log);
        }
        pending_.guest = *guest;
        pending_.one = true;
    }
    switch (command->verb) {
    case Verb::nothing:
        return finish("", log);
    case Verb::help:
        for (VerbEntry const& entry : verbs) {
            Text text{"  ", entry.name, entry.names == Names::one_guest ? " GUEST" : entry.names == Names::perhaps_one ? " [GUEST]" : ""};
            while (text.view().size() < 20)
                text.add(" ");
            text.add(entry.help);
            answers(log).line(text.view());
        }
        if (pending_.asker == Asker::person)
            answers(log).line("  Ctrl-D              back to the attached guest");
        return finish("", log);
    case Verb::log: {
        Text text;
        for (u64 at = 0; history.next(at, text);)
            answers(log).line(text.view());
        return finish("", log);
    }
    case Verb::attach:
        wish.attach = true;
        wish.guest = pending_.guest;
        if (pending_.asker == Asker::person) {
            pending_.active = false;
            put(output_, "\r\n");
            return;
        }
        return finish("", log);
    case Verb::detach:
        wish.detach = true;
        return finish("", log);
    case Verb::list: case Verb::counters: case Verb::start: case Verb::stop: case Verb::restart: case Verb::reset: case Verb::poweroff:
        break;
    }
    Order const what = order_of(command->verb);
    if (pending_.one)
        if (auto const why = objection(what, plan.guests[pending_.guest]->state); !why.empty())
            return finish(Text{"guest ", command->guest, ": ", why}.view(), log);
    pending_.active = true;
    order(what, plan, wish);
    if (command->verb == Verb::poweroff || plan.count == 0)   // answered first: afterwards there is nobody to answer
        finish(plan.count == 0 ? "there are no guests" : "", log);
}

void Monitor::order(Order what, Plan& plan, MonitorWish& wish)
{
    for (u32 i = 0; i < plan.count; i++) {
        if (pending_.one && i != pending_.guest)
            continue;
        plan.guests[i]->order.store(what, std::memory_order_release);
        wish.homes |= 1u << plan.guests[i]->home;
    }
}

MonitorWish Monitor::refresh(Plan& plan)
{
    MonitorWish wish;
    if (pending_.active || plan.count == 0)
        return wish;
    pending_ = {};
    pending_.active = true;
    pending_.asker = Asker::screen;
    order(Order::sample, plan, wish);
    return wish;
}

void Monitor::show(Plan const& plan, u64 tsc_hz, Screen& screen)
{
    Answers const to{screen};
    screen.begin_table(plan.count + 1);
    report_head(to);
    for (u32 i = 0; i < plan.count; i++) {
        report_row(row_of(*plan.guests[i], shown_[i], tsc_hz), to);
        shown_[i] = plan.guests[i]->sample;
    }
}

void Monitor::orders_done(Plan& plan, u64 tsc_hz, Log& log, Screen& screen)
{
    if (!pending_.active)
        return;
    for (u32 i = 0; i < plan.count; i++)
        // Ordering: acquire pairs with the home's release: its sample and state are seen.
        if (plan.guests[i]->order.load(std::memory_order_acquire) != Order::none)
            return;
    if (pending_.asker == Asker::screen) {
        pending_.active = false;
        return show(plan, tsc_hz, screen);
    }
    Verb const verb = pending_.command.verb;
    if (verb == Verb::list || verb == Verb::counters) {
        report(plan, tsc_hz, log);
        return finish("", log);
    }
    Guest const& guest = *plan.guests[pending_.guest];
    bool const up = verb != Verb::stop, is_up = guest.state == GuestState::running;
    if (up != is_up)
        return finish(Text{"guest ", guest.name_view(), " is ", name_of(guest.state), ": see the log"}.view(), log);
    if (pending_.asker == Asker::person)
        answers(log).line(Text{"guest ", guest.name_view(), " is ", name_of(guest.state)}.view());
    finish("", log);
}

void Monitor::report(Plan& plan, u64 tsc_hz, Log& log)
{
    bool const list = pending_.command.verb == Verb::list;
    Answers const to = answers(log);
    if (list)
        report_head(to);
    for (u32 i = 0; i < plan.count; i++) {
        if (pending_.one && i != pending_.guest)
            continue;
        GuestRow const row = row_of(*plan.guests[i], before_[i], tsc_hz);
        list ? report_row(row, to) : report_counters(row, to);
        if (pending_.asker == Asker::person)
            before_[i] = plan.guests[i]->sample;
    }
}

void Monitor::finish(std::string_view fault, Log& log)
{
    answers(log).end(fault);
    pending_.active = false;
    if (pending_.asker == Asker::person)
        editor_.show(output_);
}

} // namespace kennel::service
