// SPDX-License-Identifier: Apache-2.0
//
// A disk that boots: GPT, an EFI system partition (esp.hpp), and a partition for each disk that keeps its data. Everything is placed
// before anything is written; the same input gives the same bytes.
#pragma once
#include "tools/kennel/esp.hpp"
#include "tools/kennel/fat32.hpp"
#include "tools/kennel/gpt.hpp"
#include "tools/kennel/output.hpp"

namespace kennel::tool {

// A disk's content, which becomes a partition; `file` is raw already, or empty for one of zeros.
struct DataPartition {
    std::string name;
    Guid        id;
    fs::path    file;
    u64         size;              // bytes, a multiple of the sector
};

enum class Checksums : u8 { none, with };

class DiskImage {
public:
    // `sums`: the files' checksums are another file beside them. `time`: what all files bear.
    DiskImage(std::vector<EspFile> files, std::vector<DataPartition> data, Checksums sums, u64 time);

    u64        size() const { return size_; }
    Gpt const& gpt() const { return gpt_; }
    usize      file_count() const { return files_.size(); }
    Or<void>   write(Output& output, Progress& progress) const;   // all of it but what is zero: into a new file

private:
    Or<void> copy(EspFile const& file, u64 offset, Output& output, Progress& progress, std::string* sums) const;

    std::vector<EspFile>       files_;       // the checksums last
    Checksums                  sums_;
    std::vector<DataPartition> data_;
    std::optional<Fat32>       esp_;
    Gpt                        gpt_;
    u64                        size_ = 0;
};

// The moment that all files of an image bear: SOURCE_DATE_EPOCH, or 1980.
Or<u64> image_time();

inline constexpr std::string_view checksums_path = "kennel/checksums";   // in the ESP, as sha256sum writes them

} // namespace kennel::tool
