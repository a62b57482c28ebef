# SPDX-License-Identifier: Apache-2.0
#
# Bad input, end to end, for tests/linux/run: files on the machine's disk that are not what they should be. What the
# loader cannot do without sends it back to the firmware with one line; a guest's bad file stops only that guest.

# refused NAME FILE TEXT REPLACEMENT: the loader names FILE and the fault, once, and the run ends with status 3
refused() {
    local name=$1 file=$2 text=$3
    start "refuse-${name// /-}" --replace="$4" 4m "$build/tests/linux/guests/compute.elf"
    finish
    [ "$status" -eq 3 ] && [ "$(grep -ac 'cannot start' "$at.err")" -eq 1 ] && grep -aF "cannot start" "$at.err" | grep -aF -- "\\kennel\\$file" | grep -aqE -- "$text"
    judge "refused by the loader: $name" "status $status: $(grep -a 'cannot start' "$at.err" || last)"
}

# patched FILE OFFSET BYTES...: a copy of FILE of the same size with other bytes (in hexadecimal) at OFFSET
patched() {
    local copy offset=$2
    copy=$logs/bad/$(basename "$1")-$2-${3:-}
    mkdir -p "$logs/bad"
    cp "$1" "$copy"
    shift 2
    printf "$(printf '\\x%s' "$@")" | dd of="$copy" bs=1 seek="$offset" conv=notrunc status=none
    echo "$copy"
}
shortened() { mkdir -p "$logs/bad"; head -c "$2" "$1" > "$logs/bad/$(basename "$1")-short"; echo "$logs/bad/$(basename "$1")-short"; }

part_refuse() {
    local hypervisor=$build/hv/hypervisor.elf service=$build/drivers/service.elf empty=$logs/bad/empty big=$logs/bad/big
    mkdir -p "$logs/bad"
    : > "$empty"
    refused 'no hypervisor'                       hypervisor.elf 'not found'   /kennel/hypervisor.elf=
    refused 'an empty service'                    service.elf    'empty'       "/kennel/service.elf=$empty"
    refused 'a truncated hypervisor'              hypervisor.elf 'truncated'   "/kennel/hypervisor.elf=$(shortened "$hypervisor" 20000)"
    # e_machine: 0xb7 is AArch64
    refused 'a service for another processor'     service.elf    'processor'   "/kennel/service.elf=$(patched "$service" 18 b7 00)"
    # The first program header's p_memsz becomes 16 MiB.
    refused 'a hypervisor with an oversized segment' hypervisor.elf 'too large' "/kennel/hypervisor.elf=$(patched "$hypervisor" $((64 + 40)) 00 00 00 01 00 00 00 00)"
    # What the launcher writes, with one byte changed behind the checksum.
    refused 'a text as manifest'                  manifest       'not a Kennel manifest|shorter' "/kennel/manifest=$PWD/LICENSE"
    start manifest --keep="$logs/bad/kept" 4m "$build/tests/linux/guests/compute.elf"
    await "$at.log" 'manifest: 1 service'
    mcopy -n -i "$logs/bad/kept/disk.img@@1M" ::kennel/manifest "$logs/bad/kept/manifest"
    stop
    refused 'a manifest with a wrong checksum'    manifest       'checksum'    "/kennel/manifest=$(patched "$logs/bad/kept/manifest" 100 5a)"
    refused 'no service'                          service.elf    'not found'   /kennel/service.elf=
    refused 'no manifest'                         manifest       'not found'   /kennel/manifest=
    refused 'an empty hypervisor'                 hypervisor.elf 'empty'       "/kennel/hypervisor.elf=$empty"
    refused 'an empty manifest'                   manifest       'empty'       "/kennel/manifest=$empty"
    refused 'a truncated service'                 service.elf    'truncated'   "/kennel/service.elf=$(shortened "$service" 20000)"
    refused 'a truncated manifest'                manifest       'truncated|shorter' "/kennel/manifest=$(shortened "$logs/bad/kept/manifest" 90)"
    refused 'a text as hypervisor'                hypervisor.elf 'not an ELF file' "/kennel/hypervisor.elf=$PWD/LICENSE"
    refused 'a manifest of another version'       manifest       'another version' "/kennel/manifest=$(patched "$logs/bad/kept/manifest" 8 77)"
    head -c $((65 * 1024 * 1024)) /dev/zero > "$big"
    refused 'a service file larger than allowed'  service.elf    'too large'   "/kennel/service.elf=$big"
    rm -f "$big"
}

# One machine, one guest for each way a guest's file can be bad, and a good one among them. The launcher checks whole files
# before it starts, so each is damaged on the machine's disk.
part_files() {
    local folder=$logs/bad/names name options=() guests=() small=$build/tests/linux/guests/compute.elf
    mkdir -p "$folder"
    for name in missing empty short nokernel bit32 tall; do
        cp "$kernel" "$folder/$name"                   # a file of its own each, with its own name on the disk
        guests+=("$(guest "$name" 96m "$folder/$name")")
    done
    cp "$initrd" "$folder/noinitrd"
    guests+=("$(guest good 4m "$small")" "$(guest noinitrd 96m "$kernel" initrd "$folder/noinitrd")")
    options+=("--replace=/kennel/missing=" "--replace=/kennel/noinitrd=")
    : > "$logs/bad/empty"
    options+=("--replace=/kennel/empty=$logs/bad/empty" "--replace=/kennel/short=$(shortened "$kernel" 100000)")
    # "HdrS" gone; XLF_KERNEL_64 gone; init_size 1 GiB
    options+=("--replace=/kennel/nokernel=$(patched "$kernel" $((0x202)) 00)" "--replace=/kennel/bit32=$(patched "$kernel" $((0x236)) 00)")
    options+=("--replace=/kennel/tall=$(patched "$kernel" $((0x260)) 00 00 00 40)")
    start files --machine="$(describe files '' "${guests[@]}")" "${options[@]}"
    finish
    refused_guest missing  'missing'
    refused_guest empty    'empty'
    refused_guest short    'missing|truncated'
    refused_guest nokernel 'not a kernel'
    refused_guest bit32    '32-bit'
    refused_guest tall     'needs [0-9]+ MiB of memory'
    refused_guest noinitrd 'missing'
    logged '\\kennel\\missing: not found' && logged '\\kennel\\short: .*truncated';  judge "the loader names a guest's missing and its truncated file" "see $at.log"
    logged 'message: guest good started' && logged 'message: guest good stopped reason=poweroff status=ok'
    judge "a good guest among seven bad ones starts and ends well" "see $at.log"
    [ "$status" -eq 1 ];                                                    judge "a run with refused guests ends with status 1" "status $status: $(last)"
    rm -rf "$folder"
}

# refused_guest NAME TEXT: one line of the service names its file and the fault, and the launcher hears of it
refused_guest() {
    [ "$(grep -acE "guest $1: .*$1: .*($2)" "$at.log")" -eq 1 ] && logged "message: guest $1 stopped reason=load-error status=failed"
    judge "refused by the service: $1" "$(grep -am1 "guest $1" "$at.log" || echo "nothing is said; see $at.log")"
}
