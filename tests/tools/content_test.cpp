// SPDX-License-Identifier: Apache-2.0
//
// Files told apart by their first bytes, and words by their letters.
#include "tools/kennel/content.hpp"
#include "tools/kennel/spelling.hpp"
#include <doctest/doctest.h>
#include <string>
#include <vector>

using namespace kennel;
using namespace kennel::tool;

namespace {

Content of(std::string const& bytes)
{
    std::vector<u8> const copy(bytes.begin(), bytes.end());   // of its exact size, for the address sanitizer
    return recognise(copy);
}

std::string at(usize offset, std::string const& bytes) { return std::string(offset, '\0') + bytes; }

} // namespace

TEST_CASE("content: by its first bytes")
{
    CHECK(of("") == Content::empty);
    CHECK(of(at(0x202, "HdrS")) == Content::kernel);
    CHECK(of("MZ" + at(0x200, "HdrS")) == Content::kernel);
    CHECK(of("MZ") == Content::efi_program);
    CHECK(of("\x7f" "ELF") == Content::elf);
    CHECK(of("070701") == Content::cpio);
    CHECK(of("\x1f\x8b\x08") == Content::gzip);
    CHECK(of("\x28\xb5\x2f\xfd") == Content::zstd);
    CHECK(of("QFI\xfb") == Content::qcow2);
    CHECK(of(at(0x438, "\x53\xef")) == Content::ext_file_system);
    CHECK(of(at(510, "\x55\xaa") + "EFI PART") == Content::partitioned_disk);
    CHECK(of("!<arch>\ndebian-binary") == Content::debian_package);
    CHECK(of("a line\n") == Content::text);
    CHECK(of("\x7f" "EL") == Content::unknown);
    CHECK(of(at(4096, "")) == Content::unknown);
}

TEST_CASE("content: what can be an initrd")
{
    CHECK(may_be_initrd(Content::cpio));
    CHECK(may_be_initrd(Content::gzip));
    CHECK(may_be_initrd(Content::squashfs));
    CHECK(!may_be_initrd(Content::kernel));
    CHECK(!may_be_initrd(Content::text));
    CHECK(!may_be_initrd(Content::qcow2));
}

TEST_CASE("spelling: the nearest word, if it is near")
{
    std::string_view const words[] = {"memory", "kernel", "cpu", "cpus"};
    CHECK(nearest("memroy", words) == "memory");
    CHECK(nearest("Memory", words) == "memory");
    CHECK(nearest("mem", words).empty());
    CHECK(nearest("kernl", words) == "kernel");
    CHECK(nearest("cpuss", words) == "cpus");
    CHECK(nearest("", words).empty());
    CHECK(nearest(std::string(100'000, 'm'), words).empty());
    CHECK(suggestion("colour", words).empty());
    CHECK(one_of(words) == "memory, kernel, cpu or cpus");
    CHECK(one_of(std::span{words}.first(1)) == "memory");
}
