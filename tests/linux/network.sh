# SPDX-License-Identifier: Apache-2.0
#
# The parts of tests/linux/run about networks: a guest that is reached from this machine, two guests on one network, and two that
# share none.

# free_port: one of 127.0.0.1 that nobody has now
free_port() {
    local port
    for port in $(shuf -i 20000-29999 -n 50); do
        (: < "/dev/tcp/127.0.0.1/$port") 2> /dev/null || { echo "$port"; return; }
    done
}

# counter NAME: a number of the service's last words on its networks
counter() { sed -nE "s/.*$1 ([0-9]+).*/\1/p" "$at.log" | tail -n 1; }

# Debian's OpenSSH and dropbear, called from here through the emulator's network, the service's NAT and its forwards.
part_ssh() {
    local root=$logs/ssh.img keys=$logs/keys ssh_port dropbear_port options begin answer
    command -v ssh > /dev/null || { fail "ssh: no client here (tools/setup installs openssh-client)"; return; }
    rm -rf "$keys"
    mkdir -p "$keys"
    ssh-keygen -q -t ed25519 -N '' -f "$keys/user" && ssh-keygen -q -t ed25519 -N '' -f "$keys/host"
    printf '%s\n' 'Port 22' 'UseDNS yes' 'UsePAM no' 'LoginGraceTime 0' 'HostKey /etc/ssh/host_key' 'PermitRootLogin yes' 'StrictModes no' > "$keys/config"
    printf '%s\n' 'root:x:0:0:root:/root:/bin/sh' 'sshd:x:101:65534::/run/sshd:/usr/sbin/nologin' > "$keys/passwd"
    printf '%s\n' 'root:*:19000::::::' 'sshd:*:19000::::::' > "$keys/shadow"
    printf '%s\n' 'root:x:0:' 'nogroup:x:65534:' > "$keys/group"
    tools/rootfs --output="$root" --add=scripts/ssh=tests/linux/scripts/ssh --add=scripts/network=tests/linux/scripts/network --add=etc/ssh/config="$keys/config" \
        --add=etc/ssh/host_key="$keys/host" --add=root/.ssh/authorized_keys="$keys/user.pub" --add=etc/passwd="$keys/passwd" --add=etc/shadow="$keys/shadow" \
        --add=etc/group="$keys/group" openssh-server dropbear-bin > /dev/null 2> "$logs/ssh.err" || { fail "ssh: no root file system: $(tail -n 1 "$logs/ssh.err")"; return; }
    ssh_port=$(free_port) dropbear_port=$(free_port)
    options=(-q -i "$keys/user" -o UserKnownHostsFile="$keys/known" -o StrictHostKeyChecking=accept-new -o BatchMode=yes -o ConnectTimeout=300)
    start ssh --net --forward="tcp:$ssh_port:22" --forward="tcp:$dropbear_port:23" --block="$root,overlay=32m" 192m "$kernel" --initrd="$initrd" quiet root=/dev/vda rw kennel.script=ssh
    await "$at.console" 'listening=yes' || { fail "ssh: the guest listens: $(last)"; stop; return; }
    answer=$(timeout 600 ssh "${options[@]}" -p "$ssh_port" root@127.0.0.1 uname -a 2>&1)
    [[ $answer == "Linux "*"$version"* ]];               judge "ssh: OpenSSH with UseDNS lets this machine in" "it said: $answer; see $at.console"
    answer=$(head -c 300000 "$kernel" | timeout 600 ssh "${options[@]}" -p "$ssh_port" root@127.0.0.1 'cat > /tmp/sent; cat /tmp/sent' | cksum)
    [ "$answer" = "$(head -c 300000 "$kernel" | cksum)" ]; judge "ssh: 300,000 bytes go in and come back as they were" "their checksum is $answer"
    rm -f "$keys/known"
    answer=$(timeout 600 ssh "${options[@]}" -p "$dropbear_port" root@127.0.0.1 'uname -s; touch /tmp/leave' 2>&1)
    [ "$answer" = Linux ];                               judge "ssh: dropbear lets this machine in" "it said: $answer; see $at.console"
    finish
    [ "$status" -eq 0 ];                                 judge "ssh: the guest powers off, status 0" "status $status: $(last)"
    [ "$(value address)" = 10.78.0.16/24 ];              judge "ssh: busybox's DHCP client gets the guest's address" "it is $(value address)"
    [ -n "$(value reverse)" ] && [ "$(value reverse)" -le 50 ]; judge "ssh: the caller's reverse name is answered within 50 ms" "it took $(value reverse) ms"
    [ "$(counter unanswered)" = 0 ] && [ "$(counter 'DNS questions')" -ge 2 ]; judge "ssh: every question to the name server was answered" "$(grep -a 'DNS questions' "$at.log")"
    [ "$(counter 'NAT out')" -gt 0 ] && [ "$(counter 'link changes')" = 0 ]; judge "ssh: the counters have seen it" "$(grep -a 'uplink: ' "$at.log" | tail -n 2)"
}

# QEMU takes the card and the forwards, on 127.0.0.1 only. Where it has no VT-x, the loader refuses that processor then.
part_qemu() {
    local tcp_port udp_port where
    tcp_port=$(free_port) udp_port=$(free_port)
    start qemu --emulator=qemu --net --forward="tcp:$tcp_port:22" --forward="udp:$udp_port:53" 128m "$kernel" --initrd="$initrd" quiet kennel.script=poweroff
    until where=$(listeners "$tcp_port" tcp && listeners "$udp_port" udp) || ! kill -0 "$process" 2> /dev/null; do sleep 0.1; done
    finish
    [ "$where" = $'0100007F\n0100007F' ];                  judge "qemu: it listens for the forwards on 127.0.0.1 only" "it listens on '${where//$'\n'/, }': $(last)"
    [ "$status" -eq 0 ] || { [ "$status" -eq 3 ] && grep -q 'cannot start: .*VT-x' "$at.err"; }
    judge "qemu: with a card it starts as far as without" "status $status: $(last)"
}
# listeners PORT tcp|udp: the local addresses, as /proc writes them, on which somebody listens; fails when there are none
listeners() { awk -v port="$(printf ':%04X' "$1")" 'FNR > 1 && substr($2, 9) == port && ($4 == "0A" || $4 == "07") { print substr($2, 1, 8); found = 1 } END { exit !found }' "/proc/net/$2" "/proc/net/${2}6" 2> /dev/null; }
