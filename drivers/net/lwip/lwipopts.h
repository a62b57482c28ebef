/* SPDX-License-Identifier: Apache-2.0
 *
 * How lwIP is built for the service: no operating system, the raw interface, fixed pools and nothing that grows. What a stranger
 * could make expensive (reassembly of fragments, queues for ARP) is off.
 */
#ifndef KENNEL_LWIPOPTS_H
#define KENNEL_LWIPOPTS_H

#define NO_SYS                      1
#define SYS_LIGHTWEIGHT_PROT        0    /* one vCPU of the service owns all of it */
#define LWIP_TIMERS                 0    /* drivers/net/stack.cpp has the few that are needed, so that an idle network wakes nobody */
#define LWIP_NETCONN                0
#define LWIP_SOCKET                 0
#define LWIP_STATS                  0
#define LWIP_NETIF_HOSTNAME         1

#define LWIP_IPV4                   1
#define LWIP_IPV6                   0
#define LWIP_ARP                    1
#define LWIP_ICMP                   1
#define LWIP_UDP                    1
#define LWIP_TCP                    1    /* nobody listens: a connection is refused at once instead of timing out */
#define LWIP_DHCP                   1    /* a client on the machine's own card */
#define LWIP_DNS                    1    /* its file is not compiled: the DHCP client hands name servers to drivers/net/stack.cpp */
#define DNS_MAX_SERVERS             1
#define LWIP_RAW                    0
#define LWIP_IGMP                   0
#define LWIP_AUTOIP                 0
#define DHCP_DOES_ARP_CHECK         0
#define IP_FORWARD                  0    /* drivers/net/nat.hpp forwards, nothing else does */
#define IP_REASSEMBLY               0
#define IP_FRAG                     0
#define ARP_QUEUEING                0
#define ARP_TABLE_SIZE              127
#define ETHARP_SUPPORT_STATIC_ENTRIES 1
#define LWIP_BROADCAST_PING         0
#define LWIP_MULTICAST_PING         0

/* A DHCP client has no address when it asks. */
#define LWIP_IP_ACCEPT_UDP_PORT(port) ((port) == PP_NTOHS(67) || (port) == PP_NTOHS(68))

#define MEM_ALIGNMENT               8
#define MEM_SIZE                    (64 * 1024)
#define PBUF_POOL_SIZE              64
#define PBUF_POOL_BUFSIZE           1536
#define PBUF_LINK_HLEN              14
#define ETH_PAD_SIZE                0
#define MEMP_NUM_PBUF               32
#define MEMP_NUM_UDP_PCB            8
#define MEMP_NUM_TCP_PCB            2
#define MEMP_NUM_TCP_PCB_LISTEN     1
#define TCP_MSS                     1460

#endif
