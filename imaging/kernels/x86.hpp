#pragma once
/// The processor's intrinsics, where there are any (CUBELINK_X86 is 1). For the .cpp files of kernels only.

#include "imaging/kernels/dispatch.hpp"

#if CUBELINK_X86
#if defined(__GNUC__) && !defined(__clang__)
// GCC 12's own AVX-512 headers read variables that they leave undefined on purpose (GCC bug 105593). Inlined into the kernels, they are
// complained of there.
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>
#endif
