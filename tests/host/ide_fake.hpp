// SPDX-License-Identifier: Apache-2.0
//
// An IDE channel of a PIIX as the service sees it: ports, a bus master that moves real memory, and drives that forget what was
// not flushed. A command waits in the drive until the test says that it is done; so slow, silent and failing ones are easy.
#pragma once
#include "tests/host/service_fake.hpp"
#include <algorithm>
#include <cstring>
#include <deque>
#include <map>
#include <new>
#include <stdexcept>
#include <sys/mman.h>
#include <utility>

namespace kennel::service::fake {

// Memory below 4 GiB, where a bus master reaches it.
class LowMemory {
public:
    explicit LowMemory(usize size)
        : size_{size}, base_{static_cast<u8*>(mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0))}
    {
        if (base_ == MAP_FAILED)
            throw std::bad_alloc{};
    }
    LowMemory(LowMemory const&) = delete;
    LowMemory& operator=(LowMemory const&) = delete;
    ~LowMemory() { munmap(base_, size_); }
    u8* data() { return base_; }

private:
    usize size_;
    u8*   base_;
};

struct Drive {
    using Sector = std::array<u8, 512>;

    u64  sectors = 0;                                  // 0: there is no drive
    bool lba48 = true;
    bool packet = false;
    bool flushes = true;                               // without: no cache, and no command that empties it
    std::map<u64, Sector> platter, cache;              // what a power cut leaves, and what it does not

    // What came, in order.
    struct Command { u8 opcode; u64 first; u32 count; };
    std::vector<Command> commands;

    Sector read(u64 number) const
    {
        if (auto const at = cache.find(number); at != cache.end())
            return at->second;
        if (auto const at = platter.find(number); at != platter.end())
            return at->second;
        return {};
    }
    void flush()
    {
        for (auto const& [number, sector] : cache)
            platter[number] = sector;
        cache.clear();
    }
    void power_cut() { cache.clear(); }
    usize count(u8 opcode) const
    {
        return static_cast<usize>(std::ranges::count(commands, opcode, &Command::opcode));
    }
};

class IdeChannel : public PortDevice {
public:
    static constexpr u16 command = 0x1f0, control = 0x3f6, master = 0xc000;

    Drive drives[2];
    bool  line = false;                                // INTRQ
    bool  swallow_interrupt = false;                   // the next end of a command raises none
    bool  silent = false;                              // commands never end, until a reset
    bool  dead = false;                                // nothing does, and a reset does not help
    bool  gone = false;                                // the cable is out
    u32   failures = 0;                                // so many commands end with an error
    u32   short_transfers = 0;                         // so many end before their data is moved
    u32   resets = 0;

    u32  pci_command = 1;
    u8   pci_interface = 0x80;                         // bus master, both channels at their old ports

    bool has_command() const { return pending_ != 0; }

    // The drive does what it was told.
    void finish()
    {
        if (!pending_ || silent || dead)
            return;
        Drive& drive = drives[unit_];
        bool const flush = pending_ == 0xe7 || pending_ == 0xea;
        if (!flush && !(master_command_ & 1))
            return;                                    // the bus master was not started yet
        if (short_transfers > 0 && !flush) {
            short_transfers--;
            end(0x50, 0x05);                           // the drive says it is done; the bus master is still active
            return;
        }
        bool failed = failures > 0;
        failures -= failed;
        failed |= flush && !drive.flushes;
        if (!failed && flush)
            drive.flush();
        else if (!failed)
            failed = !move(drive);
        end(failed ? 0x51 : 0x50, static_cast<u8>(0x04 | (failed && !flush ? 1 : 0)));
    }

    bool read(u16 port, u32 bytes, u32& value) override
    {
        if (port == 0xcfc && bytes == 4) {
            value = configuration();
            return true;
        }
        if (port == command && bytes == 2) {
            value = identify_at_ < 256 ? identify_[identify_at_++] : 0xffff;
            if (identify_at_ == 256)
                status_ = 0x50;
            return true;
        }
        if (port == control || port == command + 7) {
            value = gone ? 0xff : drives[unit_].sectors == 0 && !drives[unit_].packet ? 0 : status_;
            if (port != control)
                line = false;
            return true;
        }
        if (port == master + 2) {
            value = master_status_;
            return true;
        }
        if (port > command && port < command + 7) {
            value = registers_[port - command][0];
            return true;
        }
        return false;
    }

    bool write(u16 port, u32 bytes, u32 value) override
    {
        if (port == 0xcf8 && bytes == 4) {
            pci_address_ = value;
            return true;
        }
        if (port == 0xcfc && bytes == 4) {
            if ((pci_address_ & 0xffff) == 0x0904)
                pci_command = value;
            return true;
        }
        if (port >= command + 1 && port <= command + 5) {
            auto& pair = registers_[port - command];
            pair[1] = pair[0];
            pair[0] = static_cast<u8>(value);
            return true;
        }
        if (port == command + 6) {
            unit_ = value >> 4 & 1;
            registers_[6][0] = static_cast<u8>(value);
            return true;
        }
        if (port == command + 7) {
            give(static_cast<u8>(value));
            return true;
        }
        if (port == control) {
            if (value & 4) {
                resets++;
                pending_ = 0;
                silent = false;
                status_ = 0xd0;
            } else if (!dead && (status_ & 0x80)) {
                status_ = 0x50;
            }
            return true;
        }
        if (port == master) {
            master_command_ = static_cast<u8>(value);
            if (value & 1)
                master_status_ |= 1;
            else
                master_status_ &= 0xfe;
            return true;
        }
        if (port == master + 2) {
            master_status_ = static_cast<u8>((value & 0x60) | (master_status_ & 1) | (master_status_ & ~value & 6));
            return true;
        }
        if (port == master + 4 && bytes == 4) {
            table_ = value;
            return true;
        }
        return false;
    }

private:
    void end(u8 status, u8 master_bits)
    {
        pending_ = 0;
        status_ = status;
        line = !std::exchange(swallow_interrupt, false);
        master_status_ = static_cast<u8>((master_status_ & 0x60) | master_bits);
    }

    void give(u8 opcode)
    {
        Drive& drive = drives[unit_];
        if (drive.packet && opcode == 0xec) {
            status_ = 0x51;
            return;
        }
        if (opcode == 0xec) {
            identify(drive);
            return;
        }
        u64 first = static_cast<u64>(registers_[3][0]) | static_cast<u64>(registers_[4][0]) << 8 | static_cast<u64>(registers_[5][0]) << 16;
        u32 count = registers_[2][0];
        if (opcode == 0x25 || opcode == 0x35) {
            first |= static_cast<u64>(registers_[3][1]) << 24 | static_cast<u64>(registers_[4][1]) << 32 | static_cast<u64>(registers_[5][1]) << 40;
            count |= static_cast<u32>(registers_[2][1]) << 8;
            count = count == 0 ? 65536 : count;
        } else {
            first |= static_cast<u64>(registers_[6][0] & 15) << 24;
            count = count == 0 ? 256 : count;
        }
        drive.commands.push_back({opcode, first, count});
        pending_ = opcode;
        status_ = 0xd0;
    }

    void identify(Drive const& drive)
    {
        std::ranges::fill(identify_, u16{0});
        identify_[49] = 0x300;
        identify_[60] = static_cast<u16>(std::min<u64>(drive.sectors, 0xfff'ffff));
        identify_[61] = static_cast<u16>(std::min<u64>(drive.sectors, 0xfff'ffff) >> 16);
        identify_[83] = identify_[86] = static_cast<u16>(0x4000 | (drive.lba48 ? 0x0400 : 0) | (drive.flushes ? 0x1000 : 0) | (drive.flushes && drive.lba48 ? 0x2000 : 0));
        identify_[82] = identify_[84] = identify_[85] = identify_[87] = 0x4000;
        if (drive.lba48)
            for (usize i = 0; i < 4; i++)
                identify_[100 + i] = static_cast<u16>(drive.sectors >> 16 * i);
        for (usize i = 0; i < 20; i++)
            identify_[27 + i] = 0x2020;
        identify_[27] = 'F' << 8 | 'a';
        identify_[28] = 'k' << 8 | 'e';
        identify_at_ = 0;
        status_ = 0x58;
    }

    // By the table, as the bus master does. False: the drive has no such sector.
    bool move(Drive& drive)
    {
        auto const [opcode, first, count] = drive.commands.back();
        if (first >= drive.sectors || count > drive.sectors - first)
            return false;
        bool const reads = opcode == 0x25 || opcode == 0xc8;
        std::vector<u8> data;
        for (u64 i = 0; reads && i < count; i++) {
            auto const sector = drive.read(first + i);
            data.insert(data.end(), sector.begin(), sector.end());
        }
        usize at = 0;
        for (u32 entry = table_;; entry += 8) {
            struct { u32 address; u16 bytes, flags; } region;
            std::memcpy(&region, reinterpret_cast<void*>(static_cast<u64>(entry)), sizeof region);
            u32 const size = region.bytes == 0 ? 65536 : region.bytes;
            if ((region.address & 1) || (size & 1) || (region.address & 0xffff) + size > 65536 || (entry & 0xffff) + 8 > 65536)
                throw std::logic_error("a region the bus master cannot do");
            u8* const memory = reinterpret_cast<u8*>(static_cast<u64>(region.address));
            if (reads) {
                if (size > data.size() - at)
                    throw std::logic_error("a table for more than the command");
                std::memcpy(memory, data.data() + at, size);
            } else {
                data.insert(data.end(), memory, memory + size);
            }
            at += size;
            if (region.flags & 0x8000)
                break;
        }
        if (at != count * usize{512})
            throw std::logic_error("table and command differ");
        for (u64 i = 0; !reads && i < count; i++)
            std::memcpy(drive.cache[first + i].data(), data.data() + i * 512, 512);
        return true;
    }

    // 00:01.0 a bridge to ISA with several functions, 00:01.1 the controller; as a PIIX3 is.
    u32 configuration() const
    {
        switch (pci_address_ & 0xffff) {
        case 0x0800: return 0x7000'8086;
        case 0x0808: return 0x0601'0000;
        case 0x080c: return 0x0080'0000;
        case 0x0900: return 0x7010'8086;
        case 0x0904: return pci_command;
        case 0x0908: return 0x0101'0000u | static_cast<u32>(pci_interface) << 8;
        case 0x0920: return master | 1;
        default:     return (pci_address_ & 0xf000) == 0 && (pci_address_ & 0x0e00) == 0x0800 ? 0 : 0xffff'ffff;
        }
    }

    u32 pci_address_ = 0;
    u8  status_ = 0x50;
    u8  registers_[8][2] = {};
    u32 unit_ = 0;
    u8  pending_ = 0;
    u8  master_command_ = 0, master_status_ = 0x60;
    u32 table_ = 0;
    u16 identify_[256] = {};
    usize identify_at_ = 256;
};

} // namespace kennel::service::fake
