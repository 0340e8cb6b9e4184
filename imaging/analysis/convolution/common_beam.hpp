#pragma once
/// Beams as matrices: the smallest beam that several can be convolved to, and what to convolve with. Pure functions, any thread.

#include "imaging/world/beam.hpp"

#include <array>
#include <optional>
#include <span>

namespace cubelink::imaging {

/// A symmetric 2 × 2 matrix: the squared full widths of an elliptical Gaussian along two axes, and their product term. Convolution adds them
/// (Wild 1970, Aust. J. Phys. 23, 113).
struct EllipseMatrix {
    double xx = 0, xy = 0, yy = 0;
    double determinant() const { return xx * yy - xy * xy; }
};

/// Of a valid beam; x is north, y is east, in square arcsec.
EllipseMatrix matrix_of(const Beam& beam);
/// The position angle is within −90 < pa ≤ 90, and 0 for a circle.
Beam beam_of(const EllipseMatrix& matrix);

/// The smaller of the two eigenvalues of `to` − `from`: what is below 0 can't be convolved from one to the other.
double least_width(const EllipseMatrix& from, const EllipseMatrix& to);

/// The beam with the smallest area that all others can be convolved to: the ellipse of least area around all (centred) ellipses. It is found exactly, by
/// exchange of the at most three points where it touches them, then enlarged by what rounding may lack (1e-9). None if there are no beams, or one is not valid.
std::optional<Beam> common_beam(std::span<const Beam> beams);

/// From sky to pixels: `matrix` as Wcs::celestial_matrix has it, {east by x, east by y, north by x, north by y} in degrees. None if it is singular.
std::optional<EllipseMatrix> in_pixels(const EllipseMatrix& sky, const std::array<double, 4>& matrix);

} // namespace cubelink::imaging
