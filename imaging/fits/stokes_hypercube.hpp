#pragma once
/// Files of one polarization each, joined to one image with a stokes axis. Free functions, any thread.

#include "imaging/source/format.hpp"

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace cubelink::imaging {

/// One of them. `image.info.name` is how messages call it.
struct StokesPart {
    OpenedImage image;
    int polarization = 0; // ICD PolarizationType, 1 (I) to 12 (YX)
};

/// The value of a polarization type (1 to 12) on a FITS stokes axis: I, Q, U, V are 1 to 4, RR … YX are −1 to −8.
int fits_stokes_value(int polarization);

/// Throws ImageError unless there are two types or more, all distinct and from 1 to 12, and their FITS values in the order of types are equally spaced, so that
/// an axis can have them.
void check_polarizations(std::span<const int> types);

/// The image whose planes are those of the parts, in the order of polarization types whatever the order of `parts`. Its header is that of the first type's, with a
/// STOKES axis: in place of the one that it has, or appended. Each stokes index keeps the beams of its part.
///
/// Throws ImageError, with the names of the images and what differs, unless the parts agree in shape, types of axes, celestial and spectral frame, and in world
/// coordinates to a tenth of a pixel at the corners. Units or rest frequencies that differ, world coordinates that one of them lacks, and a STOKES axis
/// that says another polarization, are a warning in `info.warnings`. `budget` as for StackedImage.
OpenedImage join_polarizations(std::vector<StokesPart> parts, const std::string& name, BudgetCache* budget);

/// What such an image is called: "cube_I.fits" and "cube_Q.fits" make "cube_hypercube_IQ.fits". Folders in the names don't count.
std::string hypercube_name(std::span<const std::string> files, std::vector<int> types);

} // namespace cubelink::imaging
