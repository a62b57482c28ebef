# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# The sections of tests/bench/run, SIDE_SECTION: each boots its machines and prints facts, one a line:
# GROUP NAME SIDE MINIMUM MEDIAN EXITS (of the whole machine, for one operation; "-" where nothing counts them). Profiles, too.

counts() { "$programs/bench_counts" "$@" || exit 1; }

# description LABEL GUEST...: a description of a machine for build/kennel run
description() {
    local path=$logs/$1.json separator= guest
    shift
    { echo '{ "guests": ['
      for guest in "$@"; do echo "$separator { $guest }"; separator=,; done
      echo '] }'; } > "$path"
    echo "$path"
}
# small NAME MEMORY PROGRAM [MORE]: a guest for a description
small() { echo "\"name\": \"$1\", \"memory\": \"$2\", \"kernel\": \"$programs/$3.elf\"${4:+, $4}"; }

# A RAM disk, and a drive: the emulator's disk is a file.
two_disks() {
    rm -f "$logs/drive.img"
    truncate -s 1M "$logs/drive.img"
    echo "\"disks\": [ { \"size\": \"16m\" }, { \"file\": \"$logs/drive.img\" } ]"
}

# with_modules PATH...: options of tools/initrd for these modules of the kernel
with_modules() { local path; for path in "$@"; do echo --add=modules/"${path##*/}".ko="$modules/kernel/$path.ko"; done; }
kvm_modules="arch/x86/kvm/kvm arch/x86/kvm/kvm-intel virt/lib/irqbypass"

# ---- primitives: small guests, the same files on both sides ----

kennel_primitives() {
    kennel_machine kennel-primitives 250 --machine="$(description primitives "$(small measured 40m primitives "$(two_disks)")")"
    if [ -n "$quick" ]; then
        counts figures "$logs/kennel-primitives" primitive kennel
        return
    fi
    counts facts "$logs/kennel-primitives" primitive kennel
    kennel_machine kennel-turns 250 --machine="$(description turns "$(small one 4m turns)" "$(small two 4m turns)")"
    counts turns "$logs/kennel-turns/console" kennel
}

peer_primitives() {
    local initrd
    # shellcheck disable=SC2046,SC2086
    initrd=$(tools/initrd --output="$logs/peer-primitives.img" $(with_modules $kvm_modules) --add=bin/begin="$programs/begin" --add=bin/end="$programs/end" \
             --add=bin/kvm_client="$programs/kvm_client" --add=guests/turns.elf="$programs/turns.elf" \
             --add=guests/primitives.elf="$programs/primitives.elf" --add=scripts/peer_guests=tests/bench/linux/peer_guests.sh) || fail "no initrd for the peer"
    bare_machine peer-primitives 900 1024 "$initrd" "rdinit=/bin/begin kennel.script=peer_guests"
    counts facts "$logs/peer-primitives" primitive kvm
    counts turns "$logs/peer-primitives/console" kvm
}

# ---- growth: beside busy neighbours of 2 MiB. They end by themselves, later than the measuring guest does: if not, nothing was measured ----

kennel_growth() {
    local neighbours label guests i
    for neighbours in 0 7 31; do
        label=kennel-growth-$neighbours
        guests=()
        for ((i = 0; i < neighbours; i++)); do guests+=("$(small "busy$i" 2m busy)"); done
        kennel_machine "$label" 400 --machine="$(description "$label" "${guests[@]}" "$(small measured 4m primitives "\"arguments\": \"only=growth\", $(two_disks)")")"
        tr -d '\r' < "$logs/$label/log" | sed -nE 's/^message: guest ([a-z0-9]+) stopped.*/\1/p' | head -1 | grep -qx measured ||
            fail "$label: a neighbour ended before the measuring guest did"
        counts facts "$logs/$label" growth kennel | awk -v n="$neighbours" '{ $2 = $2 ":" n; print }'
    done
}

# ---- requests: Debian's guest, from the kernel's start to its first program, and then requests of a RAM disk and of two network cards ----

requests_initrd() {
    # shellcheck disable=SC2046
    tools/initrd --output="$logs/requests.img" $(with_modules fs/configfs/configfs drivers/block/null_blk/null_blk) --add=bin/begin="$programs/begin" \
        --add=bin/end="$programs/end" --add=bin/disk_requests="$programs/disk_requests" --add=bin/net_requests="$programs/net_requests" \
        --add=scripts/requests=tests/bench/linux/requests.sh --add=scripts/network=tests/bench/linux/network.sh \
        --add=scripts/floor=tests/bench/linux/floor.sh || fail "no initrd"
}

# linux_on_kennel LABEL ARGUMENTS: that guest, with two disks and two cards
linux_on_kennel() {
    local initrd description=$logs/$1.json disks
    initrd=$(requests_initrd) || exit 1
    disks=$(two_disks)
    cat > "$description" <<END
{ "networks": [ { "name": "wire", "mode": "isolated" } ],
  "guests": [ { "name": "bench", "memory": "128m", "kernel": "$kernel", "initrd": "$initrd",
                "arguments": "mitigations=off rdinit=/bin/begin $2",
                $disks, "cards": [ { "network": "wire" }, { "network": "wire" } ] } ] }
END
    kennel_machine "$1" 900 --machine="$description"
}

kennel_requests() {
    linux_on_kennel kennel-requests "quiet kennel.script=requests"
    linux_on_kennel kennel-console "bench_mark=3 kennel.script=poweroff"
    counts facts "$logs/kennel-requests" request kennel
    counts boot "$logs/kennel-requests" kennel start 1
    counts console kennel "$logs/kennel-console" 3 "$logs/kennel-requests" 1
}

# The same guest on QEMU with KVM; and the floor: the same Linux on the bare machine, with requests of null_blk.
peer_requests() {
    local guest initrd file roms=()
    guest=$(requests_initrd) || exit 1
    bare_machine floor 600 256 "$guest" "rdinit=/bin/begin kennel.script=floor"
    counts facts "$logs/floor" request floor | grep -v -e '-exits ' -e '-interrupts '
    counts boot "$logs/floor" floor 0 1
    for file in /usr/share/qemu/{kvmvapic.bin,linuxboot_dma.bin} /usr/share/seabios/bios-256k.bin; do roms+=(--add=qemu/"${file##*/}"="$file"); done
    # shellcheck disable=SC2046,SC2086
    initrd=$(tools/initrd --output="$logs/peer-requests.img" $(with_modules $kvm_modules) "${roms[@]}" --program=qemu-system-x86_64 --add=bin/begin="$programs/begin" \
             --add=bin/end="$programs/end" --add=guest/vmlinuz="$kernel" --add=guest/initrd="$guest" \
             --add=scripts/peer_requests=tests/bench/linux/peer_requests.sh) || fail "no initrd for the peer"
    bare_machine peer-requests 1200 1024 "$initrd" "rdinit=/bin/begin kennel.script=peer_requests"
    counts facts "$logs/peer-requests" request kvm
    counts boot "$logs/peer-requests" kvm start 2
    counts console kvm "$logs/peer-requests" 3 "$logs/peer-requests" 2
}

# ---- footprint: of files, and what a service of ours finds out about hv's memory ----

kennel_footprint() {
    local log=$logs/kennel-footprint/log name value image pool left
    footprint() { [ -n "$2" ] || fail "no figure for $1"; echo "footprint $1 kennel $2 $2 -"; }
    tests/house/run "$build" > "$logs/house"
    footprint source-lines "$(sed -nE 's/.*hv and arch have at most [0-9]+ lines of code \(([0-9]+)\).*/\1/p' "$logs/house")"
    footprint hypervisor-bytes "$(sed -nE 's/.*the hypervisor has at most [^(]*\(([0-9]+) bytes\).*/\1/p' "$logs/house")"
    footprint service-bytes "$(size "$(find "$build" -name service.elf | head -n 1)" | awk 'NR == 2 { print $4 }')"
    kennel_machine kennel-footprint 120 --replace=/kennel/service.elf="$programs/footprint.elf" 4m "$programs/turns.elf"
    image=$(sed -nE 's/^.*hypervisor: image ([0-9]+) KiB.*/\1/p' "$log")
    pool=$(sed -nE 's/^.* CPUs, pool ([0-9]+) KiB.*/\1/p' "$log")
    left=$(sed -nE 's/^.*FOOTPRINT pool-left ([0-9]+).*/\1/p' "$log")
    footprint hypervisor-resident "$((image * 1024 + pool * 1024 - left))"
    for name in guest vcpu service-guest service-disk; do footprint "$name" "$(sed -nE "s/^.*FOOTPRINT $name ([0-9]+).*/\1/p" "$log")"; done
}

# ---- where exits and instructions go ----

# profiles FILE: of a start of Linux, of requests and of a doorbell, on both sides
profiles() {
    local section name what side folder mark count
    : > "$1"
    while read -r section name what; do
        for side in kennel peer; do
            folder=$logs/$side-$section
            [ -e "$folder.facts" ] || continue
            case $name in
                start) mark="start $([ $side = kennel ] && echo 1 || echo 2)" count=1 ;;
                *)     read -r mark count < <(tr -d '\r' < "$folder/console" | awk -v name="$name" '
                           $1 == "BENCH" && $2 == name { found = $6 " " $6 + 1 " " $5 }
                           $1 == "REQUEST" && $2 == name { found = $8 " " $8 + 1 " " $5 * $6 }
                           END { print found }' | sed 's/ /-/')
                       mark=${mark/-/ } ;;
            esac
            { echo "$what, $([ $side = kennel ] && echo Kennel || echo KVM):"
              echo
              # shellcheck disable=SC2086
              counts profile "$folder" $mark "$count"
              echo
            } >> "$1"
        done
    done <<'END'
requests start A start of Linux
requests virtio-blk-read-4k A read of 4 KiB
requests virtio-blk-write-4k A write of 4 KiB
requests virtio-blk-cached-flush A flush of a disk that has a cache
requests virtio-blk-read-batch A read of 4 KiB in a batch
requests virtio-blk-read-1m A read of 1 MiB
requests virtio-net-udp 64 bytes from one card to another, and back
requests virtio-net-tcp A KiB of a stream from one card to another
primitives doorbell-to-interrupt A doorbell answered by an interrupt, without Linux
primitives pio-service-in A port read answered outside the hypervisor
END
}
