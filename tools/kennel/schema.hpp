// SPDX-License-Identifier: Apache-2.0
//
// The keys of a configuration file, table by table. configuration_reader.cpp reads by them, `kennel check --keys` prints them, and
// docs/configuration.md is their manual.
#pragma once
#include "tools/kennel/section.hpp"

namespace kennel::tool {

struct SchemaTable {
    std::string_view     name;      // as in the file: [machine], [[guest]]
    std::string_view     meaning;
    std::span<Key const> keys;
};

inline constexpr Key root_keys[] = {
    {"machine", "table",                 "", "the machine"},
    {"service", "tables, at most 4",     "", "service partitions"},
    {"guest",   "tables, 1 to 32",       "", "guests"},
    {"network", "tables, at most 16",    "", "networks of guests"},
};
inline constexpr Key machine_keys[] = {
    {"cpus",           "number, 1 to 32", "what the guests need", "its processors: for a real machine, the least it has"},
    {"memory",         "size",            "what is needed",       "its memory: for a real machine, the least it has"},
    {"trust_guests",   "true or false",   "false",                "map executable memory by 2 MiB even where the iTLB multihit erratum may exist"},
    {"verbose",        "true or false",   "false",                "the hypervisor's log tells more"},
    {"log_on_console", "true or false",   "false",                "the machine has one serial port: the log goes there until the service starts"},
};
inline constexpr Key service_keys[] = {
    {"name",    "text, 1 to 15 characters", "service, service2, ...", "its name"},
    {"memory",  "size",                     "all that is left",       "its share of the machine's memory, its guests' included; at most one service can go without"},
    {"devices", "true or false",            "the first has them",     "it owns the machine's devices; exactly one does"},
};
inline constexpr Key guest_keys[] = {
    {"name",         "text, 1 to 31 characters", "needed",   "its name"},
    {"memory",       "size",                     "needed",   "its memory, rounded up to 2m"},
    {"kernel",       "path",                     "needed",   "a Linux bzImage, or an ELF file"},
    {"initrd",       "path",                     "none",     "its initial RAM disk: cpio or a file system, compressed or not"},
    {"command_line", "text",                     "empty",    "of the kernel; console=ttyS0 is put before it unless there is a console="},
    {"cpus",         "number, 1",                "1",        "its processors"},
    {"cpu",          "number, 0 to 31",          "any",      "the machine's processor that runs it"},
    {"weight",       "number, 1 to 1000",        "100",      "its share of that processor, relative to others"},
    {"policy",       "stop, restart or hold",    "stop",     "what happens when it fails"},
    {"service",      "name of a service",        "the first","the service it belongs to"},
    {"console",      "true or false",            "the first guest has it", "what is typed goes to it first"},
    {"disk",         "tables, at most 8",        "none",     "its disks: /dev/vda, /dev/vdb and so on; its shared memory: /dev/pmem0 and so on"},
    {"net",          "tables",                   "none",     "its network cards: eth0, eth1 and so on"},
};

inline constexpr Key disk_keys[] = {
    {"file",          "path",                      "this, or ram",    "a file with the disk's content, raw; for an image also qcow2"},
    {"ram",           "size",                      "this, or file",   "a disk of this size in memory, empty at each start"},
    {"in_memory",     "true or false",             "false",           "the file's content is put into memory at start, and what is written is lost at the end"},
    {"pmem",          "eager or lazy",             "a disk",          "no disk, but memory that all guests who have this file share and only read: mapped at start, or page by page when touched"},
    {"read_only",     "true or false",             "false",           "the guest can only read it"},
    {"overlay",       "size",                      "none",            "what is written goes into memory, at most so much; the file stays as it is"},
    {"write_through", "true or false",             "false",           "each write is on the medium before the guest hears that it is done"},
    {"partition",     "text, 1 to 36 characters",  "the whole disk",  "only the partition with this label"},
    {"partuuid",      "PARTUUID",                  "the whole disk",  "only this partition, as lsblk -o PARTUUID shows it"},
    {"serial",        "text, 1 to 20 characters",  "the file's name", "as the guest sees it"},
};

inline constexpr Key network_keys[] = {
    {"name", "text, 1 to 15 characters", "needed", "its name: small letters, digits and '-'"},
    {"mode", "isolated, nat or bridge",  "nat",    "guests and the service alone; with a way out under the service's address; on the wire of the machine's card"},
};
inline constexpr Key card_keys[] = {
    {"network",    "name of a network",       "needed", "the network it is on"},
    {"address",    "text",                    "of the guest's name", "its hardware address, such as 52:54:00:12:34:56"},
    {"mtu",        "number, 68 to 9000",      "1500",   "the largest packet, in bytes"},
    {"any_source", "true or false",           "false",  "it may send under other addresses than its own"},
    {"forwards",   "text",                    "none",   "ports outside that lead to the guest's, at most 8: tcp:2222:22 udp:53:53"},
};

inline constexpr SchemaTable schema[] = {
    {"",            "the file",                                                                        root_keys},
    {"[machine]",   "the machine; may be left out",                                                    machine_keys},
    {"[[service]]", "a service partition, which serves guests; may be left out: then there is one",    service_keys},
    {"[[guest]]",   "a guest",                                                                         guest_keys},
    {"[[guest.disk]]", "a disk of the guest before it",                                                disk_keys},
    {"[[guest.net]]",  "a network card of the guest before it",                                        card_keys},
    {"[[network]]",    "a network",                                                                    network_keys},
};

} // namespace kennel::tool
