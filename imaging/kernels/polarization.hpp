#pragma once
/// Computed polarizations and polarization vectors, pixel by pixel. Pure; all versions give the same bits.
///
/// Computed in double precision and rounded once: squares of float32 values leave the range of float32.

#include "imaging/kernels/dispatch.hpp"

#include <cstddef>
#include <cstdint>

namespace cubelink::imaging {

enum class Polarization : std::int32_t { ptotal = 13, plinear = 14, pftotal = 15, pflinear = 16, pangle = 17 }; // ICD PolarizationType

namespace kernels {

/// n values each of I, Q, U, V; those that the type does not need may be null.
template <class T>
struct StokesValues {
    const T* i = nullptr;
    const T* q = nullptr;
    const T* u = nullptr;
    const T* v = nullptr;
};

/// `out` may be one of the inputs. NaN where a needed input is not finite. Angles are in degrees.
void polarization(Polarization type, const StokesValues<float>& in, std::size_t n, float* out, SimdLevel level = simd_level());
void polarization(Polarization type, const StokesValues<double>& in, std::size_t n, double* out, SimdLevel level = simd_level());

/// Means of Q, U and, where they are needed, of I, to vectors.
struct VectorTerms {
    double debias = 0;            // subtracted from Q² + U²
    bool fractional = false;      // the length is 100 · PI / I
    bool threshold_on_i = false;  // the vector is NaN unless I ≥ threshold
    bool threshold_on_pi = false; // the same for PI
    double threshold = 0;
};

/// PI = sqrt(Q² + U² − debias), and the angle ½·atan2(U, Q) in degrees. Not finite: NaN. `i` may be null if no term needs it, `length` and `angle` if they are
/// not asked for.
void polarization_vectors(const VectorTerms& terms, const double* i, const double* q, const double* u, std::size_t n, float* length, float* angle,
                          SimdLevel level = simd_level());

} // namespace kernels
} // namespace cubelink::imaging
