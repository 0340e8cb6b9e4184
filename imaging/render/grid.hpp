#pragma once
/// Lines of equal longitude and latitude (or of equal values of other axes) over a picture, and the beam in its corner. Any thread.

#include "imaging/render/grid_labels.hpp"
#include "imaging/render/lines.hpp"
#include "imaging/world/wcs.hpp"

#include <optional>
#include <vector>

namespace cubelink::imaging {

/// The step between lines that is not less than `least`: a round number of degrees, minutes or seconds; of hours if `hours`; of any other unit
/// (`sexagesimal` false) 1, 2 or 5 times a power of ten. `least` is positive and finite.
double round_step(double least, bool sexagesimal, bool hours);

/// How positions on the sky are written, and by what steps the lines follow each other. automatic: equatorial ones in hours and degrees with minutes and
/// seconds, others in degrees.
enum class GridNotation { automatic, sexagesimal, degrees };

struct Grid {
    std::optional<SkySystem> frame{}; // another one than the image's own, of celestial planes only
    GridNotation notation = GridNotation::automatic;
};

/// The lines with their labels' texts, and the part of the picture that the image covers.
struct GridLines {
    std::vector<GridLine> lines;
    PictureBox bounds;
};

/// Adds the lines to the mask: about six across the picture, of round values, found where the values at the corners of small cells say that they pass. So
/// they follow any projection; where there are no coordinates there are no lines. Throws Cancelled.
GridLines add_grid(LineMask& mask, const PictureSize& size, const Framing& framing, const ImageShape& shape, const Wcs& wcs, double channel, const Grid& grid,
                   const CancelToken& cancel);

/// Adds the outline of the beam, as large as it is on the image, 18 pixels from the lower left corner. False, and nothing is added, if it would be smaller than
/// 3 pixels or larger than 0.4 of the picture, or the image has no celestial plane.
bool add_beam(LineMask& mask, const PictureSize& size, const Framing& framing, const Beam& beam, const Wcs& wcs);

} // namespace cubelink::imaging
