// SPDX-License-Identifier: Apache-2.0
//
// What the user sees before the hypervisor: one line per step, each refusal by name. Every line goes to the firmware's
// console and to COM1, once to each: firmware that copies its console to a serial port is not helped twice.
#pragma once
#include "boot/firmware.hpp"
#include "boot/line.hpp"

namespace kennel::boot {

class Screen {
public:
    explicit Screen(Firmware const& firmware);

    template <typename... Parts> void say(Parts const&... parts) { print(Line("kennel: ", parts...)); }

    // A reason why Kennel cannot start. All are printed; the loader returns to the firmware when there was one.
    template <typename... Parts> void refuse(Parts const&... parts)
    {
        refused_ = true;
        print(Line("kennel: cannot start: ", parts...));
    }

    bool refused() const { return refused_; }
    bool reaches_serial() const { return mirrored_ || own_port_; }

    void firmware_is_gone() { console_ = nullptr; }   // from then on only the serial port

private:
    void print(Line const& line);

    SIMPLE_TEXT_OUTPUT_INTERFACE* console_;
    bool mirrored_ = false;   // the firmware's console shows on a serial port
    bool own_port_ = false;   // we write to COM1 ourselves
    bool refused_ = false;
};

} // namespace kennel::boot
