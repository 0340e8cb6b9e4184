#pragma once
/// The statistics that clients ask for, from a PlaneSummary. Pure functions.

#include "imaging/pixels/plane_summary.hpp"

#include <functional>
#include <optional>
#include <string_view>

namespace cubelink::imaging {

/// Numbers as in ICD StatsType.
enum class StatsType {
    num_pixels = 0,
    nan_count = 1,
    sum = 2,
    flux_density = 3,
    mean = 4,
    rms = 5,
    sigma = 6,
    sum_sq = 7,
    min = 8,
    max = 9,
    extrema = 10,
    blc = 11,
    trc = 12,
    min_pos = 13,
    max_pos = 14
};

/// What sum · factor makes a flux density of.
enum class FluxUnit { none, per_beam, per_pixel, per_arcsec2, per_steradian, kelvin };

/// By the pixel unit (BUNIT): Jy/beam, JY/BEAM, mJy beam^-1, beam-1 Jy, Jy/pixel, Jy/arcsec^2, MJy/sr, K, mK. `none` for all others.
FluxUnit flux_unit(std::string_view bunit);

struct FluxTerms {
    FluxUnit unit = FluxUnit::none;
    double beam_area_pixels =
        std::numeric_limits<double>::quiet_NaN(); // π / (4 ln 2) · bmaj · bmin ÷ pixel area, of this channel and stokes
    double pixel_area_arcsec2 = std::numeric_limits<double>::quiet_NaN();
};

/// The terms of each plane of an image.
using FluxTermsOf = std::function<FluxTerms(PlaneId plane)>;

/// Flux density = sum × this. NaN if it can't be computed: no unit, or the area it needs is ≤ 0 or not finite.
double flux_factor(const FluxTerms& terms);

/// NaN for what is undefined: all but num_pixels and nan_count if there is no finite pixel, sigma if there is only one. Positions are not
/// in a summary: NaN (see find_positions).
double statistic(StatsType type, const PlaneSummary& summary, const FluxTerms& terms = {});

/// Where the extremes lie: the first in row-major order.
struct ExtremePositions {
    std::int64_t min_x = -1, min_y = -1, max_x = -1, max_y = -1; // −1 if there is no finite pixel
};
/// Second look at the pixels of a rectangle, or of a mask, that has been summarised. Throws as ImageSource::read.
ExtremePositions find_positions(const ImageSource& source, const Rect& rect, PlaneId plane, const PlaneSummary& summary, const ThreadShare& threads,
                                const CancelToken& cancel);
ExtremePositions find_positions(const ImageSource& source, const PixelMask& mask, PlaneId plane, const PlaneSummary& summary, const ThreadShare& threads,
                                const CancelToken& cancel);

} // namespace cubelink::imaging
