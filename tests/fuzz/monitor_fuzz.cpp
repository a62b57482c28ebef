// SPDX-License-Identifier: Apache-2.0
//
// Whoever holds the serial line's other end: any bytes through the line editor, and each line it makes through the parser. The
// line stays within its bounds and printable, the echo never holds anything a terminal would take for a command but our own few.
#include "drivers/monitor/command.hpp"
#include "drivers/monitor/line_editor.hpp"
#include "tests/fuzz/input.hpp"
#include <cstdlib>
#include <memory>

using namespace kennel;
using namespace kennel::service;

int LLVMFuzzerTestOneInput(unsigned char const* data, size_t size)
{
    u8 space[4096];
    ByteRing echo{space};
    auto const editor = std::make_unique<LineEditor>();
    for (usize i = 0; i < size; i++) {
        if (editor->feed(data[i], echo) == LineEditor::Outcome::line) {
            std::string_view const line = editor->line();
            if (line.size() > LineEditor::longest)
                std::abort();
            for (char const c : line)
                if (c < ' ' || c > '~')
                    std::abort();
            Text fault;
            auto const command = parse_command(line, fault);
            if (command.has_value() != fault.view().empty())
                std::abort();
            if (command && !command->guest.empty() && (command->guest.data() < line.data() || command->guest.data() + command->guest.size() > line.data() + line.size()))
                std::abort();
        }
        while (!echo.empty())
            if (u8 const byte = echo.pop(); byte > '~' || (byte < ' ' && byte != '\r' && byte != '\n' && byte != '\b' && byte != 0x1b))
                std::abort();
    }
    // The parser alone: a program's request has bytes no editor lets through.
    Text fault;
    static_cast<void>(parse_command({reinterpret_cast<char const*>(data), size}, fault));
    return 0;
}
