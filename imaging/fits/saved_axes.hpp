#pragma once
/// The spectral axis and the beams of an image that is saved. Used by saved_image.cpp.

#include "imaging/fits/fits_writer.hpp"
#include "imaging/source/image_info.hpp"
#include "imaging/source/sub_image.hpp"
#include "imaging/world/header_editor.hpp"
#include "imaging/world/spectral_axis.hpp"

#include <optional>
#include <string>
#include <vector>

namespace cubelink::imaging {

/// Describes the axis anew by the values of its channels (SI units of `kind`; at least one, all finite): by CRVAL and CDELT where it is linear, else by a table,
/// which is returned.
std::optional<FitsTableHdu> set_spectral_values(HeaderEditor& editor, int axis, const std::vector<double>& values, SpectralKind kind, double step_of_one);

/// RESTFRQ, and what of the axis depends on it. True: the channels must be described anew, by set_spectral_values. `old_rest`: 0 if unknown. Throws ImageError where
/// velocities can't be converted.
bool set_rest_frequency(HeaderEditor& editor, int axis, double old_rest, double new_rest);

/// Throws ImageError if channels that differ in `before` no longer do in `after`, no longer go the same way, or have lost their value: what a rest frequency
/// far from that of the channels makes of velocities. Both: values of all channels.
void check_converted(const std::vector<double>& before, const std::vector<double>& after, double new_rest);

/// The beams of the selected planes: in the header if there is one plane or one beam for all, else in a table, which is returned.
std::optional<FitsTableHdu> set_beams(HeaderEditor& editor, const ImageInfo& info, const IndexRange& channels, const IndexRange& stokes);

} // namespace cubelink::imaging
