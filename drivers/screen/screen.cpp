// SPDX-License-Identifier: Apache-2.0
//
// See screen.hpp.
#include "drivers/screen/screen.hpp"
#include <algorithm>

namespace kennel::service {

void Screen::log_line(std::string_view text)
{
    if (!is_on())
        return;
    do {
        make_room();
        cells_.write(log_end_++, text);
        text.remove_prefix(std::min<usize>(text.size(), cells_.columns()));
    } while (!text.empty());
}

void Screen::show_log(History& history)
{
    if (!is_on())
        return;
    for (Text line; history.next(seen_, line);)
        log_line(line.view());
}

// By half its rows at once: a line costs the pixels of two then, and not those of the whole log.
void Screen::make_room()
{
    u32 const rows = log_rows();
    if (log_end_ < rows)
        return;
    u32 const lines = log_end_ - rows / 2;
    cells_.scroll(0, log_end_, lines);
    log_end_ -= lines;
}

void Screen::begin_table(u32 lines)
{
    table_lines_ = lines;
    table_at_ = 0;
    u32 const wanted = std::min(lines, cells_.rows() / 2);
    if (wanted > table_rows_) {                       // the log gives way first
        table_rows_ = wanted;
        make_room();
    }
}

void Screen::table_line(std::string_view text)
{
    u32 const line = table_at_++, last = table_rows_ - 1;
    if (line > last || table_rows_ == 0)
        return;
    if (line == last && table_lines_ > table_rows_)
        cells_.write(log_rows() + line, Text{"and ", table_lines_ - last, " more"}.view());
    else
        cells_.write(log_rows() + line, text, line == 0 ? Ink::inverse : Ink::plain);
}

} // namespace kennel::service
