// SPDX-License-Identifier: Apache-2.0
//
// Ends Bochs, as it wants to be told: the bytes of "Shutdown" one by one to port 0x8900. First lets the console say everything: its
// driver holds back what the emulated line has not sent yet.
#include <stdio.h>
#include <sys/io.h>
#include <termios.h>
#include <unistd.h>

int main(void)
{
    if (tcdrain(STDOUT_FILENO) != 0)
        perror("tcdrain");
    if (ioperm(0x8900, 1, 1) != 0) {
        perror("ioperm");
        return 1;
    }
    for (char const* c = "Shutdown"; *c; c++)
        outb((unsigned char)*c, 0x8900);
    return 0;
}
