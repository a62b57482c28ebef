// SPDX-License-Identifier: Apache-2.0
//
// Ends Bochs, as it wants to be told: the bytes of "Shutdown" one by one to port 0x8900.
#include <stdio.h>
#include <sys/io.h>

int main(void)
{
    if (ioperm(0x8900, 1, 1) != 0) {
        perror("ioperm");
        return 1;
    }
    for (char const* c = "Shutdown"; *c; c++)
        outb((unsigned char)*c, 0x8900);
    return 0;
}
