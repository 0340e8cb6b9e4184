#pragma once
/// The pixels of boxes along a line, found once and used for any number of planes.

#include "imaging/base/cancel.hpp"
#include "imaging/base/geometry.hpp"
#include "imaging/regions/line_profile.hpp"
#include "imaging/source/pixel_mask.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace cubelink::imaging {

/// The pixels whose centres each box holds or has on its outline, one box after the other.
struct BoxRuns {
    std::vector<PixelRun> runs;
    std::vector<std::size_t> ends; // of each box: one past its last run
};
BoxRuns scan_boxes(std::span<const LineBox> boxes, const ImageShape& image, const CancelToken& cancel = {});

/// Immutable; any thread.
class BoxPixels {
public:
    /// Takes boxes from the first one on until they have `most` pixels, counted for each box by itself, and at least one box. Throws ImageError for more pixels
    /// than 32 bits can count, Cancelled.
    BoxPixels(std::span<const LineBox> boxes, const ImageShape& image, std::size_t most, const CancelToken& cancel = {});

    /// How many boxes it has taken.
    std::size_t size() const { return boxes_.size(); }
    /// The pixels of all of them, each once.
    const PixelMask& mask() const { return mask_; }

    /// Of each box the mean of its finite pixels, in double precision; NaN if there are none. `pixels`: those of the mask, in the order of its runs, of one plane
    /// after the other. `out`: the means of one plane after the other, size() of each.
    void means(std::span<const float> pixels, std::span<float> out) const;

private:
    struct Piece { // neighbours among the pixels of the mask
        std::uint32_t first = 0, length = 0;
    };
    struct Box {
        std::uint32_t end = 0; // one past its last piece
        std::uint32_t pixels = 0;
    };

    struct Ribbon { // boxes that each are the one before, moved by one pixel of the mask: those of a horizontal line
        std::size_t first = 0, count = 1;
    };
    std::size_t first_piece(std::size_t box) const { return box == 0 ? 0 : boxes_[box - 1].end; }
    bool follows(std::size_t box) const;
    void cut_ribbons();
    void mean_ribbon(const Ribbon& ribbon, const float* plane, float* out) const;
    void mean_planes(const Ribbon& ribbon, const float* planes, float* out) const;
    void mean_finite(std::span<const float> plane, std::span<float> out) const;

    PixelMask mask_;
    std::vector<Piece> pieces_;
    std::vector<Box> boxes_;
    std::vector<Ribbon> ribbons_;
};

} // namespace cubelink::imaging
