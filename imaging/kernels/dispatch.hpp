#pragma once
/// Which instruction set the kernels use: asked of the processor once, at the first call. Thread-safe.
///
/// A kernel is written as one plain loop (the reference) and compiled again for wider registers with CUBELINK_TARGET_AVX2 and
/// CUBELINK_TARGET_AVX512 in front of the function; callers go through a function pointer that `choose` returns:
///
///     using Sum = double (*)(std::span<const float>);
///     const Sum sum = choose<Sum>(sum_plain, sum_avx2, sum_avx512);
///
/// On other processors than x86-64 the macros are empty, and the plain version is always taken. Function multi-versioning by the
/// compiler (`target_clones`) is not used: its resolvers run before ThreadSanitizer is up.

#if defined(__x86_64__)
#define CUBELINK_X86 1
#define CUBELINK_TARGET_AVX2 __attribute__((target("avx2,fma,bmi,bmi2,lzcnt,popcnt")))
#define CUBELINK_TARGET_AVX512 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512cd,avx2,fma,bmi,bmi2,lzcnt,popcnt")))
#else
#define CUBELINK_X86 0
#define CUBELINK_TARGET_AVX2
#define CUBELINK_TARGET_AVX512
#endif

namespace cubelink::imaging {

enum class SimdLevel { plain, avx2, avx512 };

/// The widest level that this processor has. The environment's CUBELINK_SIMD (plain, avx2, avx512) can lower it, for tests and measurements.
SimdLevel simd_level();

/// The version of a kernel for `level`. A version that does not exist is given as nullptr: the next narrower one is taken.
template <class Function>
Function choose(Function plain, Function avx2, Function avx512, SimdLevel level = simd_level()) {
    if (level == SimdLevel::avx512 && avx512 != nullptr) return avx512;
    if (level != SimdLevel::plain && avx2 != nullptr) return avx2;
    return plain;
}

} // namespace cubelink::imaging
