# A measured Linux: the same on Kennel and on QEMU, as a user has it: /init chose the scheduler `none`. The first disk is in RAM; the second has
# a cache, so that each flush is a request. And what a read costs with the scheduler Linux chooses itself.
for i in 1 2 3 4 5 6 7 8 9 10; do [ -b /dev/vdb ] && break; sleep 0.1; done
[ "$(cat /sys/block/vdb/queue/write_cache)" = "write back" ] || echo "bench: /dev/vdb has no cache"
disk_requests /dev/vda virtio-blk 200
disk_requests /dev/vdb virtio-blk-cached 300 flush
echo mq-deadline > /sys/block/vda/queue/scheduler
disk_requests /dev/vda virtio-blk-deadline 320 read-4k
. /scripts/network
