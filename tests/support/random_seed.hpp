#pragma once
/// The seed of a random test: CUBELINK_SEED if that is set, else another one each time. CAPTURE it, so that a failure names it.

#include <cstdint>
#include <cstdlib>
#include <random>

namespace cubelink::test {

inline std::uint32_t random_seed() {
    const char* given = std::getenv("CUBELINK_SEED");
    return given != nullptr ? static_cast<std::uint32_t>(std::strtoull(given, nullptr, 10)) : std::random_device()();
}

} // namespace cubelink::test
