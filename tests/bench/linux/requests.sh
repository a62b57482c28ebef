# A measured Linux: the same on Kennel and on QEMU.
for i in 1 2 3 4 5 6 7 8 9 10; do [ -b /dev/vda ] && break; sleep 0.1; done
disk_requests /dev/vda virtio-blk 200
