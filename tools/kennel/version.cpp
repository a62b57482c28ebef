// SPDX-License-Identifier: Apache-2.0
//
// See version.hpp. Compiled anew with each commit, and nothing else.
#include "tools/kennel/version.hpp"

namespace kennel::tool {

std::string_view build_id() { return KENNEL_BUILD_ID; }

} // namespace kennel::tool
