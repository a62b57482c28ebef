// SPDX-License-Identifier: Apache-2.0
//
// The service's words: lines for hv's log (COM2), and framed messages the launcher understands. Each vCPU has one,
// since the text lies in its own event page.
#pragma once
#include "drivers/history.hpp"
#include "drivers/hypercalls.hpp"
#include "drivers/screen/screen.hpp"
#include "drivers/text.hpp"
#include <algorithm>
#include <cstring>

namespace kennel::service {

class Log {
public:
    // `history` keeps the lines, too; where `screen` is at home here, it shows them at once.
    explicit Log(abi::EventPage& page, History* history = nullptr, Screen* screen = nullptr) : page_{page}, history_{history}, screen_{screen} {}

    void line(Text const& text)
    {
        keep(text.view());
        send(Text{"service: ", text.view()}.view(), LogKind::text);
    }
    void frame(Text const& text) { send(text.view(), LogKind::framed); }
    // A guest's own words. `shown`: on the screen, too.
    void guest_line(std::string_view name, std::string_view words, bool shown)
    {
        Text const text{name, "| ", words};
        if (shown)
            keep(text.view());
        send(text.view(), LogKind::text);
    }

private:
    void keep(std::string_view text)
    {
        if (history_)
            history_->add(text);
        if (history_ && screen_)
            screen_->show_log(*history_);
    }
    void send(std::string_view text, LogKind kind)
    {
        usize const size = std::min(text.size(), sizeof page_.text);
        if (size == 0)
            return;
        std::memcpy(page_.text, text.data(), size);
        static_cast<void>(log(size, kind));           // nothing can be done about a log that refuses
    }

    abi::EventPage& page_;
    History*        history_;
    Screen*         screen_;
};

} // namespace kennel::service
