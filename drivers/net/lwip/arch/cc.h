/* SPDX-License-Identifier: Apache-2.0
 *
 * What lwIP asks of its surroundings: random numbers, somewhere to complain, and as little of a C library as possible.
 */
#ifndef KENNEL_LWIP_CC_H
#define KENNEL_LWIP_CC_H

#define LWIP_NO_CTYPE_H             1
#define LWIP_NO_UNISTD_H            1
#define LWIP_NO_STDINT_H            0
#define SSIZE_MAX                   0x7fffffffffffffffL
#define LWIP_ERR_T                  signed char

#ifdef __cplusplus
extern "C" {
#endif
unsigned kennel_lwip_random(void);
void kennel_lwip_broken(char const* what);      /* an assertion of lwIP's; only where assertions are built in */
#ifdef __cplusplus
}
#endif

#define LWIP_RAND()                 kennel_lwip_random()
#define LWIP_PLATFORM_DIAG(words)   do { } while (0)
#define LWIP_PLATFORM_ASSERT(what)  kennel_lwip_broken(what)

typedef long ssize_t;

#endif
