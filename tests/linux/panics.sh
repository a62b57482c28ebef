# SPDX-License-Identifier: Apache-2.0
#
# The hypervisor's own end, for tests/linux/run: copies of it that break on purpose (`poke`), in a machine. Each has to say on the
# log port what happened, where, with which registers and by which way it came there; then everything stands still.

# poked NAME FUNCTION [HYPERVISOR] < ASSEMBLY: the copy's path
poked() {
    local copy=$logs/bad/hypervisor-$1.elf
    mkdir -p "$logs/bad"
    tests/linux/poke "${3:-$build/hv/hypervisor.elf}" "$2" "$copy" || { fail "panic: $1: the hypervisor cannot be poked"; return 1; }
    echo "$copy"
}

# reported NAME HEAD PLACE: status 3 of a machine that has ended, HEAD and PLACE (extended expressions) in the report, which the
# launcher shows, and nothing behind it
reported() {
    local name=$1 log
    log=$(sed -n '/^PANIC/,$p' "$at.log")
    [ "$status" -eq 3 ];                                          judge "panic: $name ends the run with status 3" "status $status: $(last)"
    [[ $log =~ ^"PANIC on cpu 0: "$2$'\n' ]];                     judge "panic: $name is reported" "${log%%$'\n'*}"
    [[ $log =~ $'\n'"  "(at|called from)" 0xffffffff8"[0-9a-f]*" $3+0x" ]]; judge "panic: $name: where it happened" "see $at.log"
    grep -qE "^  called from .* (vmx_handle_exit|arch::decode_[a-z_]+)\+0x" <<< "$log"; judge "panic: $name: the way there, from the VM exit" "see $at.log"
    ! grep -qvE '^(PANIC|  (at|called from|r..) )' <<< "$log" && [ "$(grep -c ^PANIC <<< "$log")" -eq 1 ]
    judge "panic: $name: nothing goes on behind it" "see $at.log"
    [ "$(sed -n '/PANIC/,$p' "$at.err" | sed 's/^kennel: //')" = "$log" ]; judge "panic: $name: the launcher shows the report" "see $at.err"
}

# register NAME VALUE: the report has it
register() { logged " $1 +0x0*$2( |\$)"; }

# ticks NUMBER: waits in assembly for so many of the TSC
ticks() {
    echo "rdtsc
        lea $1(%rax), %ebx
        9: pause
        rdtsc
        cmp %ebx, %eax
        js 9b"
}

# breaks NAME HEAD PLACE < ASSEMBLY: hv runs the assembly when the service binds a guest's first port
breaks() {
    local copy
    copy=$(poked "${1// /-}" kennel::TrapTable::bind) || return
    start "panic-${1// /-}" --replace="/kennel/hypervisor.elf=$copy" 4m "$build/tests/linux/guests/compute.elf"
    finish
    reported "$1" "$2" "$3"
}

part_panic() {
    breaks 'an invalid opcode' 'invalid opcode, error 0x0, cr2 0x0' TrapTable::bind <<< '
        mov $0x1122334455667788, %rbx
        mov $0xabcdef, %r13d
        ud2'
    register rbx 1122334455667788 && register r13 abcdef; judge "panic: an invalid opcode: the registers" "see $at.log"
    [ ! -s "$at.console" ];                               judge "panic: an invalid opcode: no guest says anything" "see $at.console"

    breaks 'a broken invariant' 'frames are lost \(0x2a\)' TrapTable::bind <<< '
        lea text(%rip), %rdi
        mov $42, %esi
        movabs ${kennel::panic}, %rax
        call *%rax
        text: .asciz "frames are lost"'

    # The guard page below the stack: 1000h bytes at stacks_virtual_base, see arch/x86/host_tables.cpp.
    breaks 'a stack overrun' 'page fault, error 0x2, cr2 0xffffffffa0000ff8' TrapTable::bind <<< '
        more: push %rax
        jmp more'
    register rsp ffffffffa0001000; judge "panic: a stack overrun: the stack was full" "see $at.log"

    # With an IDT of 9 gates #GP has none, and that is a second fault.
    breaks 'a double fault' 'double fault, error 0x0, cr2 0x0' TrapTable::bind <<< '
        sub $16, %rsp
        sidt (%rsp)
        movw $(9 * 16 - 1), (%rsp)
        lidt (%rsp)
        movabs $0x8000000000000000, %rax
        mov (%rax), %rax'

    # Three CPUs. On CPU 2 a guest spins; where a guest of CPU 1 ends, hv says "alive" for ever; where one of CPU 0 ends, it sends an
    # NMI to CPU 2 and to itself, and then takes its machine-check vector, since no emulator has the real thing. All must stop.
    # What CPU 1 says falls into the middle of CPU 0's pauses. Its guest has more memory to be cleared, so that it ends when the others have
    # started: that takes an answer of each CPU, and CPU 1 gives none any more then.
    local copy
    copy=$(poked machine-check kennel::stop_vcpu <<< "
        mov \$0x802, %ecx               # whose APIC is it?
        rdmsr
        mov %eax, %r12d
        $(ticks 10000000)
        test %r12d, %r12d
        jz breaks
        again: lea text(%rip), %rdi
        mov \$6, %esi
        movabs \${kennel::arch::log_bytes}, %rax
        call *%rax
        $(ticks 20000000)
        jmp again
        text: .ascii \"alive\\n\"
        breaks: $(ticks 10000000)
        mov \$0x830, %ecx               # the interrupt command register: NMI, and to whom
        mov \$0x4400, %eax
        mov \$2, %edx
        wrmsr
        $(ticks 20000000)
        mov \$0x830, %ecx
        mov \$0x4400, %eax
        xor %edx, %edx
        wrmsr
        int \$18") || return
    start panic-machine-check --machine-cpus=3 --replace="/kennel/hypervisor.elf=$copy" --machine="$(describe panic-machine-check '' \
        "$(guest spin 4m "$build/tests/machine/guests/spin.elf" cpu 2)" \
        "$(guest alive 128m "$build/tests/machine/guests/triple_fault.elf" cpu 1)" \
        "$(guest breaks 4m "$build/tests/machine/guests/triple_fault.elf" cpu 0)")"
    finish
    reported 'a machine check' 'machine check, error 0x0, cr2 0x0' stop_vcpu
    logged '^hv: NMI on cpu 0 at 0xffffffff8[0-9a-f]* stop_vcpu\+0x'; judge "panic: an NMI while hv runs is reported, and it goes on" "see $at.log"
    logged '^hv: NMI on cpu 2 while partition [2-4] ran'; judge "panic: an NMI while a guest runs is reported, and it goes on" "see $at.log"
    logged '^alive';                                           judge "panic: another CPU was alive until then" "see $at.log"

    # To whom a panic sends its NMI: a copy that says each APIC id, a line for each, and sends none.
    copy=$(poked destinations kennel::arch::send_nmi <<< '
        sub $16, %rsp
        lea 0x0a30(%rdi), %eax          # the digit, and the line ends
        mov %eax, (%rsp)
        mov %rsp, %rdi
        mov $2, %esi
        movabs ${kennel::arch::log_bytes}, %rax
        call *%rax
        leave
        ret') && copy=$(poked nmi kennel::TrapTable::bind "$copy" <<< ud2) || return
    start panic-nmi --machine-cpus=3 --replace="/kennel/hypervisor.elf=$copy" 4m "$build/tests/linux/guests/compute.elf"
    finish
    [ "$(tr -d '\r' < "$at.log" | grep -x '[0-9]' | paste -sd' ')" = '1 2' ]; judge "panic: it stops each other CPU of hv's by its id, and nobody else" "see $at.log"
}
