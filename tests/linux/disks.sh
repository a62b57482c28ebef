# SPDX-License-Identifier: Apache-2.0
#
# The parts of tests/linux/run that are about disks: what a guest wrote is there after a power cycle and after a crash, parts of a
# drive stay apart, and a guest lives on a disk. Images are small: every emulated sector costs time.

disk_tools=(--program=mkfs.ext4 --program=e2fsck --add=scripts/disk=tests/linux/scripts/disk --add=scripts/slice=tests/linux/scripts/slice)

# disk_initrd: $initrd with the tools of the disks' scripts
disk_initrd() {
    PATH="$PATH:/usr/sbin:/sbin" tools/initrd --output="$logs/disk-initrd.img" "${disk_tools[@]}" 2> "$logs/initrd.err" || { fail "disks: no initrd: $(tail -n 1 "$logs/initrd.err")"; return 1; }
}

blank() { rm -f "$1" && truncate -s "$2" "$1"; }

# disk_phase LABEL IMAGE PHASE ARGUMENTS [OPTIONS...]: one life of a guest with the image as /dev/vda
disk_phase() {
    local label=$1 image=$2 phase=$3 arguments=$4
    shift 4
    start "$label-$phase" "$@" --block="$image" 128m "$kernel" --initrd="$disk_initrd" quiet kennel.script=disk "kennel.phase=$phase" $arguments
}

check_made() {      # LABEL IMAGE
    [ "$(value disk)" = "$(basename "$2") $(($(stat -c %s "$2") / 512)) write back" ]
    judge "$1: /dev/vda is the file: its name, its size, and a cache that can be flushed" "disk=$(value disk)"
    [[ $(value scheduler) == *'[none]'* ]];         judge "$1: /init chose the scheduler none for it" "scheduler=$(value scheduler)"
    [ "$(value made)" = yes ] && [ "$(value mounted)" = yes ] && [ "$(value written)" = 20 ] && [ "$status" -eq 0 ]
    judge "$1: mkfs.ext4, mount, write, sync, power off" "status $status; see $at.console"
}

check_kept() {      # LABEL IMAGE
    [ "$(value fsck)" = 0 ];                        judge "$1: after a power cycle e2fsck -fn finds nothing, in the guest" "fsck=$(value fsck), see $at.console"
    [ "$(value good)" = 20 ];                       judge "$1: all files are there" "good=$(value good), see $at.console"
    [ -z "$(value error)" ];                        judge "$1: the kernel reports no error" "$(value error)"
    /sbin/e2fsck -fn "$2" > "$at.e2fsck" 2>&1;      judge "$1: e2fsck -fn finds nothing in the file itself" "see $at.e2fsck"
}

# A file system through a power cycle, then through a machine that is killed while the guest writes.
part_disk() {
    local image=$logs/disk.img disk_initrd files
    disk_initrd=$(disk_initrd) || return
    blank "$image" 24M
    disk_phase disk "$image" make ''
    finish
    check_made "disk" "$image"
    disk_phase disk "$image" check ''
    finish
    check_kept "disk" "$image"

    disk_phase disk "$image" endless ''
    await "$at.console" 'synced=40'
    stop                                            # kills the emulator: no more than losing power would leave
    files=$(tr -d '\r' < "$at.console" | grep -a '^synced=' | tail -n 1 | cut -d= -f2)
    [ "${files:-0}" -ge 40 ];                       judge "disk: a machine is killed in the middle of writes" "only ${files:-0} files were synced; see $at.console"
    disk_phase disk "$image" after "kennel.files=${files:-0}"
    finish
    [ "$(value mounted)" = yes ] && [ "$(value good)" = "${files:-0}" ] && [ "${files:-0}" -gt 0 ]
    judge "disk: everything that was fsynced is there" "good=$(value good) of ${files:-0}; see $at.console"
    [ "$(value fsck)" = 0 ];                        judge "disk: and the file system is clean" "fsck=$(value fsck), see $at.console"
}

# The same, with the guest on another processor than the drive's home.
part_disk2() {
    local image=$logs/disk2.img disk_initrd phase
    disk_initrd=$(disk_initrd) || return
    blank "$image" 16M
    for phase in make check; do
        start "disk2-$phase" --machine-cpus=2 --machine="$(describe disk2 '' \
            "$(guest far 128m "$kernel" initrd "$disk_initrd" arguments "quiet kennel.script=disk kennel.phase=$phase" cpu 1 disks "[ { \"file\": \"$image\" } ]")")"
        finish
        case $phase in make) check_made "second CPU" "$image" ;; check) check_kept "second CPU" "$image" ;; esac
    done
}

# Two guests, a partition each, one drive. Each fills its whole disk and tries to go on.
part_slices() {
    local image=$logs/slices.img disk_initrd name bytes size
    disk_initrd=$(disk_initrd) || return
    blank "$image" 8M
    printf 'label: gpt\nname=left,size=4096\nname=right,size=4096\n' | /sbin/sfdisk -q "$image"
    cp "$image" "$image.before"
    start slices --machine="$(describe slices '' \
        "$(guest one 96m "$kernel" initrd "$disk_initrd" arguments 'quiet kennel.script=slice kennel.me=L' disks "[ { \"file\": \"$image\", \"partition\": \"left\" } ]")" \
        "$(guest two 96m "$kernel" initrd "$disk_initrd" arguments 'quiet kennel.script=slice kennel.me=R' disks "[ { \"file\": \"$image\", \"partition\": \"right\" } ]")" "$(mute)")"
    finish
    for name in one two; do
        [ "$(value sectors "$name\\| ")" = 4096 ] && [ "$(value whole "$name\\| ")" = yes ] && [ "$(value beyond "$name\\| ")" = refused ]
        judge "slices: guest $name has its partition, and nothing beyond it" "sectors=$(value sectors "$name\\| ") whole=$(value whole "$name\\| ") beyond=$(value beyond "$name\\| ")"
    done
    # The drive as it should be now: L and R where the partitions are, everything else as it was.
    { head -c $((2048 * 512)) "$image.before"; yes L | tr -d '\n' | head -c $((4096 * 512)); yes R | tr -d '\n' | head -c $((4096 * 512))
      tail -c +$((10240 * 512 + 1)) "$image.before"; } > "$image.wanted"
    cmp "$image" "$image.wanted" > "$at.cmp" 2>&1;  judge "slices: each wrote to its own sectors, to the last one, and to no other" "$(cat "$at.cmp")"
    rm -f "$image.before" "$image.wanted"
}

# A root made of Debian packages on /dev/vda; from there, fio on a RAM disk and on a drive, everything compared.
part_root() {
    local root=$logs/root.img image=$logs/fio.img plain=$logs/plain.img disk before
    tools/rootfs --output="$root" --add=scripts/fio=tests/linux/scripts/fio fio e2fsprogs > /dev/null 2> "$logs/rootfs.err" ||
        { fail "root: no root file system: $(tail -n 1 "$logs/rootfs.err")"; return; }
    blank "$image" 2M
    yes plain | head -c 1M > "$plain"
    before=$(cksum "$root" "$plain")
    start root --block="$root,overlay=16m" --block=ram:2m --block="$image" --block="$plain,ro" 256m "$kernel" --initrd="$initrd" quiet root=/dev/vda rw kennel.script=fio
    finish
    [ "$(value root)" = '/dev/vda ext4' ] && [ "$status" -eq 0 ];  judge "root: root=/dev/vda, an ext4 made of Debian packages" "root=$(value root), status $status: $(last)"
    for disk in 'vdb ram' 'vdc fio.img'; do
        said "^fio=/dev/${disk% *} 0 ${disk#* } 4"; judge "root: fio reads back what it wrote, 4 jobs at depth 32, on /dev/${disk% *} (${disk#* })" "$(value fio), see $at.console"
    done
    said '^written=/dev/vdd no';                    judge "root: a disk with ro can be read and not written" "$(value written), see $at.console"
    [ "$(cksum "$root" "$plain")" = "$before" ];    judge "root: a file with ro or overlay is what it was" "it was $before"
    [ -z "$(value error)" ];                        judge "root: the kernel reports no error" "$(value error)"
}
