// SPDX-License-Identifier: Apache-2.0
//
// What a person in front of the machine sees: the log, and below it a table with a line for each guest. Home: the service's vCPU 0.
#pragma once
#include "drivers/history.hpp"
#include "drivers/screen/cells.hpp"

namespace kennel::service {

class Screen {
public:
    void open(abi::Framebuffer const& framebuffer) { cells_.open(framebuffer); }
    bool is_on() const { return cells_.rows() != 0; }

    void log_line(std::string_view text);             // as many rows as it takes
    void show_log(History& history);                  // what was said since

    // `lines` follow, the first of them the head; those that do not fit into half the screen are counted on its last row.
    void begin_table(u32 lines);
    void table_line(std::string_view text);

private:
    u32 log_rows() const { return cells_.rows() - table_rows_; }
    void make_room();                                 // for one more row of the log

    Cells cells_;
    u32   log_end_ = 0;                               // rows of the log that are written
    u64   seen_ = 0;                                  // of the history
    u32   table_rows_ = 0, table_lines_ = 0, table_at_ = 0;
};

} // namespace kennel::service
