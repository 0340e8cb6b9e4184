#pragma once
/// Planes convolved with elliptical Gaussians, and cubes whose channels have beams of their own convolved to one beam.
///
/// A pixel is the mean of the finite pixels around it, by the kernel's weights: blanks, and what lies beyond the image's edge, take no part, and
/// a blank stays one.

#include "imaging/analysis/convolution/elliptical_kernel.hpp"
#include "imaging/base/thread_share.hpp"
#include "imaging/source/memory_image.hpp"

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace cubelink::imaging {

/// `rect` of a plane, from the source's pixels around it. `scale` multiplies the result. Reads on this thread. Throws as ImageSource::read.
void convolve_plane(const ImageSource& source, const Rect& rect, PlaneId plane, const EllipticalKernel& kernel, double scale, std::span<float> out,
                    const CancelToken& cancel);
/// Bytes that it takes.
std::size_t convolution_bytes(const ImageShape& shape, const Rect& rect, const EllipticalKernel& kernel);

/// From each channel's own beam to one beam.
struct BeamPlan {
    Beam beam;                      // channel and stokes −1
    std::vector<EllipseMatrix> kernels; // squared full widths in pixels, one for each channel
    std::vector<double> scales;     // one for each channel: units per beam grow with the beam's area
    std::string problem;            // if not empty, why it can't be done: a sentence; nothing else is set
};

/// `beams` as in ImageInfo; `matrix` as Wcs::celestial_matrix; `bunit`: "Jy/beam" in any prefix is scaled. Channels in which all of the beam's pixels
/// are missing still need a valid beam.
BeamPlan plan_common_beam(std::span<const Beam> beams, ChannelRange channels, std::int32_t stokes, const std::optional<std::array<double, 4>>& matrix,
                          const ImageShape& shape, std::string_view bunit);
/// True if the beams of these channels differ from each other.
bool beams_differ(std::span<const Beam> beams, ChannelRange channels, std::int32_t stokes);

/// Channels `channels` of `rect`, convolved: `out` has the shape {rect.width(), rect.height(), channels.count(), 1}. Reserves what it takes from `budget`,
/// if not null. `progress` is called on the calling thread.
void convolve_channels(const ImageSource& source, const Rect& rect, ChannelRange channels, std::int32_t stokes, const BeamPlan& plan, MemoryImage& out,
                       BudgetCache* budget, const ThreadShare& threads, const CancelToken& cancel, const std::function<void(double)>& progress = {});

} // namespace cubelink::imaging
