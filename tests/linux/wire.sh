# SPDX-License-Identifier: Apache-2.0
#
# The part of tests/linux/run about a network in mode `bridge`: a guest that is a peer on the wire, whose other end is wire.cpp.

own=525400000007 wire_card=5254004b4e4c

# on_wire LABEL PEER OPTIONS...: a machine to its end whose card is on the wire; PEER: a word for wire.cpp, or nothing
on_wire() {
    local label=$1 word=$2 real=${XDG_CACHE_HOME:-$HOME/.cache}/kennel/bochs-3.0 cache=$logs/wire-cache port peer
    shift 2
    [ -x "$real/bin/bochs" ] || { skip "$label: Bochs 3.0 is not built; tools/bochs builds it"; return 1; }
    rm -rf "$cache"
    mkdir -p "$cache/kennel"
    cp -r "$real" "$cache/kennel/bochs-3.0"
    cp tests/linux/bochs_on_wire "$cache/kennel/bochs-3.0/bin/bochs"
    port=$(free_port)
    timeout 960 "$build/tests/linux/kennel_wire" "$port" $wire_card $word > "$logs/$label.peer" 2>&1 & peer=$!
    KENNEL_BOCHS="$real/bin/bochs" KENNEL_WIRE="$port" XDG_CACHE_HOME="$cache" start "$label" --emulator=bochs-3.0 "$@"
    finish
    kill $peer 2> /dev/null
    wait $peer 2> /dev/null
    true
}

part_wire() {
    local card=$wire_card
    on_wire wire '' --machine="$(networks='{ "name": "wire", "mode": "bridge" }' describe wire '' "$(linux peer 96m 'quiet kennel.script=wire' cards '[ { "network": "wire", "address": "52:54:00:00:00:07", "any_source": true } ]')")" || return
    [ "$(value address)" = 192.168.77.128/24 ];          judge "wire: a guest gets its address from a server on the wire" "it is '$(value address)'; see $at.console"
    [ "$(value pings)" = 5 ] && [ "$(value moved)" = 5 ]; judge "wire: who is on the wire answers the guest" "pings=$(value pings) moved=$(value moved); see $logs/wire.peer"
    [ "$(grep -c "^asked=$own" "$logs/wire.peer")" = 5 ] && [ "$(grep -c "^answered=$own" "$logs/wire.peer")" = 5 ]
    judge "wire: it sees the guest under the guest's own address, and is answered" "see $logs/wire.peer"
    [ "$(grep -c "^asked=$card" "$logs/wire.peer")" = 5 ] && [ "$(grep -c "^answered=$card" "$logs/wire.peer")" = 5 ]
    judge "wire: and under another, where it may choose" "see $logs/wire.peer"
    [ "$(counter 'uplink: sent')" -ge 20 ] && [ "$(counter ', received')" -ge 20 ] && [ "$status" -eq 0 ]
    judge "wire: the card's counters have seen it, and the guest powers off, status 0" "status $status: $(grep -a 'uplink: sent' "$at.log")"
}

# So slow a processor that what comes from the wire in a millisecond costs it more than that.
part_flood() {
    on_wire flood flood --ips=10000000 --machine="$(networks='{ "name": "way-out", "mode": "nat" }' describe flood '' "$(guest flooded 4m "$build/tests/linux/guests/flooded.elf" cards '[ { "network": "way-out" } ]')")" || return
    said '^PASS a guest has half of its CPU';             judge "flood: a guest has half of its CPU or more, whatever comes in from the wire" "$(tail -n 1 "$at.console"); see $at.log"
    [ "$(counter ', received')" -ge 200 ] && [ "$status" -eq 0 ]
    judge "flood: the card has taken what it could, and the guest powers off, status 0" "status $status: $(grep -a 'uplink: sent' "$at.log")"
}
