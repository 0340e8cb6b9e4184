#pragma once
/// The coordinate of each channel that moments are made of, and its width. Pure functions, any thread.

#include "imaging/source/image_info.hpp"
#include "imaging/world/wcs.hpp"

#include <optional>
#include <string>
#include <vector>

namespace cubelink::imaging {

struct MomentAxisValues {
    std::vector<double> coordinates, widths; // one for each channel of the image; widths ≥ 0. NaN where there is no such value
    std::string unit;                        // "km/s" for velocities
    std::string meaning;                     // "radio velocity", "frequency", …: for the user
};

/// Velocities in km/s: radio velocity of frequencies, optical velocity of wavelengths, an axis of velocities as the kind that it is. The rest
/// frequency (Hz) is `rest_frequency` if that is given and above 0, else the header's; frequencies and wavelengths without one stay as they are, in SI
/// units, and velocities need none. A channel's width is the distance between its edges, which lie in the middle between neighbours on the file's own axis.
/// A third axis of another type counts by its header's numbers, or by channel.
/// `wcs` may be null. The image's depth must be its spectral axis.
MomentAxisValues moment_axis(const ImageInfo& info, const Wcs* wcs, std::optional<double> rest_frequency);

} // namespace cubelink::imaging
