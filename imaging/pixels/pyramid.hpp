#pragma once
/// A plane at half, quarter, … resolution, with its summary, made in one streaming pass over its pixels. Immutable once built: all const
/// members may be called from several threads at once.
///
/// While it is built each level carries sum and count of finite pixels, in doubles, from the level below; what is kept is sum ÷ count as
/// float32 (NaN where there is no finite pixel). Blocks are aligned to pixel (0, 0) and cut at the edges. Levels finer than what
/// the memory allows are not kept: their tiles are made from pixels when asked for. So the plane itself need never be in memory.

#include "imaging/source/image_source.hpp"
#include "imaging/base/pixel_memory.hpp"
#include "imaging/pixels/plane_summary.hpp"
#include "imaging/pixels/tile.hpp"

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace cubelink::imaging {

struct PyramidOptions {
    ThreadShare threads = 1;
    std::size_t max_bytes = std::size_t(256) << 20;       // for kept levels (and the kept plane)
    // Keep the full-resolution plane too, and the level of mip 2, if it is no larger than this (and max_bytes allows): reading a larger one
    // again takes no longer than allocating memory for it. Sources that are not direct() keep both whenever max_bytes allows.
    std::size_t keep_below = std::size_t(16) << 20;
    // Of the level whose sums and counts (16 bytes a block) are held until the levels above it are made.
    std::int64_t base_blocks = std::int64_t(1) << 20;
    std::function<void(double)> progress; // 0 … 1, from any thread, one call at a time; may be empty
};

class PlanePyramid {
public:
    /// Throws as ImageSource::read. Where the source has angle_parts() for the plane, levels of an angle come from
    /// the means of its parts.
    static std::shared_ptr<const PlanePyramid> build(const ImageSource& source, PlaneId plane, const PyramidOptions& options,
                                                     const CancelToken& cancel);
    /// What build() will keep with these options; of an angle, what it takes while it works, which is more.
    static std::size_t bytes_needed(const ImageSource& source, PlaneId plane, const PyramidOptions& options);

    PlaneId plane() const { return plane_; }
    const PlaneSummary& summary() const { return summary_; }
    std::size_t bytes() const;

    /// Pixels of a rectangle averaged over mip × mip blocks. mip: a power of two; rect.x0 and y0 multiples of mip; x1 and y1 too, or the
    /// image's edge; out.size() = ceil(width / mip) * ceil(height / mip). `source` must be the one it was built from. Throws
    /// std::out_of_range, std::invalid_argument, and as ImageSource::read.
    void read(const ImageSource& source, const Rect& rect, std::int64_t mip, std::span<float> out, const CancelToken& cancel) const;
    void read_tile(const ImageSource& source, const TileGeometry& tile, std::span<float> out, const CancelToken& cancel) const {
        read(source, tile.rect, tile.mip, out, cancel);
    }

    /// Where the pixels of a rectangle averaged by `mip` lie, and how far apart their rows; nothing if they are not in memory. Arguments as read().
    /// Lasts as long as the pyramid.
    struct View {
        const float* pixels = nullptr;
        std::ptrdiff_t stride = 0;
    };
    std::optional<View> view(const Rect& rect, std::int64_t mip) const;

    /// Whether read() has this mip in memory, or makes it from pixels that it has in memory.
    bool holds(std::int64_t mip) const { return pixels_ || (!levels_.empty() && mip >= levels_.front().mip); }

    /// The full-resolution plane if it was kept, else empty.
    std::span<const float> pixels() const { return {pixels_.get(), pixels_ ? std::size_t(width_ * height_) : 0}; }

private:
    PlanePyramid() = default;
    struct Level {
        std::int64_t mip = 1, width = 0, height = 0;
        Pixels<float> mean;
    };
    friend class PyramidBuilder;

    PlaneId plane_;
    std::int64_t width_ = 0, height_ = 0;
    PlaneSummary summary_;
    Pixels<float> pixels_;
    std::vector<Level> levels_; // mips ascending, each twice the one before
};

/// Any block mean without a pyramid, straight from the source, in bands of bounded memory. Arguments as PlanePyramid::read.
void read_downsampled(const ImageSource& source, PlaneId plane, const Rect& rect, std::int64_t mip, std::span<float> out, const ThreadShare& threads,
                      const CancelToken& cancel);

} // namespace cubelink::imaging
