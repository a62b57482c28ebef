// SPDX-License-Identifier: Apache-2.0
//
// rdinit=/bin/begin: the first program of a measured Linux says that the kernel has started, by a mark and then on the console, and becomes
// the usual /init. Which mark says bench_mark=NUMBER on the kernel's command line, which hands words it does not know to the first program.
#include "tests/bench/counting/marks.hpp"
#include <stdlib.h>
#include <unistd.h>

int main(void)
{
    char const* const number = getenv("bench_mark");
    kennel_mark(number ? strtoull(number, NULL, 10) : 1);
    static char const line[] = "FIRST PROGRAM\n";
    if (write(1, line, sizeof line - 1) < 0)
        return 1;
    static char* const words[] = {"/init", NULL};
    return execv(words[0], words);
}
