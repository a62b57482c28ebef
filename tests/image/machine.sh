# SPDX-License-Identifier: Apache-2.0
#
# Sourced with the build folder in $build: a place to work in, that goes away, images, and a machine that is nothing but Bochs and OVMF.
export LC_ALL=C
here=$(cd "$(dirname "$0")" && pwd)
kennel="$build/kennel"
work=$(mktemp -d)
emulator=
trap '[ -z "$emulator" ] || kill "$emulator" 2> /dev/null; rm -rf "$work"' EXIT
failed=0
verdict() { if [ -z "$2" ]; then echo "PASS image: $1"; else echo "FAIL image: $1: $2"; failed=1; fi; }

bochs="${XDG_CACHE_HOME:-$HOME/.cache}/kennel/bochs-3.0/bin/bochs"
quiet_display='display_library: nogui'
words=(-q -f bochsrc)
if [ ! -x "$bochs" ]; then                             # Debian's 2.7 is a debugger build, has no such display, and wants a sound card
    bochs=bochs-bin
    quiet_display='sound: waveoutdrv=dummy, midioutdrv=dummy, waveindrv=dummy'
    echo c > "$work/debugger"
    words+=(-rc debugger)
fi

# configure LINE...: $work/bochsrc is docs/examples' machine, and these lines besides, which have the last word
configure() { { cat "$here/../../docs/examples/bochsrc"; printf '%s\n' "$@"; } > "$work/bochsrc"; }

# emulate SECONDS: starts it, as $emulator
emulate() {
    rm -f "$work/disk.img.lock"
    (cd "$work" && TZ=UTC0UTC0 exec timeout --kill-after=5 "$1" "$bochs" "${words[@]}" > emulator.txt 2>&1 < /dev/null) & emulator=$!
}
stop_emulator() {
    kill "$emulator" 2> /dev/null
    wait "$emulator" 2> /dev/null
    emulator=
}

# make_initrd: Debian's kernel as $work/vmlinuz, and $work/initrd.img whose kennel.script=up is the text on standard input
make_initrd() {
    { read -r kernel; read -r _; read -r _; } < <("$here/../../tools/kernel" 2> /dev/null)
    [ -e "${kernel:-}" ] || { echo "FAIL image: no kernel (tools/kernel)"; exit 1; }
    ln -s "$kernel" "$work/vmlinuz"
    cat > "$work/up"
    "$here/../../tools/initrd" --output="$work/initrd.img" --add=scripts/up="$work/up" > /dev/null || { echo "FAIL image: no initrd"; exit 1; }
}
