# The floor: the requests on the bare machine, to a block device that moves no data and needs no interrupt, and over the loopback.
insmod /modules/configfs.ko && insmod /modules/null_blk.ko nr_devices=1 gb=1 bs=512 irqmode=0
echo none > /sys/block/nullb0/queue/scheduler
echo BEGIN
ip link set lo up
net_requests echo &
disk_requests /dev/nullb0 virtio-blk 200 && net_requests 127.0.0.1 virtio-net 400 && echo DONE
end
