# SPDX-License-Identifier: Apache-2.0
#
# A part of tests/linux/run: one file as the memory of two guests, /dev/pmem0: mapped as a whole into the first, page by page into the second,
# which starts twice.

# words NAME GUEST: what a guest's script said of it, once for each time
words() { tr -d '\r' < "$at.console" | sed -nE "s/^$2\| $1=(.*)/\1/p"; }
# same NAME GUEST WANTED TIMES: it was said so often, and always that
same()  { [ "$(words "$1" "$2")" = "$(for ((i = 0; i < $4; i++)); do echo "$3"; done)" ]; }
# area_report GUEST: the service's words at the end of each of its runs
area_report() { grep -aE "guest $1: area at 0x[0-9a-f]+: pages" "$at.log"; }

part_area() {
    local folder=$logs/area image=$logs/area/area.img initrd pages content file from
    rm -rf "$folder"
    mkdir -p "$folder/tree"
    head -c 1M /dev/urandom > "$folder/tree/data"
    cp "$build/tests/linux/ticks" "$folder/tree/program"
    # Not whole 2 MiB, and not whole pages: what is behind the file's end is zeroes.
    PATH=$PATH:/usr/sbin:/sbin mke2fs -q -t ext4 -O ^has_journal -b 4096 -d "$folder/tree" "$image" 1536k > /dev/null 2> "$folder/mke2fs.err" ||
        { fail "area: no file system: $(tail -n 1 "$folder/mke2fs.err")"; return; }
    printf 'its end' >> "$image"
    initrd=$(tools/initrd --output="$folder/initrd.img" --module=virtio_pmem --module=nd_pmem --add=scripts/area=tests/linux/scripts/area 2> "$logs/initrd.err") ||
        { fail "area: no initrd: $(tail -n 1 "$logs/initrd.err")"; return; }
    start area --machine="$(describe area '' \
        "$(linux first 96m 'quiet kennel.script=area' disks "[ { \"file\": \"$image\", \"pmem\": \"eager\" } ]")" \
        "$(linux second 96m 'quiet kennel.script=area kennel.ask' disks "[ { \"file\": \"$image\", \"pmem\": \"lazy\" } ]")" "$(mute)")"
    # The second looks again when the first has tried to write and is gone.
    await "$at.log" 'guest first stopped' && await "$at.console" 'second| what now?' && type_to 1 look
    await "$at.console" 'second| what now?' 2 && type_to 1 reboot
    await "$at.console" 'second| what now?' 3 && type_to 1 look
    await "$at.console" 'second| what now?' 4 && type_to 1 poweroff
    finish

    content=$({ cat "$image"; head -c $((2 * 1048576 - $(stat -c %s "$image"))) /dev/zero; } | md5sum | cut -c1-32)
    file=$(md5sum < "$folder/tree/data" | cut -c1-32)
    [ "$status" -eq 0 ];                                      judge "area: both guests power off, status 0" "status $status: $(last)"
    same area first '4096 none' 1 && same area second '4096 none' 2
    judge "area: each has /dev/pmem0, the file's size in whole 2 MiB, and no disk" "$(words area first), $(words area second | tr '\n' ' ')"
    same file first "$file" 1 && same file second "$file" 2;  judge "area: a file on it, through DAX, is what was put there" "see $at.console"
    same program first executed 1 && same program second executed 2; judge "area: a program runs out of the shared memory" "see $at.console"
    same before first "$content" 1 && same before second "$content" 2; judge "area: both see the same bytes, and zeroes behind the file's end" "see $at.console"
    same write first refused 1 && same write second refused 2; judge "area: a write fails when it is flushed" "$(words write first), $(words write second)"
    same after first "$content" 1 && same after second "$content" 4; judge "area: nothing has changed, for the writer or for the other" "see $at.console"
    from=$(grep -aoE 'guest first: area 0: area.img, [0-9]+ bytes of memory from 0x[0-9a-f]+' "$at.log" | sed 's/.*from //')
    [ -n "$from" ] && logged "guest second: area 0: area.img, [0-9]+ bytes of memory from $from on, seen at 0x[0-9a-f]+, mapped page by page"
    judge "area: it is the same memory for both: nothing was copied" "see $at.log"
    area_report first | grep -q 'pages mapped on touch 0, writes dropped [1-9][0-9]*, flushes [0-9]* (failed [1-9]'
    judge "area: mapped as a whole, no touch costs an exit" "$(area_report first)"
    # Each page once when it is first read, and once more after the driver had let go of the device and every page was taken back.
    pages=$((2 * 1048576 / 4096))
    [ "$(area_report second | grep -c "pages mapped on touch $((2 * pages)), writes dropped 512, flushes 3 (failed 3)")" -eq 2 ]
    judge "area: page by page, each first touch costs one exit, again after a revocation and after a restart" "$(area_report second | tr '\n' ' ')"
    logged 'guest second restarted' && ! grep -aq ' panic' "$at.log"; judge "area: the second guest started anew" "see $at.log"
}
