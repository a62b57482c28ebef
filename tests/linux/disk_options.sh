# SPDX-License-Identifier: Apache-2.0
#
# A part of tests/linux/run: what --block's options mean to the guest, and to the files, which are read here without it.

# marked FILE WORD: a blank file of 1 MiB that begins with the word; FILE.before remembers it
marked() {
    printf '%s' "$2" > "$1"
    truncate -s 1M "$1"
    cp "$1" "$1.before"
}

check_option_disk() {   # DISK IDENTITY BEFORE WRITES AFTER END
    [ "$(value "$1")" = "$2" ];  judge "options: $1 has its file's name, its size and its rights" "it is '$(value "$1")' and not '$2'"
    [ "$(value "$1.before")" = "$3" ] && [ "$(value "$1.first") $(value "$1.last")" = "$4 $4" ] && [ "$(value "$1.after")" = "$5" ] && [ "$(value "$1.end")" = "$6" ]
    judge "options: $1 is read, writes are $4, and that is what is read again" \
          "before=$(value "$1.before") writes=$(value "$1.first"),$(value "$1.last") after=$(value "$1.after") end=$(value "$1.end")"
}

part_options() {
    local folder=$logs/options initrd
    rm -rf "$folder"
    mkdir -p "$folder"
    initrd=$(tools/initrd --output="$logs/options-initrd.img" --add=scripts/options=tests/linux/scripts/options 2> "$logs/initrd.err") ||
        { fail "options: no initrd: $(tail -n 1 "$logs/initrd.err")"; return; }
    marked "$folder/plain.img" 'plain before'
    marked "$folder/read-only.img" 'only to read'
    marked "$folder/longer-than-20-bytes.img" 'below it all'
    start options --block="$folder/plain.img" --block="$folder/read-only.img,ro" --block="$folder/longer-than-20-bytes.img,overlay=4m" \
        128m "$kernel" --initrd="$initrd" quiet kennel.script=options
    finish
    [ "$status" -eq 0 ] && [ "$(value disks)" = 3 ];  judge "options: a guest has three disks and powers off" "status $status, disks=$(value disks): $(last)"
    check_option_disk vda 'plain.img 2048 0' 'plain before' written 'new contents' 'the last one'
    check_option_disk vdb 'read-only.img 2048 1' 'only to read' refused 'only to read' ''
    check_option_disk vdc 'longer-than-20-bytes 2048 0' 'below it all' written 'new contents' 'the last one'
    # The files themselves: one as the guest left it, two as they were.
    { printf 'new contents'; head -c $((2047 * 512 - 12)) /dev/zero; printf 'the last one'; head -c 500 /dev/zero; } | cmp -s - "$folder/plain.img"
    judge "options: a plain file holds what was written to it, and nothing else has changed" "see $folder/plain.img"
    cmp -s "$folder/read-only.img"{,.before};             judge "options: a read-only file never changes" "see $folder/read-only.img"
    cmp -s "$folder/longer-than-20-bytes.img"{,.before};  judge "options: a file below an overlay never changes" "see $folder/longer-than-20-bytes.img"
}
