# A measured Linux: two network cards on one network, each in a namespace of its own, so that what goes from one to the other takes the wire.
ip link set lo up
unshare -n sleep 100000 &
other=$!
for i in 1 2 3 4 5 6 7 8 9 10; do
    [ -e /sys/class/net/eth1 ] && [ "$(readlink /proc/$other/ns/net)" != "$(readlink /proc/self/ns/net)" ] && break
    sleep 0.1
done
ip link set eth1 netns $other
nsenter -t $other -n ip addr add 10.77.0.2/24 dev eth1
nsenter -t $other -n ip link set eth1 up
ip addr add 10.77.0.1/24 dev eth0
ip link set eth0 up
nsenter -t $other -n net_requests echo &
net_requests 10.77.0.2 virtio-net 400
