# SPDX-License-Identifier: Apache-2.0
#
# The parts of tests/linux/run about two guests on one network: amber, who waits, and birch, who calls.

# lan_root PATH WORD...: a root file system for both, with WORDs for tools/rootfs
lan_root() {
    local path=$1 files=$logs/lan
    shift
    mkdir -p "$files"
    printf '%s\n' 'root:x:0:0:root:/root:/bin/sh' 'systemd-network:x:998:998::/:/usr/sbin/nologin' > "$files/passwd"
    printf '%s\n' 'root:x:0:' 'systemd-network:x:998:' > "$files/group"
    tools/rootfs --output="$path" --add=scripts/network=tests/linux/scripts/network --add=scripts/pair=tests/linux/scripts/pair \
        --add=etc/passwd="$files/passwd" --add=etc/group="$files/group" "$@" > /dev/null 2> "$logs/lan.err" || { fail "two guests: no root file system: $(tail -n 1 "$logs/lan.err")"; return 1; }
}
# lan_guest NAME ROOT SCRIPT CPU [DISK]: one of them
lan_guest() {
    linux "$1" 128m "quiet root=/dev/vda rw kennel.script=$3" cpu "$4" disks "[ { \"file\": \"$2\", \"overlay\": \"32m\" }${5:+, { \"file\": \"$5\" \}} ]" cards '[ { "network": "lan" } ]'
}
lan='{ "name": "lan", "mode": "isolated" }'

# check_run LABEL NAME WHAT: both ends of one of iperf3's runs have said their last words, and of datagrams none was lost
check_run() {
    local sender receiver
    sender=$(value "$2-sender" 'birch\| ') receiver=$(value "$2-receiver" 'birch\| ')
    [ -n "$sender" ] && [ -n "$receiver" ] && { [[ $2 != udp* ]] || [[ $receiver == *" 0/"[1-9]* ]]; }
    judge "$1: iperf3, $3" "sent: ${sender:-nothing}, received: ${receiver:-nothing}; see $at.console"
}

check_lan() {   # LABEL
    local name other address twice='^(10\.78\.0\.1[67]) \1$'
    for name in amber birch; do
        other=birch address=10.78.0.16/24
        [ $name = amber ] || other=amber address=10.78.0.17/24
        [ "$(value address "$name\| ")" = $address ];        judge "$1: $name gets its address from busybox's DHCP client" "it is $(value address "$name\| ")"
        [ "$(value pings "$name\| ")" = 10 ];                judge "$1: $name pings $other" "$(value pings "$name\| ") of 10 came back"
        [ "$(value heard "$name\| ")" = $other ];            judge "$1: $name hears what $other says" "it heard '$(value heard "$name\| ")'"
        [ "$(value reverse "$name\| ")" = "$other.kennel $other.kennel" ] && [[ "$(value forward "$name\| ")" =~ $twice ]]
        judge "$1: $name resolves $other and its reverse, by busybox and by glibc" "forward=$(value forward "$name\| ") reverse=$(value reverse "$name\| ")"
        [ "$(value wrong "$name\| ")" = 0 ];                 judge "$1: $name has got no wrong checksum" "$(value wrong "$name\| ")"
    done
    check_run "$1" tcp      'TCP to amber'
    check_run "$1" tcp-back 'TCP to birch'
    check_run "$1" udp      'UDP to amber without loss'
    check_run "$1" udp-back 'UDP to birch without loss'
    check_run "$1" plain    'TCP without offloads'
    # A segment of the wire has 1,514 bytes: only what crossed whole is larger.
    [ "$(value average 'birch\| ')" -gt 20000 ];             judge "$1: TCP crosses in large frames" "$(value average 'birch\| ') bytes on average"
    [ "$(value networkd 'birch\| ')" = '10.78.0.17/24 10.78.0.1' ] && [ "$(value again 'birch\| ')" = "$(value networkd 'birch\| ')" ]
    judge "$1: systemd-networkd gets the same lease, and again when started again" "first $(value networkd 'birch\| '), then $(value again 'birch\| ')"
    [ "$(counter unanswered)" = 0 ];                         judge "$1: every question to the name server was answered" "$(grep -a 'DNS questions' "$at.log")"
    [ "$status" -eq 0 ];                                     judge "$1: both power off, status 0" "status $status: $(last)"
}

part_net() {
    local root=$logs/net.img
    printf '%s\n' '[Match]' 'Name=eth0' '[Network]' 'DHCP=ipv4' 'LinkLocalAddressing=no' > "$logs/eth0.network"
    echo 0123456789abcdef0123456789abcdef > "$logs/machine-id"
    lan_root "$root" --add=scripts/lan=tests/linux/scripts/lan --add=etc/systemd/network/eth0.network="$logs/eth0.network" --add=etc/machine-id="$logs/machine-id" \
        ethtool iperf3 libc-bin systemd || return
    start net --machine="$(networks=$lan describe net '' "$(lan_guest amber "$root" lan 0)" "$(lan_guest birch "$root" lan 0)" "$(mute)")"
    finish
    check_lan net
}

# make_tree FOLDER: 2,000 names of 1,800 files, some of them in another folder
make_tree() {
    rm -rf "$1"
    mkdir -p "$1"/{0..8}
    awk -v root="$1" 'BEGIN {
        srand(1)
        for (i = 0; i < 1800; i++) {
            text = ""
            for (bytes = int(rand() * rand() * 300); bytes >= 0; bytes--) text = text int(rand() * 1e9) "\n"
            name = root "/" i % 9 "/file-" i
            printf "%s", text > name
            close(name)
        }
    }'
    cp -al "$1/3" "$1/linked"
    find "$1" -exec touch -h -d @1600000000 {} +
}

# Each guest on its own CPU, so that every frame goes from one to the other.
part_rsync() {
    local root=$logs/rsync.img tree=$logs/tree disk=$logs/rsync-disk.img expected
    make_tree "$tree"
    tar -C "$tree" --owner=0 --group=0 -cf "$logs/tree.tar" .
    lan_root "$root" --add=scripts/tree=tests/linux/scripts/tree --add=tree.tar="$logs/tree.tar" rsync || return
    blank "$disk" 32M
    /sbin/mke2fs -q -t ext4 -N 4096 "$disk" || { fail "rsync: no disk"; return; }
    start rsync --machine-cpus=2 --machine="$(networks=$lan describe rsync '' "$(lan_guest amber "$root" tree 0)" "$(lan_guest birch "$root" tree 1 "$disk")" "$(mute)")"
    finish
    expected=$(bash -c "$(grep -E '^(sums|names)\(\)' tests/linux/scripts/tree); echo \"\$(sums \"$tree\") \$(names \"$tree\")\"")
    [ "$(find "$tree" -type f | wc -l)" -eq 2000 ] && [ "$(find "$tree" -type f -links 2 | wc -l)" -eq 400 ] && [ "$(value tree 'amber\| ')" = "$expected" ]
    judge "rsync: amber has a tree of 2,000 files, some of them twice" "it has $(value tree 'amber\| ') where $expected is right"
    [ "$(value rsync 'amber\| ')" = ok ];            judge "rsync: it goes to birch's disk and back, from one CPU to another" "see $at.console"
    [ "$(value disk 'birch\| ')" = "$expected" ];    judge "rsync: on birch's disk it is the same, hard links too" "it is $(value disk 'birch\| ') where $expected is right"
    [ "$(value back 'amber\| ')" = "$expected" ];    judge "rsync: and so is what came back" "it is $(value back 'amber\| ') where $expected is right"
    /sbin/e2fsck -fn "$disk" > "$at.e2fsck" 2>&1;    judge "rsync: e2fsck -fn finds nothing on the disk" "see $at.e2fsck"
    [ "$(value wrong 'amber\| ')$(value wrong 'birch\| ')" = 00 ] && [ "$status" -eq 0 ]
    judge "rsync: no wrong checksum, and both power off, status 0" "status $status: $(last)"
}
