# On bare Linux with KVM, inside the peer's initrd: the measuring guests. Without APICv: with it guests hang in Bochs.
insmod /modules/irqbypass.ko && insmod /modules/kvm.ko && insmod /modules/kvm-intel.ko enable_apicv=0
echo BEGIN
kvm_client /guests/primitives.elf only=external-interrupt
kvm_client /guests/primitives.elf
kvm_client /guests/turns.elf > /tmp/one & kvm_client /guests/turns.elf > /tmp/two
wait
cat /tmp/one /tmp/two
echo DONE
end
