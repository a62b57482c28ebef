# SPDX-License-Identifier: Apache-2.0
#
# The parts of tests/linux/run that boot Linux. Each is one machine.

# Is A within PERCENT of B? Whole numbers.
near() { [ "$1" -gt 0 ] && [ "$2" -gt 0 ] && [ $((($1 > $2 ? $1 - $2 : $2 - $1) * 100)) -le $(($2 * $3)) ]; }

# The loader's two clock lines: what it measured the TSC at, and the firmware's date with the TSC of that moment.
loader_clock() {
    local line
    line=$(grep -am1 'kennel: clock: TSC at' "$at.log")
    reference=$(sed -nE 's/.*by (CPUID 15h, )?(the [^;,]*).*/\2/p' <<< "$line")
    # MHz with three decimals: in Hz
    tsc_hz=$(sed -nE 's/.*TSC at ([0-9]+)\.([0-9]{3}) MHz.*/\1\2000/p' <<< "$line")
    line=$(grep -am1 'the TSC at' "$at.log")
    firmware_ticks=${line##*the TSC at }
    firmware_date=$(date -u -d "$(sed -nE 's/.*clock: ([0-9-]+ [0-9:]+) .*/\1/p' <<< "$line")" +%s)
}

check_warnings() {
    local line pattern patterns=() unknown=0
    while IFS= read -r line; do
        case $line in '#'*|'') ;; *) patterns+=("${line%% ## *}") ;; esac
    done < tests/linux/dmesg.allowed
    while IFS= read -r line; do
        for pattern in "${patterns[@]}"; do [[ $line =~ $pattern ]] && continue 2; done
        fail "the kernel's log holds only known warnings: $line"
        unknown=1
    done < <(tr -d '\r' < "$at.console" | sed -n 's/^warning=//p')
    [ $unknown -ne 0 ] || pass "the kernel's log holds only known warnings"
}

check_clocks() {
    local ticks date a b c expected
    local reference= tsc_hz= firmware_ticks= firmware_date=
    loader_clock
    if [ -z "$tsc_hz" ] || [ -z "$firmware_ticks" ]; then
        fail "the loader says what it measured the clocks at; see $at.log"
        return
    fi
    read -r a b c <<< "$(value sleep)"
    if [ -n "${c:-}" ]; then
        local second=$(((16#$c - 16#$b) - (16#$b - 16#$a)))
        near $second "$tsc_hz" 2
        judge "sleep 1 takes one second within 2 %, by the TSC as measured with $reference" "it took $second ticks of $tsc_hz a second"
    else
        fail "sleep 1 takes one second: nothing was measured"
    fi
    read -r ticks date <<< "$(value clock)"
    if [ -n "${date:-}" ]; then
        expected=$((firmware_date + (16#$ticks - firmware_ticks) / tsc_hz))
        [ $((date > expected ? date - expected : expected - date)) -le 2 ]
        judge "date is within 2 s of the firmware's clock, carried on by the TSC" "it is $date where $expected is right"
        # The machine's own time need not pass as fast as the host's; what a wrong zone would make of it is further off.
        [ $((date - began)) -ge 0 ] && [ $((date - began)) -lt 600 ]
        judge "date is the host's at the machine's start, in UTC, whatever the user's time zone" "it is $date, $((date - began)) s after the start"
    else
        fail "date is within 2 s of the firmware's clock: no date"
    fi
}

# Everything one guest has to show in its first life; then it reboots, and powers off in its second.
part_session() {
    local i before after
    TZ=JST-9 start session --name=first 128m "$kernel" --initrd="$initrd" kennel.script=session
    for life in 1 2; do
        await "$at.console" 'typing' $life || break
        for i in 1 2 3 4 5; do type_line "word-$i"; sleep 0.7; done
        await "$at.console" 'what now?' $life || break
        [ $life -eq 1 ] && type_line reboot || type_line poweroff
    done
    finish
    [[ $(value uname) == "Linux "*"$version"* ]];                  judge "Debian's $version reaches its shell" "uname says '$(value uname)'"
    [ "$(value processors)" = 1 ] && [ "$(value hypervisor)" = 1 ] && [ -n "$(value model | tr -d ' ')" ]
    judge "/proc/cpuinfo: one processor with a name, under a hypervisor" "processors=$(value processors) hypervisor=$(value hypervisor) model=$(value model)"
    [ "$(value clocksource)" = tsc ] || [ "$(value clocksource)" = kvm-clock ]
    judge "the clock source is no emulated device" "it is '$(value clocksource)'"
    check_warnings
    check_clocks
    read -r before after <<< "$(value interrupts)"
    [ "$(value typed)" = word-5 ];                                 judge "what is typed arrives" "the fifth word was '$(value typed)'"
    [ -n "${after:-}" ] && [ "$after" -ge $((before + 4)) ];       judge "typing raises ttyS0's interrupt" "from '${before:-}' to '${after:-}' for four words"
    logged 'message: guest first restarted' && [ "$(grep -ac 'Linux version' "$at.console")" -eq 2 ]
    judge "reboot boots again" "see $at.log"
    [ "$status" -eq 0 ] && logged 'message: guest first stopped reason=poweroff status=ok'
    judge "poweroff ends the run with status 0" "status $status: $(last)"
}

# A person's terminal: hvc0's window is as large as it, and follows it. The guest goes on only when it is.
check_window() {
    at=$logs/window
    "$build/tests/launcher/kennel_terminal" --patience=900 "$build/kennel" run --log="$at.log" 128m "$kernel" --initrd="$initrd" quiet console=hvc0 kennel.script=window \
        kennel.windows=43x132,50x100 > "$at.console" 2>&1 <<'END'
resize 43 132
expect window=43x132
resize 50 100
expect window=50x100
ends 0
END
    judge "hvc0: it is as large as the user's terminal, and follows it" "$(tail -n 1 "$at.console")"
}

# The same terminal without a serial port: hvc0, both ways, and what the kernel itself says.
part_console() {
    local i lines
    start console 128m "$kernel" --initrd="$initrd" console=hvc0 kennel.script=console
    for i in 1 2 3; do
        await "$at.console" 'what now?' $i || break
        type_line "word-$i"
    done
    finish
    [ "$(value console)" = hvc0 ];                                  judge "hvc0: it is the kernel's console" "that is '$(value console)'; see $at.console"
    [ "$(value size)" = "24 80" ];                                  judge "hvc0: the window has a size" "it is '$(value size)'"
    tr -d '\r' < "$at.console" | grep -q '^typed=word-3$';          judge "hvc0: what is typed arrives" "the first word was '$(value typed)'"
    lines=$(tr -d '\r' < "$at.console" | sed -n 's/^line=//p')
    [ "$lines" = "$(seq 1 3000)" ] && [ "$(value over)" = yes ];    judge "hvc0: 3,000 lines at once come whole and in order" "there are $(wc -l <<< "$lines"); see $at.console"
    tr -d '\r' < "$at.console" | grep -q 'the kernel speaks';          judge "hvc0: the kernel's messages are on it" "see $at.console"
    [ "$status" -eq 0 ];                                            judge "hvc0: poweroff ends the run with status 0" "status $status: $(last)"
    check_window
}

# A panic is reported, and each policy acts: one guest stays stopped, the other is started again.
part_crash() {
    start crash --machine="$(describe crash '' \
        "$(linux stops 96m 'quiet kennel.script=crash')" \
        "$(linux again 96m 'quiet kennel.script=crash kennel.ask' policy restart)" "$(mute)")"
    await "$at.console" 'again| what now?' 1 && type_to 1 panic
    await "$at.console" 'again| what now?' 2 && type_to 1 poweroff
    finish
    logged 'message: guest stops stopped reason=panic status=failed';  judge "a panic of the guest is reported as one" "see $at.log"
    ! logged 'message: guest stops restarted';                         judge "policy stop: it stays stopped" "see $at.log"
    logged 'message: guest again stopped reason=panic' && logged 'message: guest again restarted' && logged 'message: guest again stopped reason=poweroff'
    judge "policy restart: it is started again after a panic, and goes on" "see $at.log"
    [ "$status" -eq 1 ];                                               judge "a run with a panic ends with status 1" "status $status: $(last)"
}

# check_pair LABEL FILE-A PREFIX-A FILE-B PREFIX-B: two guests `small` (96m) and `large` (128m) in their own words
check_pair() {
    local label=$1 name file prefix megabytes kilobytes steps
    shift
    local order=
    for name in small large; do
        file=$1 prefix=$2
        shift 2
        steps=$(tr -d '\r' < "$file" | sed -nE "s/^$prefix//p")
        megabytes=96; [ $name = large ] && megabytes=128
        grep -q "^alone=Linux kennel.me=$name$" <<< "$steps" && grep -q '^step=4$' <<< "$steps"
        judge "$label: $name reaches its shell and gets through" "see $file"
        # The last byte of RAM it knows is the last it was given, and it counts no more than that.
        kilobytes=$(sed -n 's/^memory=//p' <<< "$steps")
        [ -n "$kilobytes" ] && [ "$kilobytes" -gt $((megabytes * 512)) ] && [ "$kilobytes" -le $((megabytes * 1024)) ] &&
            grep -qi "^top=.*-0*$(printf '%x' $((megabytes * 1048576 - 1))) " <<< "$steps"
        judge "$label: $name sees its own ${megabytes}m and no more" "memory=$kilobytes, $(grep '^top=' <<< "$steps")"
        ! grep -q "^step=.*" <<< "$(grep -v "^step=[1-4]$" <<< "$steps" | grep '^step')"
        judge "$label: the lines of $name are whole" "see $file"
    done
}

# Each has begun before the other is through.
check_interleaved() {   # LABEL FILE PATTERN-OF-SMALL PATTERN-OF-LARGE
    local first_small first_large last_small last_large
    first_small=$(grep -anE "$3.*step=1" "$2" | head -n 1 | cut -d: -f1); last_small=$(grep -anE "$3.*step=4" "$2" | head -n 1 | cut -d: -f1)
    first_large=$(grep -anE "$4.*step=1" "$2" | head -n 1 | cut -d: -f1); last_large=$(grep -anE "$4.*step=4" "$2" | head -n 1 | cut -d: -f1)
    [ -n "$last_small" ] && [ -n "$last_large" ] && [ "$first_small" -lt "$last_large" ] && [ "$first_large" -lt "$last_small" ]
    judge "$1: both run side by side" "their lines do not mix; see $2"
}

pair_in_one_service() {   # LABEL CPUS
    local second=0
    [ "$2" -eq 1 ] || second=1
    start "$1" --machine-cpus="$2" --machine="$(describe "$1" '' "$(linux small 96m 'kennel.script=neighbour' cpu 0)" \
                                                                  "$(linux large 128m 'kennel.script=neighbour' cpu $second)" "$(mute)")"
    finish
    check_pair "$3" "$at.console" 'small\| ' "$at.console" 'large\| '
    check_interleaved "$3" "$at.console" '^small\|' '^large\|'
    [ "$status" -eq 0 ];  judge "$3: both power off, status 0" "status $status: $(last)"
}
part_pair() { pair_in_one_service pair 1 'two guests on one CPU'; }
part_cpus() { pair_in_one_service cpus 2 'two guests on two CPUs'; }

# A service each: only the first has a serial port, what the second's guest says is in the log.
services_apart() {   # LABEL CPUS WHAT
    local second=0
    [ "$2" -eq 1 ] || second=1
    start "$1" --machine-cpus="$2" --machine="$(describe "$1" \
        '{ "name": "one", "owns_devices": true }, { "name": "two", "memory": "192m", "owns_devices": false }' \
        "$(linux small 96m 'quiet kennel.script=neighbour' service 0 cpu 0)" "$(linux large 128m 'quiet kennel.script=neighbour kennel.longer' service 1 cpu $second)")"
    finish
    check_pair "$3" "$at.console" '(small\| )?' "$at.log" '.*large[|:] '
    logged 'message: guest small stopped reason=poweroff' && logged 'message: guest large stopped reason=poweroff' && [ "$status" -eq 0 ]
    judge "$3: both power off before the machine does, status 0" "status $status; see $at.log"
    ! grep -aq 'kennel.me=large' "$at.console" && ! grep -aq 'kennel.me=small' "$at.log"
    judge "$3: neither service's guest speaks through the other" "see $at.console, $at.log"
}
part_services()  { services_apart services 1 'a service each'; }
part_services2() { services_apart services2 2 'a service each, and a CPU'; }

# The worst neighbour there is: a loop with interrupts off, on the only CPU.
part_spin() {
    start spin --machine="$(describe spin '' "$(guest spin 4m "$build/tests/machine/guests/spin.elf")" \
                                              "$(linux linux 96m 'quiet kennel.script=neighbour' attached true)")"
    await "$at.log" 'message: guest linux stopped'
    stop
    said 'spin| spinning' && logged 'message: guest linux stopped reason=poweroff status=ok' && said 'linux| step=4'
    judge "beside a guest that loops with interrupts off, Linux boots and powers off" "see $at.log, $at.console"
}

# Two guests that never rest, for the same three seconds: one only exits, the other never does.
part_share() {
    local exits compute
    start share --machine="$(describe share '' "$(guest exits 4m "$build/tests/linux/guests/exits.elf")" \
                                                 "$(guest compute 4m "$build/tests/linux/guests/compute.elf")")"
    finish
    exits=$(sed -nE 's/.*guest exits: ticks ([0-9]+).*/\1/p' "$at.log" | head -n 1)
    compute=$(sed -nE 's/.*guest compute: ticks ([0-9]+).*/\1/p' "$at.log" | head -n 1)
    [ -n "$exits" ] && [ -n "$compute" ] && near "$exits" $(((exits + compute) / 2)) 5
    judge "a guest that only exits takes its half of a CPU within 5 %" "ticks ${exits:-none} beside ${compute:-none}; see $at.log"
}
