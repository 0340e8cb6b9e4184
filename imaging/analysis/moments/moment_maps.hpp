#pragma once
/// Moments of a cube with all that may be asked of them: channels convolved to one beam first, values below a multiple of the noise left out, coordinates
/// blanked where moment 0 does not stand out.

#include "imaging/analysis/convolution/convolution.hpp"
#include "imaging/analysis/moments/moments.hpp"

#include <memory>
#include <string>

namespace cubelink::imaging {

struct MomentMapsInput {
    std::shared_ptr<const ImageSource> source;
    std::int32_t stokes = 0;
    ChannelRange channels;
    Rect rect;
    std::shared_ptr<const PixelMask> mask;   // within rect; null: all of it
    std::vector<double> coordinates, widths; // one for each channel of the range
    std::optional<ValueRange> include, exclude;
    /// Of the noise of each channel: 1.4826 times the median absolute deviation of all finite pixels of its plane. > 0: smaller values are left out; < 0:
    /// larger ones; 0: none.
    double noise_threshold = 0;
    /// Of the noise of moment 0, measured likewise over its map: moments that are coordinates are blank where moment 0 is not above it; 0: nowhere.
    double moment0_threshold = 0;
    std::optional<BeamPlan> beams; // one kernel for each channel of the range
};

struct MomentResources {
    BudgetCache& budget;
    std::string scratch; // folder for convolved cubes that are too large for the memory
    /// If not null: what is large is left here too, also if an exception is thrown. Giving back a large file of the scratch folder takes long, and so the caller
    /// says when.
    std::vector<std::shared_ptr<const void>>* leftovers = nullptr;
};

/// As compute_moments(), which it ends in.
void compute_moment_maps(const MomentMapsInput& input, std::span<const Moment> moments, std::span<const std::span<float>> planes, const MomentResources& resources,
                         const ThreadShare& threads, const CancelToken& cancel, const std::function<void(double)>& progress = {});

} // namespace cubelink::imaging
