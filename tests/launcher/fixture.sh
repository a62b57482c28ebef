# SPDX-License-Identifier: Apache-2.0
#
# Sourced with the build folder as $1: a place to work in, that goes away, a kernel with nothing but a header, an initrd, and
# images and an emulator that are none.
set -u
export LC_ALL=C
here=$(cd "$(dirname "$0")" && pwd)
build=$(realpath "${1:-$here/../../build}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

export XDG_CACHE_HOME="$work/cache" TMPDIR="$work/tmp" XDG_RUNTIME_DIR="$work/run" KENNEL_SCENARIO="$work/scenario"
mkdir -p "$work/cache/kennel/bochs-3.0/bin" "$work/tmp" "$work/run" "$work/images/boot" "$work/images/hv" "$work/images/drivers"
cp "$here/fake_bochs" "$work/cache/kennel/bochs-3.0/bin/bochs"
for file in boot/BOOTX64.EFI hv/hypervisor.elf drivers/service.elf; do echo image > "$work/images/$file"; done

# A bzImage with nothing but a header: protocol 2.12, 64-bit, at 16 MiB, 1 MiB large.
bytes() { printf "%b" "$2" | dd of="$work/kernel" bs=1 seek=$(($1)) conv=notrunc status=none; }
truncate -s 8192 "$work/kernel"
bytes 0x1f1 '\x01'
bytes 0x202 'HdrS\x0c\x02'
bytes 0x211 '\x01'
bytes 0x236 '\x01\x00\xff\x07'
bytes 0x258 '\x00\x00\x00\x01'
bytes 0x260 '\x00\x00\x10\x00'
printf '070701' > "$work/initrd.img"

# left_running [PATTERN]: the faults of a part's end: a process of its that still runs. One that was killed may take a moment to go.
left_running() {
    local left
    for _ in $(seq 100); do
        left=$(pgrep -af "${1:-$work/cache/kennel/bochs|$kennel }" | grep -v pgrep) || return 0
        sleep 0.1
    done
    echo "$left"
}
