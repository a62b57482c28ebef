// SPDX-License-Identifier: Apache-2.0
//
// Any file at all: what ElfImage accepts lies inside the file and does not wrap.
#include "hv/lib/elf.hpp"
#include "tests/fuzz/elf_file.hpp"

using namespace kennel;
using fuzz::demand;

extern "C" int LLVMFuzzerTestOneInput(unsigned char const* data, size_t size)
{
    fuzz::Input input{data, size};
    auto const file = fuzz::elf_file(input, 0x20'0000);
    auto const image = ElfImage::parse(file);
    if (!image) {
        demand(describe(image.error())[0] != 0);
        return 0;
    }
    demand(!image->segments().empty());
    for (ElfSegment const& segment : image->segments()) {
        demand(segment.memory_size > 0 && segment.data.size() <= segment.memory_size);
        demand(segment.virtual_base + segment.memory_size > segment.virtual_base);
        demand(segment.physical_base + segment.memory_size > segment.physical_base);
        volatile u8 sink = 0;
        for (u8 byte : segment.data)
            sink = byte;
        (void)sink;
    }
    return 0;
}
