# The peer's side of the requests: the floor on the bare machine, then the same guest on QEMU with KVM.
insmod /modules/irqbypass.ko && insmod /modules/kvm.ko && insmod /modules/kvm-intel.ko enable_apicv=0
insmod /modules/null_blk.ko nr_devices=1 gb=1 bs=512 memory_backed=1 irqmode=0
echo BEGIN
disk_requests /dev/nullb0 null-blk 300
mkdir -p /tmp/guest && mount -t tmpfs tmp /tmp/guest && dd if=/dev/zero of=/tmp/guest/disk bs=1M count=16 2>/dev/null
qemu-system-x86_64 -L /qemu -machine pc,accel=kvm -cpu host -m 128 -nodefaults -no-user-config -no-reboot -display none -serial stdio \
    -kernel /guest/vmlinuz -initrd /guest/initrd -append "console=ttyS0 quiet mitigations=off rdinit=/bin/begin bench_mark=2 kennel.script=requests" \
    -drive file=/tmp/guest/disk,format=raw,if=virtio < /dev/null
echo DONE
end
