# SPDX-License-Identifier: Apache-2.0
#
# The part of tests/linux/run about a network in mode `bridge`: a guest that is a peer on the wire, whose other end is wire.cpp.

part_wire() {
    local real=${XDG_CACHE_HOME:-$HOME/.cache}/kennel/bochs-3.0 cache=$logs/wire-cache card=5254004b4e4c own=525400000007 port peer
    [ -x "$real/bin/bochs" ] || { skip "wire: Bochs 3.0 is not built; tools/bochs builds it"; return; }
    rm -rf "$cache"
    mkdir -p "$cache/kennel"
    cp -r "$real" "$cache/kennel/bochs-3.0"
    cp tests/linux/bochs_on_wire "$cache/kennel/bochs-3.0/bin/bochs"
    port=$(free_port)
    timeout 330 "$build/tests/linux/kennel_wire" "$port" $card > "$logs/wire.peer" 2>&1 & peer=$!
    KENNEL_BOCHS="$real/bin/bochs" KENNEL_WIRE="$port" XDG_CACHE_HOME="$cache" start wire 300 --emulator=bochs-3.0 \
        --machine="$(networks='{ "name": "wire", "mode": "bridge" }' describe wire '' "$(linux peer 96m 'quiet kennel.script=wire' cards '[ { "network": "wire", "address": "52:54:00:00:00:07", "any_source": true } ]')")"
    finish
    kill $peer 2> /dev/null
    wait $peer 2> /dev/null
    [ "$(value address)" = 192.168.77.128/24 ];          judge "wire: a guest gets its address from a server on the wire" "it is '$(value address)'; see $at.console"
    [ "$(value pings)" = 5 ] && [ "$(value moved)" = 5 ]; judge "wire: who is on the wire answers the guest" "pings=$(value pings) moved=$(value moved); see $logs/wire.peer"
    [ "$(grep -c "^asked=$own" "$logs/wire.peer")" = 5 ] && [ "$(grep -c "^answered=$own" "$logs/wire.peer")" = 5 ]
    judge "wire: it sees the guest under the guest's own address, and is answered" "see $logs/wire.peer"
    [ "$(grep -c "^asked=$card" "$logs/wire.peer")" = 5 ] && [ "$(grep -c "^answered=$card" "$logs/wire.peer")" = 5 ]
    judge "wire: and under another, where it may choose" "see $logs/wire.peer"
    [ "$(counter 'uplink: sent')" -ge 20 ] && [ "$(counter ', received')" -ge 20 ] && [ "$status" -eq 0 ]
    judge "wire: the card's counters have seen it, and the guest powers off, status 0" "status $status: $(grep -a 'uplink: sent' "$at.log")"
}
