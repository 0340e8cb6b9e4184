#include "imaging/kernels/dispatch.hpp"

#include <algorithm>
#include <cstdlib>
#include <string_view>

namespace cubelink::imaging {

namespace {

SimdLevel ask_processor() {
#if CUBELINK_X86
    __builtin_cpu_init();
    const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi") &&
                      __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("popcnt");
    const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512cd");
    return avx512 ? SimdLevel::avx512 : avx2 ? SimdLevel::avx2 : SimdLevel::plain;
#else
    return SimdLevel::plain;
#endif
}

SimdLevel requested_level() {
    const char* text = std::getenv("CUBELINK_SIMD");
    const std::string_view name = text != nullptr ? text : "";
    if (name == "plain") return SimdLevel::plain;
    if (name == "avx2") return SimdLevel::avx2;
    return SimdLevel::avx512;
}

} // namespace

SimdLevel simd_level() {
    static const SimdLevel level = std::min(ask_processor(), requested_level());
    return level;
}

} // namespace cubelink::imaging
