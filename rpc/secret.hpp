#pragma once
/// Secrets: made from the kernel's random numbers, compared without telling how much of them was right. Thread-safe.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace cubelink::rpc {

/// Takes a time that depends on the length of `given` alone. Texts of different lengths are unequal.
bool equal_in_constant_time(std::string_view expected, std::string_view given);

/// `count` letters of a–z and A–Z, each equally likely (5.7 bits). Throws std::system_error if the kernel has none.
std::string random_letters(std::size_t count);

/// 64 random bits from the kernel.
std::uint64_t random_bits();

} // namespace cubelink::rpc
