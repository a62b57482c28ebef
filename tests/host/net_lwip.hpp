// SPDX-License-Identifier: Apache-2.0
//
// lwIP is one for a whole program and keeps lists of what it knows: a test that ends takes its own out of them.
#pragma once
#include <lwip/dhcp.h>
#include <lwip/netif.h>
#include <lwip/udp.h>

namespace kennel::service::net::test {

struct LwipUser {
    LwipUser() = default;
    LwipUser(LwipUser const&) = delete;
    ~LwipUser()
    {
        while (netif_list) {
            dhcp_stop(netif_list);
            dhcp_cleanup(netif_list);
            netif_remove(netif_list);
        }
        while (udp_pcbs)
            udp_remove(udp_pcbs);
    }
};

} // namespace kennel::service::net::test
