// SPDX-License-Identifier: Apache-2.0
//
// One serial port for the consoles of all guests of a service. Home: the service's vCPU 0.
//   one guest        its bytes pass as they are, both ways
//   several guests   each line of output begins with `NAME| `; input goes to the attached guest
// In the input, 0x1d is the escape. Behind it
//   a digit   attaches the guest of that number (0: the first of the manifest)
//   m         puts the monitor in front: what is typed goes to it, and guests' lines appear above its prompt
//   r         up to the end of the line: a program's request to the monitor, whatever is in front
//   w         COLUMNS ROWS up to the end of the line: the size of the window at the other end, for the guests that ask for one
//   0x1d      is one 0x1d for the guest
// The launcher's escape key is translated to this.
#pragma once
#include "drivers/console/ring.hpp"
#include "drivers/console/serial_port.hpp"
#include "hv/abi/manifest.hpp"
#include <optional>
#include <string_view>

namespace kennel::service {

// A guest's console as seen from here: the rings' other ends are its 16550's.
struct Terminal {
    std::string_view name;
    ByteRing* output = nullptr;
    ByteRing* input  = nullptr;
};

class Console {
public:
    // Bit n: something changed for terminal n.
    struct Changes {
        u32 room  = 0;                                // output was taken away
        u32 input = 0;                                // there is new input
        bool monitor = false;                         // for the monitor, too
        bool window = false;                          // it has another size
    };
    struct alignas(4) Window { u16 columns = 80, rows = 24; };   // until it is told; an atomic word

    // Takes the port over and says so by a line of its own, which the launcher waits for.
    void open(u16 port, u64 tsc_hz);
    bool is_open() const { return open_; }
    void add(Terminal const& terminal);
    // What the monitor says goes out as it is; `input`: its keys, `requests`: lines of programs.
    void add_monitor(ByteRing& output, ByteRing& input, ByteRing& requests) { monitor_ = {&output, &input, &requests}; }
    void attach(u32 number);
    void detach() { attached_ = no_terminal; }
    // From the monitor to the attached guest. False: there is none.
    bool leave_monitor();
    // The window at the other end. For every vCPU.
    Window window() const { return window_.load(std::memory_order_relaxed); }
    // Without an interrupt, pump() waits for the port itself.
    void set_interrupts(bool usable) { interrupts_ = usable; }

    // Sends what the port takes now; the rest follows by interrupt. Asks the port each time: a guest with interrupts off
    // can hold an interrupt back for long (some emulators give no exit for it then), and must not stop the output.
    Changes pump();
    // The port's interrupt: input and room. `again`: it did not calm down; call once more.
    struct Served { Changes changes; bool again; };
    Served  interrupt();
    // Everything there is, waiting for the port. Before the machine is switched off, or for a guest that ignores that its
    // transmitter is busy.
    void flush();

private:
    static constexpr u8  escape = 0x1d;
    static constexpr u32 long_line = 256;             // bytes without an end that are shown as if they were a line
    static constexpr u32 no_terminal = ~0u, monitor = abi::max_guests;

    struct MonitorRings { ByteRing* output = nullptr; ByteRing* input = nullptr; ByteRing* requests = nullptr; };
    enum class Input : u8 { plain, escaped, request, window };
    struct Size { u16 numbers[2] = {}; u8 count = 0; bool is_good = true; };   // of a window, as it is typed

    std::optional<u8> next(Changes& changes);
    u32  choose() const;
    bool presentable(u32 number) const;
    void stage(std::string_view text);
    void take_input(u8 byte, Changes& changes);
    void take_escaped(u8 byte, Changes& changes);
    void take_size(u8 byte, Changes& changes);
    void enter_monitor(Changes& changes);
    void redraw(Changes& changes);
    bool has_output(u32 number) const { return number == monitor ? !monitor_.output->empty() : !terminals_[number].output->empty(); }
    Changes send_some();

    SerialPort port_;
    bool open_ = false, interrupts_ = false;
    bool more_ = false;                               // the last burst was full: there may be more
    bool line_start_ = true;                          // the next byte begins a line on the screen
    Input input_ = Input::plain;                      // what the next byte is part of
    Size size_;
    std::atomic<Window> window_{Window{}};
    bool front_ = false;                              // the monitor is in front
    bool covered_ = false;                            // a guest's line took the place of the monitor's prompt
    bool flushing_ = false;                           // unfinished lines are shown, too
    u32  count_ = 0, attached_ = 0, owner_ = no_terminal;
    Terminal terminals_[abi::max_guests];
    MonitorRings monitor_;
    char staged_[40] = {};                               // a prefix on its way out
    u32  staged_at_ = 0, staged_end_ = 0;
};

} // namespace kennel::service
