# The peer's side of the requests: the same guest on QEMU with KVM. Without APICv: with it guests hang in Bochs.
insmod /modules/irqbypass.ko && insmod /modules/kvm.ko && insmod /modules/kvm-intel.ko enable_apicv=0
echo BEGIN
mkdir -p /tmp/guest && mount -t tmpfs tmp /tmp/guest && dd if=/dev/zero of=/tmp/guest/disk bs=1M count=16 2>/dev/null
dd if=/dev/zero of=/tmp/guest/second bs=1M count=1 2>/dev/null
# guest SERIAL ARGUMENTS
guest() {
    qemu-system-x86_64 -L /qemu -machine pc,accel=kvm -cpu host -m 128 -nodefaults -no-user-config -no-reboot -display none -serial "$1" \
        -kernel /guest/vmlinuz -initrd /guest/initrd -append "console=ttyS0 mitigations=off rdinit=/bin/begin $2" \
        -drive file=/tmp/guest/disk,format=raw,if=virtio -drive file=/tmp/guest/second,format=raw,if=virtio \
        -netdev hubport,id=here,hubid=0 -netdev hubport,id=there,hubid=0 \
        -device virtio-net-pci,netdev=here,romfile= -device virtio-net-pci,netdev=there,romfile= < /dev/null
}
# What it says without `quiet` goes to a file first: this Linux's own serial line is slower than the guest, which would ask for it again and again.
guest file:/tmp/guest/console "bench_mark=3 kennel.script=poweroff" && cat /tmp/guest/console &&
    guest stdio "quiet bench_mark=2 kennel.script=requests" && echo DONE
end
