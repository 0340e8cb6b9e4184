#pragma once
/// A part of a cube in memory, averaged over blocks, from which position-velocity images are cut as fast as a line is dragged.

#include "imaging/base/budget_cache.hpp"
#include "imaging/base/pixel_memory.hpp"
#include "imaging/base/thread_share.hpp"
#include "imaging/regions/line_profile.hpp"
#include "imaging/source/image_source.hpp"

#include <functional>
#include <memory>
#include <span>

namespace cubelink::imaging {

struct PreviewCubeSpec {
    Rect rect;               // of the image, not empty
    ChannelRange channels;   // of the image, at least one
    std::int32_t stokes = 0; // an index, or a computed polarization where the source has it
    std::int32_t rebin_xy = 1, rebin_z = 1; // pixels and channels that are averaged, ≥ 1

    // Blocks at the upper edges may be incomplete; an incomplete last group of channels is NaN.
    std::int64_t width() const { return (rect.width() + rebin_xy - 1) / rebin_xy; }
    std::int64_t height() const { return (rect.height() + rebin_xy - 1) / rebin_xy; }
    std::int64_t depth() const { return (channels.count() + std::int64_t{rebin_z} - 1) / rebin_z; }
    /// What the cube takes of the budget.
    std::size_t bytes() const { return static_cast<std::size_t>(width() * height()) * static_cast<std::size_t>(depth()) * sizeof(float); }
    /// Its pixels on the image.
    PixelGrid grid() const { return {static_cast<double>(rect.x0), static_cast<double>(rect.y0), static_cast<double>(rebin_xy)}; }
    friend bool operator==(const PreviewCubeSpec&, const PreviewCubeSpec&) = default;
};

/// Immutable once it is made; any thread.
class PreviewCube {
public:
    /// Reads it, each pixel once: the mean of the finite pixels of each block, NaN if there are none. `progress`, if given, is called by the calling thread with
    /// 0 to 1. Throws ImageError, with the sizes, if all cubes of the process would take more than half of the budget's limit, or it finds no room in it;
    /// Cancelled; and as ImageSource::read.
    PreviewCube(const ImageSource& source, const PreviewCubeSpec& spec, BudgetCache& budget, const ThreadShare& threads, const CancelToken& cancel,
                const std::function<void(double)>& progress = {});

    const PreviewCubeSpec& spec() const { return spec_; }

    /// The position-velocity image along boxes in pixels of spec().grid(): as position_velocity(), of depth() channels.
    void cut(std::span<const LineBox> boxes, bool reverse, std::span<float> out, const ThreadShare& threads, const CancelToken& cancel) const;

private:
    const PreviewCubeSpec spec_;
    std::shared_ptr<const void> share_; // of what all cubes of the process may take
    Reservation memory_;
    Pixels<float> pixels_; // channel fastest, then x, y: a cut reads spectra, one after the other
    bool blanks_ = false;  // whether there is any
};

} // namespace cubelink::imaging
