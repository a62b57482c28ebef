# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# The machine of the bench, for tests/bench/run: Bochs 3.0, corei7_skylake_x, all clocks at one tick per instruction, once with Kennel
# and once with bare Linux. Each run has a folder $logs/LABEL: console, counts (what the emulator counted at each mark), and logs.
frequency=3500000000

say()  { echo "bench: $*" >&2; }
fail() { say "$*"; exit 1; }

# kennel_machine LABEL SECONDS OPTIONS...: a machine under Kennel, by its own launcher
kennel_machine() {
    local label=$1 seconds=$2 folder=$logs/$1
    shift 2
    rm -rf "$folder"
    mkdir -p "$folder"
    say "$label"
    timeout --kill-after=10 $((seconds + 60)) "$build/kennel" run --emulator="$emulator" --cpu-model=corei7_skylake_x --ips=$frequency --timeout="$seconds" \
        --keep="$folder" --log="$folder/log" "$@" < /dev/null > "$folder/console" 2> "$folder/messages" ||
        fail "$label: Kennel's machine ended with status $?: $(tail -n 1 "$folder/messages") (all of it is in $folder)"
    rm -f "$folder/disk.img"
}

# bare_machine LABEL SECONDS MIB INITRD ARGUMENTS: the same machine, with so much memory, with Debian's kernel on the bare processor
bare_machine() {
    local label=$1 seconds=$2 mib=$3 initrd=$4 arguments=$5 folder=$logs/$1 status attempt
    rm -rf "$folder"
    mkdir -p "$folder"
    # The emulator puts both files into memory nobody else uses before Linux does: firmware begins at both ends.
    local kernel_at initrd_at
    kernel_at=$(printf '0x%x' $((mib << 18))) initrd_at=$(printf '0x%x' $((mib * 5 << 16)))
    printf '%x %x %x %x console=ttyS0 mitigations=off quiet %s\n' $kernel_at "$(stat -c %s "$kernel")" $initrd_at "$(stat -c %s "$initrd")" \
        "$arguments" > "$folder/arguments"
    truncate -s $((66 * 516096)) "$folder/disk"       # Bochs takes only whole cylinders
    { mkfs.vfat -n BENCH "$folder/disk" && mmd -i "$folder/disk" ::/EFI ::/EFI/BOOT &&
      mcopy -i "$folder/disk" "$build/tests/bench/start_linux.efi" ::/EFI/BOOT/BOOTX64.EFI &&
      mcopy -i "$folder/disk" "$folder/arguments" ::/arguments; } > "$folder/disk.log" 2>&1 || fail "$label: no disk: $(tail -n 1 "$folder/disk.log")"
    cat > "$folder/bochsrc" <<END
display_library: nogui
cpu: model=corei7_skylake_x, count=1, ips=$frequency, reset_on_triple_fault=0
memory: guest=$mib, host=$mib
romimage: file=$(firmware /usr/share/ovmf/OVMF.fd /usr/share/OVMF/OVMF.fd /usr/share/qemu/OVMF.fd)
optramimage1: file=$kernel, address=$kernel_at
optramimage2: file=$initrd, address=$initrd_at
vgaromimage: file=$(firmware /usr/share/seabios/vgabios-stdvga.bin)
pci: enabled=1, chipset=i440fx, slot1=pcivga
vga: extension=vbe
clock: sync=none
com1: enabled=1, mode=file, dev=console
ata0-master: type=disk, path=disk, mode=flat
boot: disk
log: bochs.log
panic: action=report
error: action=report
info: action=ignore
debug: action=ignore
END
    for attempt in 1 2; do
        rm -f "$folder/disk.lock"
        say "$label"
        status=0
        (cd "$folder" && exec timeout --kill-after=10 "$seconds" "$bochs" -q -f bochsrc < /dev/null > emulator.log 2>&1) || status=$?
        if grep -aq '^DONE' "$folder/console"; then break; fi
        # One start of a few stalls in the firmware with clocks this fast; nothing is measured then.
        [ "$attempt" = 1 ] && ! grep -aq '^BEGIN' "$folder/console" || fail "$label: bare Linux did not come to its end (status $status); see $folder/console"
        say "$label: the kernel was not reached; once more"
    done
    rm -f "$folder/disk"
}

firmware() {
    local file
    for file in "$@"; do [ ! -e "$file" ] || { echo "$file"; return; }; done
    fail "no firmware $* (tools/setup installs it)"
}
