// SPDX-License-Identifier: Apache-2.0
//
// requests DEVICE [WHAT [COUNT]]: what requests to a block device cost a Linux guest, in ticks of the TSC, which on the measuring
// machine are instructions of guest, hypervisor and service together. O_DIRECT, after a warm-up, one line for each kind:
// `REQUESTS kind count ticks-per-request`. WHAT: read4k, write4k, flush, read1m, batch (depth 32, submitted 16 at a time),
// or all but batch. Run by tests/bench/run inside the guest, so it is static and needs nothing.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace {

constexpr std::size_t mebibyte = 1 << 20, block = 4096;

std::uint64_t ticks() { return __builtin_ia32_rdtsc(); }

[[noreturn]] void fail(char const* what)
{
    std::perror(what);
    std::exit(1);
}

struct Device {
    int file;
    std::uint64_t size;
    std::uint8_t* buffer;                             // a mebibyte for each of the requests in flight that are at most made

    std::uint64_t place(unsigned number, std::size_t bytes) const { return number * bytes % (size / bytes * bytes); }
};

void read_one(Device const& device, unsigned number, std::size_t bytes)
{
    if (pread(device.file, device.buffer, bytes, static_cast<off_t>(device.place(number, bytes))) != static_cast<ssize_t>(bytes))
        fail("read");
}
void read_4k(Device const& device, unsigned number) { read_one(device, number, block); }
void read_1m(Device const& device, unsigned number) { read_one(device, number, mebibyte); }
void write_4k(Device const& device, unsigned number)
{
    if (pwrite(device.file, device.buffer, block, static_cast<off_t>(device.place(number, block))) != static_cast<ssize_t>(block))
        fail("write");
}
void flush(Device const& device, unsigned)
{
    if (fdatasync(device.file))
        fail("flush");
}

void measure(char const* kind, Device const& device, unsigned count, void (*request)(Device const&, unsigned))
{
    for (unsigned i = 0; i < count / 10; i++)
        request(device, i);
    std::uint64_t const begin = ticks();
    for (unsigned i = 0; i < count; i++)
        request(device, i);
    std::printf("REQUESTS %s %u %llu\n", kind, count, static_cast<unsigned long long>((ticks() - begin) / count));
}

// Always 32 in flight at the most: 16 are handed over whenever 16 have come back.
void measure_batches(Device const& device, unsigned count)
{
    constexpr long depth = 32, batch = 16;
    aio_context_t context = 0;
    if (syscall(SYS_io_setup, depth, &context))
        fail("io_setup");
    static iocb requests[depth];
    unsigned next = 0;
    auto const submit = [&](iocb* first) {
        iocb* list[batch];
        for (long i = 0; i < batch; i++) {
            first[i] = {};
            first[i].aio_lio_opcode = IOCB_CMD_PREAD;
            first[i].aio_fildes = static_cast<std::uint32_t>(device.file);
            first[i].aio_buf = reinterpret_cast<std::uint64_t>(device.buffer + (next % depth) * block);
            first[i].aio_nbytes = block;
            first[i].aio_offset = static_cast<std::int64_t>(device.place(next++, block));
            list[i] = &first[i];
        }
        if (syscall(SYS_io_submit, context, batch, list) != batch)
            fail("io_submit");
    };
    std::uint64_t const begin = ticks();
    submit(&requests[0]);
    submit(&requests[batch]);
    unsigned done = 0, half = 0;
    while (done < count) {
        io_event events[batch];
        if (syscall(SYS_io_getevents, context, batch, batch, events, nullptr) != batch)
            fail("io_getevents");
        for (io_event const& event : events)
            if (event.res != static_cast<std::int64_t>(block))
                fail("a request");
        done += batch;
        if (next < count)
            submit(&requests[batch * (half++ % 2)]);
    }
    std::printf("REQUESTS batch %u %llu\n", done, static_cast<unsigned long long>((ticks() - begin) / done));
}

} // namespace

int main(int argc, char** argv)
{
    if (argc < 2) {
        std::fprintf(stderr, "usage: requests DEVICE [read4k|write4k|flush|read1m|batch [COUNT]]\n");
        return 2;
    }
    char const* const what = argc > 2 ? argv[2] : "";
    unsigned const count = argc > 3 ? static_cast<unsigned>(std::atoi(argv[3])) : 1000;
    int const file = open(argv[1], O_RDWR | O_DIRECT);
    if (file < 0)
        fail(argv[1]);
    Device device{file, static_cast<std::uint64_t>(lseek(file, 0, SEEK_END)), nullptr};
    void* const buffer = mmap(nullptr, 2 * mebibyte, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (buffer == MAP_FAILED)
        fail("mmap");
    device.buffer = static_cast<std::uint8_t*>(buffer);
    std::memset(buffer, 0x5a, 2 * mebibyte);
    auto const wanted = [&](char const* kind) { return !*what || !std::strcmp(what, kind); };
    if (wanted("read4k"))
        measure("read4k", device, count, read_4k);
    if (wanted("write4k"))
        measure("write4k", device, count, write_4k);
    if (wanted("flush"))
        measure("flush", device, count, flush);
    if (wanted("read1m"))
        measure("read1m", device, *what ? count : count / 10, read_1m);
    if (!std::strcmp(what, "batch"))
        measure_batches(device, count / 32 * 32);
    return 0;
}
