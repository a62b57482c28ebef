// SPDX-License-Identifier: Apache-2.0
//
// A guest's PCI: one bus, reached through ports 0xCF8/0xCFC and through ECAM. A function is its configuration space and
// a mask of what a guest may change in it; sizing a BAR follows from the mask alone. BARs are assigned before the guest
// starts, and no function has an interrupt pin: interrupts are MSI-X. PCI Local Bus Specification 3.0, chapter 6.
#pragma once
#include "hv/lib/types.hpp"
#include <optional>

namespace kennel::service {

struct PciIdentity { u16 vendor, device; u32 class_code /* 24 bits: class, subclass, interface */; };

// A device whose configuration space does more than hold words. Virtual: drivers use it when they start, not for requests.
class PciConfigPeer {
public:
    virtual void read_config(u32 offset, u32 size, u32& value) = 0;          // may change what is read
    virtual void config_written(u32 offset, u32 size, u32 value) = 0;        // after the words took what they may

protected:
    ~PciConfigPeer() = default;
};

class PciFunction {
public:
    static constexpr u32 config_bytes = 256;
    static constexpr u32 bars         = 6;

    PciFunction() = default;
    explicit PciFunction(PciIdentity const& identity);

    // A memory BAR at its first address. `size` is a power of two, at least 16; the address a multiple of it.
    void add_memory_bar(u32 bar, u32 address, u32 size);
    // Ports; `size` is a power of two from 4 to 256.
    void add_port_bar(u32 bar, u16 port, u32 size);
    void set_revision(u8 revision) { words_[2] |= revision; }
    void set_capabilities(u32 first) { words_[1] |= 1u << 20; words_[13] = first; }
    // A word, and which of its bits a guest may change.
    void set(u32 offset, u32 value, u32 writable = 0) { words_[offset / 4] = value; writable_[offset / 4] = writable; }
    void set_peer(PciConfigPeer* peer) { peer_ = peer; }
    PciConfigPeer* peer() const { return peer_; }

    bool present() const { return words_[0] != 0; }
    u32  read(u32 offset, u32 size) const;           // size 1, 2, 4; never across a word
    void write(u32 offset, u32 size, u32 value);

    // Offset of `address` in a memory BAR that is switched on: which BAR, and where in it.
    struct Hit { u32 bar; u32 offset; };
    std::optional<Hit> find_memory(u64 address) const;

private:
    u32 words_[config_bytes / 4] = {};
    u32 writable_[config_bytes / 4] = {};
    u32 bar_size_[bars] = {};                         // of memory BARs
    PciConfigPeer* peer_ = nullptr;
};

class PciHost {
public:
    static constexpr u16 address_port = 0xcf8, data_port = 0xcfc;
    static constexpr u64 ecam_base = 0xe000'0000, ecam_size = 0x10'0000;      // bus 0 only
    static constexpr u32 window_base = 0xc000'0000, window_size = 0x2000'0000; // memory BARs; as in guest/dsdt.asl
    static constexpr u32 devices = 16;                                         // numbers 0 to 15, function 0 each

    PciFunction&       device(u32 number) { return functions_[number]; }
    PciFunction const& device(u32 number) const { return functions_[number]; }

    void reset();

    u32  read_port(u16 port, u32 size) const;
    void write_port(u16 port, u32 size, u32 value);
    u32  read_ecam(u64 offset, u32 size) const;
    void write_ecam(u64 offset, u32 size, u32 value);

    struct Hit { u32 device; u32 bar; u32 offset; };
    std::optional<Hit> find_memory(u64 address) const;

private:
    // What a configuration address names; nothing where there is no function, or beyond its 256 bytes.
    struct Target { u32 device; u32 offset; };
    std::optional<Target> target(u32 bus, u32 device_function, u32 offset, u32 size) const;
    u32  read(Target const& target, u32 size) const;
    void write(Target const& target, u32 size, u32 value);

    u32         selected_ = 0;                        // configuration address register
    PciFunction functions_[devices];
};

} // namespace kennel::service
