// SPDX-License-Identifier: Apache-2.0
//
// Letters on a framebuffer. What each cell shows is remembered, so that only what changes is written and no pixel is ever read:
// a framebuffer is slow to write and far slower to read.
#pragma once
#include "hv/abi/boot_info.hpp"
#include <string_view>

namespace kennel::service {

enum class Ink : u8 { plain, inverse };

class Cells {
public:
    // All black. Where there is no framebuffer, or not a letter fits, there are no rows.
    void open(abi::Framebuffer const& framebuffer);

    u32 columns() const { return columns_; }
    u32 rows() const { return rows_; }

    // The row becomes this text, and blank behind it; what does not fit is cut, what cannot be shown is a '?'.
    void write(u32 row, std::string_view text, Ink ink = Ink::plain);
    // The rows from `first` to `end` move up by `lines`; blank ones follow.
    void scroll(u32 first, u32 end, u32 lines);

private:
    static constexpr u32 most_columns = 240, most_rows = 90;
    static constexpr u8  inverse = 0x80;              // beside a letter of ASCII

    void show(u32 row, u32 column, u8 cell);
    void draw(u32 row, u32 column, u8 cell);

    volatile u32* pixels_ = nullptr;
    u32 stride_ = 0;                                  // pixels
    u32 scale_ = 1;                                   // pixels of the screen for each of a letter, both ways
    u32 columns_ = 0, rows_ = 0;
    u8  cells_[most_rows][most_columns] = {};
};

} // namespace kennel::service
