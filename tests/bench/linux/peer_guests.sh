# On bare Linux with KVM, inside the peer's initrd: guests that are measured together, or by a doorbell.
insmod /modules/irqbypass.ko && insmod /modules/kvm.ko && insmod /modules/kvm-intel.ko enable_apicv=0
echo BEGIN
kvm_client /guests/turns.elf > /tmp/one & kvm_client /guests/turns.elf > /tmp/two
wait
cat /tmp/one /tmp/two
kvm_client /guests/doorbell.elf
echo DONE
end
