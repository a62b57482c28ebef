// SPDX-License-Identifier: Apache-2.0
//
// A value or the reason why there is none. Result is std::expected that may not be ignored, TRY hands a fault on to the
// caller. Which kind of fault goes where: a guest's or a file's fault is a Result, a broken invariant of ours is a panic,
// and what cannot fail does not return a Result.
#pragma once
#include <expected>
#include <type_traits>
#include <utility>

namespace kennel {

template<class T, class E>
class [[nodiscard]] Result : public std::expected<T, E> {
public:
    using std::expected<T, E>::expected;
    constexpr Result() = default;
    constexpr Result(std::expected<T, E> other) : std::expected<T, E>{std::move(other)} {}
};

// `return Err(ElfError::too_short);`
template<class E>
constexpr std::unexpected<std::decay_t<E>> Err(E&& error) { return std::unexpected<std::decay_t<E>>{std::forward<E>(error)}; }

} // namespace kennel

// The value of a Result; without one, the enclosing function returns the fault.
// A macro, because only a macro can return from the function it stands in.
#define TRY(...)                                                           \
    ({                                                                     \
        auto kennel_try_result = (__VA_ARGS__);                            \
        if (!kennel_try_result) [[unlikely]]                               \
            return std::unexpected(std::move(kennel_try_result).error());  \
        *std::move(kennel_try_result);                                     \
    })
