// SPDX-License-Identifier: Apache-2.0
//
// disk_requests DEVICE NAME MARK [OPERATION]: what reads, writes and flushes of a block device cost, in TSC ticks, past the page cache; or
// one of them. The same static program runs in Debian's guest on Kennel, in the same guest on QEMU with KVM, and on the bare machine with null_blk.
// The device's contents are lost. What is printed: measure.h.
#define _GNU_SOURCE
#include "tests/bench/linux/measure.h"
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { block = 4096, stream = 1 << 20, batch = 16, depth = 32, single_rounds = 1001, batch_rounds = 63, stream_rounds = 101, spread = 8 << 20 };

static int device;
static uint8_t* memory;                              // `depth` blocks, or one stream

// Not one behind the other, or the kernel would make one request of several.
static off_t place(unsigned i) { return (off_t)((uint64_t)i * 5 * block % spread); }

static void read_block(unsigned i)
{
    if (pread(device, memory, block, place(i)) != block)
        fail("read");
}

static void write_block(unsigned i)
{
    if (pwrite(device, memory, block, place(i)) != block)
        fail("write");
}

static void flush(unsigned i)
{
    (void)i;
    if (fdatasync(device) != 0)
        fail("fdatasync");
}

static void read_stream(unsigned i)
{
    if (pread(device, memory, stream, (off_t)i % (spread / stream) * stream) != stream)
        fail("read of a stream");
}

static void write_stream(unsigned i)
{
    if (pwrite(device, memory, stream, (off_t)i % (spread / stream) * stream) != stream)
        fail("write of a stream");
}

static char const* only;                             // NULL: all

static int wanted(char const* what) { return !only || strcmp(only, what) == 0; }

static void one_by_one(char const* what, unsigned rounds, void (*round)(unsigned))
{
    if (wanted(what))
        measure(what, rounds, 1, round);
}

// ---- batches: 32 requests are under way; when 16 of them are done the next 16 are given at once ----

static aio_context_t context;
static struct iocb blocks[depth];
static uint16_t opcode;

static void submit(unsigned first, unsigned place_of)
{
    struct iocb* list[batch];
    for (unsigned i = 0; i < batch; i++) {
        struct iocb* const one = list[i] = &blocks[first + i];
        memset(one, 0, sizeof *one);
        one->aio_lio_opcode = opcode;
        one->aio_fildes = (uint32_t)device;
        one->aio_buf = (uint64_t)(memory + block * (first + i));
        one->aio_nbytes = block;
        one->aio_offset = place(place_of + i);
    }
    if (syscall(SYS_io_submit, context, (long)batch, list) != batch)
        fail("io_submit");
}

static void await(void)
{
    struct io_event done[batch];
    if (syscall(SYS_io_getevents, context, (long)batch, (long)batch, done, NULL) != batch)
        fail("io_getevents");
    for (unsigned i = 0; i < batch; i++)
        if (done[i].res != block)
            fail("a request of a batch");
}

static void next_batch(unsigned i)
{
    await();
    submit(i % 2 ? batch : 0, i * batch);
}

static void batches(char const* what, uint16_t which)
{
    if (!wanted(what))
        return;
    opcode = which;
    submit(0, 0);
    submit(batch, batch);
    measure(what, batch_rounds, batch, next_batch);
    await();
    await();
}

int main(int count, char** words)
{
    if (count != 4 && count != 5) {
        fprintf(stderr, "usage: disk_requests DEVICE NAME MARK [OPERATION]\n");
        return 2;
    }
    only = words[4];                                 // NULL behind the last one
    measure_as(words[2], words[3]);
    device = open(words[1], O_RDWR | O_DIRECT);
    if (device < 0)
        fail(words[1]);
    memory = mmap(NULL, stream, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (memory == MAP_FAILED)
        fail("mmap");
    memset(memory, 0x5a, stream);
    if (syscall(SYS_io_setup, (long)depth, &context) != 0)
        fail("io_setup");
    for (unsigned i = 0; !only && i < spread / stream; i++)     // its pages exist before anything is measured
        write_stream(i);
    one_by_one("read-4k", single_rounds, read_block);
    one_by_one("write-4k", single_rounds, write_block);
    one_by_one("flush", single_rounds, flush);
    batches("read-batch", IOCB_CMD_PREAD);
    batches("write-batch", IOCB_CMD_PWRITE);
    one_by_one("read-1m", stream_rounds, read_stream);
    one_by_one("write-1m", stream_rounds, write_stream);
    return 0;
}
