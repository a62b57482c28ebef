// SPDX-License-Identifier: Apache-2.0
//
// kvm_client ELF [ARGUMENTS]: the least that lets Linux KVM run a measuring guest as Kennel does: RAM, the ELF's segments, 64-bit
// mode with everything below 4 GiB at its own address, a zero page with the command line, KVM's local APIC, the answers for the ports and
// the memory that are answered outside the hypervisor, and doorbells (guests/doorbells.hpp). Passes the guest's console on. It does
// less than any real one. In C, since <linux/kvm.h> gives other ioctl numbers in C++.
#include <elf.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { mib = 1 << 20, memory_size = 40 * mib };
enum { gdt_at = 0x1000, zero_page_at = 0x2000, command_line_at = 0x3000, tables_at = 0x10000, task_at = 0x9000 };
enum { com1 = 0x3f8, line_status = com1 + 5, scratch = com1 + 7, sleep_control = 0x604 };
enum { bit_port = 0x700, answer_port, read_port, wake_port, message_line = 24, message_vector = 0x62, read_bytes = 4096, read_to = 4 * mib };

static uint8_t* memory;

static _Noreturn void fail(char const* format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("kvm_client: ", stdout);
    vprintf(format, arguments);
    putchar('\n');
    va_end(arguments);
    exit(1);
}

static int checked(int result, char const* what)
{
    if (result < 0) {
        perror(what);
        fail("%s was refused", what);
    }
    return result;
}

static uint64_t load(char const* path)
{
    int const file = checked(open(path, O_RDONLY), path);
    struct stat status;
    checked(fstat(file, &status), "fstat");
    uint8_t* const image = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, file, 0);
    if (image == MAP_FAILED)
        fail("%s cannot be mapped", path);
    Elf64_Ehdr const* const header = (Elf64_Ehdr const*)image;
    if ((size_t)status.st_size < sizeof *header || memcmp(header->e_ident, ELFMAG, SELFMAG) != 0)
        fail("%s is no ELF file", path);
    Elf64_Phdr const* const segments = (Elf64_Phdr const*)(image + header->e_phoff);
    for (int i = 0; i < header->e_phnum; i++)
        if (segments[i].p_type == PT_LOAD) {
            if (segments[i].p_paddr + segments[i].p_memsz > memory_size)
                fail("%s does not fit", path);
            memcpy(memory + segments[i].p_paddr, image + segments[i].p_offset, segments[i].p_filesz);
        }
    close(file);
    return header->e_entry;
}

static void tables(void)
{
    uint64_t* const top = (uint64_t*)(memory + tables_at);
    uint64_t* const next = top + 512;
    top[0] = (tables_at + 4096) | 3;
    for (uint64_t g = 0; g < 4; g++) {
        next[g] = (tables_at + 8192 + g * 4096) | 3;
        for (uint64_t i = 0; i < 512; i++)
            next[512 + g * 512 + i] = (g << 30 | i << 21) | 0x83;
    }
}

static void registers(int vcpu, uint64_t entry)
{
    struct kvm_sregs s;
    checked(ioctl(vcpu, KVM_GET_SREGS, &s), "KVM_GET_SREGS");
    struct kvm_segment const code = {.limit = ~0u, .selector = 0x08, .type = 11, .present = 1, .s = 1, .l = 1, .g = 1};
    struct kvm_segment const data = {.limit = ~0u, .selector = 0x10, .type = 3, .present = 1, .s = 1, .db = 1, .g = 1};
    uint64_t* const gdt = (uint64_t*)(memory + gdt_at);
    gdt[1] = 0x00af9b000000ffff;
    gdt[2] = 0x00cf93000000ffff;
    s.cs = code;
    s.ds = s.es = s.fs = s.gs = s.ss = data;
    s.gdt.base = gdt_at;
    s.gdt.limit = 23;
    s.cr0 = 0x80050033;
    s.cr3 = tables_at;
    s.cr4 = 0x20;
    s.efer = 0x500;
    s.apic_base |= 0xc00;                     // x2APIC
    checked(ioctl(vcpu, KVM_SET_SREGS, &s), "KVM_SET_SREGS");
    struct kvm_regs r = {.rip = entry, .rsp = task_at, .rsi = zero_page_at, .rflags = 2};
    checked(ioctl(vcpu, KVM_SET_REGS, &r), "KVM_SET_REGS");
}

static void features(int kvm, int vcpu)
{
    enum { most = 128 };
    struct kvm_cpuid2* const list = calloc(1, sizeof *list + most * sizeof list->entries[0]);
    list->nent = most;
    checked(ioctl(kvm, KVM_GET_SUPPORTED_CPUID, list), "KVM_GET_SUPPORTED_CPUID");
    for (unsigned i = 0; i < list->nent; i++)
        if (list->entries[i].function == 1)
            list->entries[i].ecx |= 1u << 24 | 1u << 21;       // TSC deadline, x2APIC
    checked(ioctl(vcpu, KVM_SET_CPUID2, list), "KVM_SET_CPUID2");
}

// Offset 0: the figures of two guests are then of one clock, as on Kennel.
static void share_clock(int vcpu)
{
    uint64_t offset = 0;
    struct kvm_device_attr const attribute = {.group = KVM_VCPU_TSC_CTRL, .attr = KVM_VCPU_TSC_OFFSET, .addr = (uintptr_t)&offset};
    checked(ioctl(vcpu, KVM_SET_DEVICE_ATTR, &attribute), "KVM_VCPU_TSC_OFFSET");
}

// ---- doorbells: what is behind one is an eventfd, and a thread that waits for it ----

static int interrupt;                         // the eventfd of the one interrupt there is
static uint8_t medium[read_bytes];

static int bell(int machine, uint16_t port)
{
    struct kvm_ioeventfd const bound = {.addr = port, .len = 1, .fd = checked(eventfd(0, 0), "eventfd"), .flags = KVM_IOEVENTFD_FLAG_PIO};
    checked(ioctl(machine, KVM_IOEVENTFD, &bound), "KVM_IOEVENTFD");
    return bound.fd;
}

struct device { int bell; uint16_t port; };

static void* serve(void* which)
{
    struct device const* const device = which;
    for (uint64_t rung, one = 1;;) {
        if (read(device->bell, &rung, sizeof rung) != sizeof rung)
            fail("a doorbell cannot be waited for");
        if (device->port == read_port)
            memcpy(memory + read_to, medium, sizeof medium);
        if (device->port != wake_port && write(interrupt, &one, sizeof one) != sizeof one)
            fail("no interrupt can be sent");
    }
}

static void bells(int machine)
{
    bell(machine, bit_port);                  // nobody waits for this one
    interrupt = checked(eventfd(0, 0), "eventfd");
    struct kvm_irq_routing* const routes = calloc(1, sizeof *routes + sizeof routes->entries[0]);
    routes->nr = 1;
    routes->entries[0].gsi = message_line;
    routes->entries[0].type = KVM_IRQ_ROUTING_MSI;
    routes->entries[0].u.msi.address_lo = 0xfee00000;
    routes->entries[0].u.msi.data = message_vector;
    checked(ioctl(machine, KVM_SET_GSI_ROUTING, routes), "KVM_SET_GSI_ROUTING");
    struct kvm_irqfd const line = {.fd = (uint32_t)interrupt, .gsi = message_line};
    checked(ioctl(machine, KVM_IRQFD, &line), "KVM_IRQFD");
    static struct device devices[] = {{.port = answer_port}, {.port = read_port}, {.port = wake_port}};
    for (size_t i = 0; i < sizeof devices / sizeof devices[0]; i++) {
        devices[i].bell = bell(machine, devices[i].port);
        pthread_t thread;
        if (pthread_create(&thread, NULL, serve, &devices[i]) != 0)
            fail("no thread");
    }
}

int main(int count, char** words)
{
    if (count < 2)
        fail("usage: kvm_client ELF [ARGUMENTS]");
    int const kvm = checked(open("/dev/kvm", O_RDWR), "/dev/kvm");
    int const machine = checked(ioctl(kvm, KVM_CREATE_VM, 0), "KVM_CREATE_VM");
    checked(ioctl(machine, KVM_SET_TSS_ADDR, 0xfffbd000), "KVM_SET_TSS_ADDR");
    struct kvm_enable_cap split = {.cap = KVM_CAP_SPLIT_IRQCHIP, .args = {24}};   // the local APIC is KVM's, the IOAPIC ours
    checked(ioctl(machine, KVM_ENABLE_CAP, &split), "KVM_CAP_SPLIT_IRQCHIP");

    // At a multiple of 2 MiB, so that KVM may use large pages where the kernel gives them.
    uint8_t* const room = mmap(NULL, memory_size + 2 * mib, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (room == MAP_FAILED)
        fail("no memory");
    memory = (uint8_t*)(((uintptr_t)room + 2 * mib - 1) & ~(uintptr_t)(2 * mib - 1));
    madvise(memory + 8 * mib, 8 * mib, MADV_NOHUGEPAGE);
    madvise(memory + 16 * mib, 24 * mib, MADV_HUGEPAGE);
    struct kvm_userspace_memory_region region = {.memory_size = memory_size, .userspace_addr = (uintptr_t)memory};
    checked(ioctl(machine, KVM_SET_USER_MEMORY_REGION, &region), "KVM_SET_USER_MEMORY_REGION");

    uint64_t const entry = load(words[1]);
    tables();
    if (count > 2) {
        snprintf((char*)memory + command_line_at, 1024, "%s", words[2]);
        *(uint32_t*)(memory + zero_page_at + 0x228) = command_line_at;
    }
    bells(machine);
    int const vcpu = checked(ioctl(machine, KVM_CREATE_VCPU, 0), "KVM_CREATE_VCPU");
    int const size = checked(ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0), "KVM_GET_VCPU_MMAP_SIZE");
    struct kvm_run* const run = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
    if (run == MAP_FAILED)
        fail("the vCPU's page cannot be mapped");
    features(kvm, vcpu);
    registers(vcpu, entry);
    share_clock(vcpu);

    for (;;) {
        checked(ioctl(vcpu, KVM_RUN, 0), "KVM_RUN");
        uint8_t* const data = (uint8_t*)run + run->io.data_offset;
        switch (run->exit_reason) {
        case KVM_EXIT_IO:
            if (run->io.direction == KVM_EXIT_IO_IN) {
                memset(data, run->io.port == scratch ? 0x5a : 0xff, run->io.size);
                if (run->io.port == line_status)
                    *data = 0x60;
            } else if (run->io.port == com1) {
                putchar(*data);
            } else if (run->io.port == sleep_control) {
                return 0;
            }
            break;
        case KVM_EXIT_MMIO:
            if (!run->mmio.is_write)
                memset(run->mmio.data, 0, sizeof run->mmio.data);
            break;
        case KVM_EXIT_HYPERCALL:
            break;
        default:
            fail("exit reason %u", run->exit_reason);
        }
    }
}
