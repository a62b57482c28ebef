// SPDX-License-Identifier: Apache-2.0
//
// What the user may have meant: the allowed word nearest to the one given.
#pragma once
#include <span>
#include <string>
#include <string_view>

namespace kennel::tool {

// A word from a file, short enough for a message.
std::string shortened(std::string_view word);

// Empty when none is near enough to be a likely slip.
std::string_view nearest(std::string_view word, std::span<std::string_view const> allowed);

// "; did you mean 'memory'?", or nothing.
std::string suggestion(std::string_view word, std::span<std::string_view const> allowed);

// "a, b or c"
std::string one_of(std::span<std::string_view const> allowed);

} // namespace kennel::tool
