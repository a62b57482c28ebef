// SPDX-License-Identifier: Apache-2.0
//
// GUIDs as UEFI keeps them: the first three fields little-endian. UEFI specification, "GUID and Time Formats".
#pragma once
#include "hv/lib/types.hpp"
#include <array>
#include <string>
#include <string_view>

namespace kennel::tool {

using Guid = std::array<u8, 16>;   // the bytes on disk

std::string         guid_text(Guid const& guid);                 // 8-4-4-4-12, lower case, as Linux writes a PARTUUID
// Always the same for the same words. RFC 9562, "UUID Version 8".
Guid                derived_guid(std::string_view words);

} // namespace kennel::tool
