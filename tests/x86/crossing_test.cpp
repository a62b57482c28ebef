// SPDX-License-Identifier: Apache-2.0
//
// What a crossing cleans up on which processor: bits of CPUID 7's EDX and of IA32_ARCH_CAPABILITIES as they have them.
#include "arch/x86/host.hpp"
#include <doctest/doctest.h>

using namespace kennel;
using arch::bit, arch::crossing_means;

TEST_CASE("crossing: a processor has the means it names, and none without")
{
    constexpr u64 md_clear = bit(10), ibpb = bit(26), l1d_flush = bit(28);
    CHECK(crossing_means(0, 0) == 0);
    CHECK(crossing_means(ibpb, 0) == Crossing::predictors);
    CHECK(crossing_means(md_clear, 0) == Crossing::buffers);
    CHECK(crossing_means(md_clear | ibpb | l1d_flush, 0) == Crossing::all);
}

TEST_CASE("crossing: that a processor is free of one flaw says nothing of the others")
{
    constexpr u64 md_clear = bit(10), l1d_flush = bit(28);
    constexpr u64 rdcl_no = bit(0), skip_flush = bit(3), mds_no = bit(5), taa_no = bit(8), fb_clear = bit(17), rfds_clear = bit(28);
    CHECK(crossing_means(md_clear, mds_no) == Crossing::buffers);           // Cascade Lake: TSX's asynchronous aborts
    CHECK(crossing_means(0, mds_no | taa_no | fb_clear) == Crossing::buffers);
    CHECK(crossing_means(0, mds_no | taa_no | rfds_clear) == Crossing::buffers);
    CHECK(crossing_means(0, mds_no | taa_no) == 0);
    CHECK(crossing_means(l1d_flush, mds_no) == Crossing::l1_data);
    CHECK(crossing_means(l1d_flush, rdcl_no) == 0);
    CHECK(crossing_means(l1d_flush, skip_flush) == 0);
}
