# SPDX-License-Identifier: Apache-2.0
#
# One machine at a time for tests/linux/run: started with a pipe to type into, watched, and judged.
failed=0
pass() { echo "PASS linux $1"; }
fail() { echo "FAIL linux $1"; failed=1; }
skip() { echo "SKIP linux $1"; }
# judge NAME WHY-NOT: passes where the command before it succeeded. An alias, because what is substituted in WHY-NOT would already
# have changed $? when a function sees it.
shopt -s expand_aliases
alias judge='result=$?; judged'
judged() {
    if [ "$result" -eq 0 ]; then pass "$1"; else fail "$1: $2"; fi
}

kernel= initrd= version= process= status= at= began=

prepare() {
    build=$(realpath "$build")
    logs=$build/linux-logs
    mkdir -p "$logs"
    [ -x "$build/kennel" ] && [ -x "$build/tests/linux/ticks" ] || { fail "everything: $build is not built"; return 1; }
    { read -r kernel; read -r _; read -r version; } < <(tools/kernel 2> "$logs/kernel.err") || { fail "everything: no kernel: $(tail -n 1 "$logs/kernel.err")"; return 1; }
    initrd=$(tools/initrd --output="$logs/initrd.img" --add=bin/ticks="$build/tests/linux/ticks" --add=scripts/session=tests/linux/scripts/session \
             --add=scripts/console=tests/linux/scripts/console --add=scripts/crash=tests/linux/scripts/crash --add=scripts/neighbour=tests/linux/scripts/neighbour \
             --add=scripts/window=tests/linux/scripts/window --add=scripts/network=tests/linux/scripts/network --add=scripts/wire=tests/linux/scripts/wire 2> "$logs/initrd.err") ||
        { fail "everything: no initrd: $(tail -n 1 "$logs/initrd.err")"; return 1; }
    # In a subshell, so that this failure is not one of the run's.
    [[ $(false; judge 'a lie' "$(true)") == 'FAIL linux a lie: ' ]] && [[ $(true; judge 'a truth' "$(false)") == 'PASS linux a truth' ]] ||
        { fail "everything: a check does not judge the command before it"; return 1; }
    trap 'stop' EXIT
    trap 'exit 130' INT TERM HUP
}

# start LABEL OPTIONS...: a machine at $began, whose console, log and messages are $at.console, .log and .err. No life takes longer than a
# minute or two; the limit is for one that hangs.
start() {
    local seconds=900
    at=$logs/$1
    shift
    rm -f "$at.console" "$at.log" "$at.err" "$at.input"
    mkfifo "$at.input"
    : > "$at.console"; : > "$at.log"
    began=$(date +%s)
    timeout --kill-after=10 $((seconds + 30)) "$build/kennel" run --timeout="$seconds" --log="$at.log" "$@" \
        > "$at.console" 2> "$at.err" < "$at.input" &
    process=$!
    exec 7<> "$at.input"
}

type_line() { printf '%s\r' "$1" >&7; }

# await FILE TEXT [TIMES]: until the file has so many lines with it; fails when the machine ends without
await() {
    while [ "$(grep -acF -- "$2" "$1")" -lt "${3:-1}" ]; do
        kill -0 "$process" 2> /dev/null || { [ "$(grep -acF -- "$2" "$1")" -ge "${3:-1}" ]; return; }
        sleep 0.2
    done
}

# finish: the machine ends by itself; its exit status is $status
finish() {
    status=0
    wait "$process" || status=$?
    process=
    exec 7>&-
    rm -f "$at.input"
}

# stop: we end it
stop() {
    [ -n "$process" ] || return 0
    kill -TERM "$process" 2> /dev/null
    finish
}

said()   { tr -d '\r' < "$at.console" | grep -aq -- "$1"; }
logged() { grep -aqE -- "$1" "$at.log"; }
# value NAME [PREFIX]: what the guest's script said of it
value()  { tr -d '\r' < "$at.console" | sed -nE "s/^${2:-}$1=(.*)/\1/p" | head -n 1; }
last()   { tail -n 1 "$at.err"; }

# guest NAME MEMORY KERNEL [KEY VALUE]...: one guest of a machine's description; numbers, lists and true are given bare
guest() {
    local text="{ \"name\": \"$1\", \"memory\": \"$2\", \"kernel\": \"$3\""
    shift 3
    while [ $# -gt 0 ]; do
        case $2 in
            true|[0-9]*|\[*) text+=", \"$1\": $2" ;;
            *)           text+=", \"$1\": \"$2\"" ;;
        esac
        shift 2
    done
    echo "$text }"
}
# linux NAME MEMORY ARGUMENTS [KEY VALUE]...
linux() {
    local name=$1 memory=$2 arguments=$3
    shift 3
    guest "$name" "$memory" "$kernel" initrd "$initrd" arguments "$arguments kennel.me=$name" "$@"
}
# mute: has the console of several guests until somebody else is typed to. What the one says who has it is shown as it comes, and lines of
# others between its parts; those of all others are shown when they are whole.
mute() { guest mute 4m "$build/tests/machine/guests/cpuid.elf" attached true; }
# type_to NUMBER LINE: to that guest of a machine whose third one is mute
type_to() { printf '\x1d%s%s\r\x1d2' "$1" "$2" >&7; }
# describe LABEL SERVICES GUEST...: the description's path; with $networks, if there are any
describe() {
    local path=$logs/$1.json services=$2 separator=
    shift 2
    { echo "{ \"services\": [ $services ], \"networks\": [ ${networks:-} ], \"guests\": ["
      for text in "$@"; do echo "$separator $text"; separator=,; done
      echo '] }'; } > "$path"
    echo "$path"
}
