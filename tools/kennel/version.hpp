// SPDX-License-Identifier: Apache-2.0
//
// Which Kennel this is.
#pragma once
#include <string_view>

namespace kennel::tool {

std::string_view build_id();   // version and commit, as the loader says it, too

} // namespace kennel::tool
