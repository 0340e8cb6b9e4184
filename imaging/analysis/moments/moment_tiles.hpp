#pragma once
/// How the plane is cut for moments, and which pixels of it a tile holds. For the .cpp files of this folder.

#include "imaging/source/image_source.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace cubelink::imaging {

/// What a tile costs.
struct TileCosts {
    std::size_t of_pixel = 0;    // bytes: values of all channels that are kept, sums
    std::size_t of_thread = 0;   // bytes besides
    std::int64_t good_size = 0;  // pixels that fit into the processor's cache
    std::size_t memory = 0;      // bytes that all threads may take together
};

class MomentTiles {
public:
    /// `mask`, if not null, must outlive this. `threads` ≥ 1.
    MomentTiles(const ImageSource& source, const Rect& rect, const PixelMask* mask, const TileCosts& costs, int threads);

    std::int64_t count() const { return across_ * down_; }
    Rect rect(std::int64_t index) const;
    /// The selected pixels of a tile.
    void runs(std::int64_t index, std::vector<PixelRun>& runs) const;
    std::size_t largest() const { return static_cast<std::size_t>(columns_ * rows_); } // pixels
    /// How many threads the memory is enough for.
    int threads() const { return threads_; }

private:
    Rect rect_;
    const PixelMask* mask_;
    std::int64_t columns_ = 1, rows_ = 1, across_ = 0, down_ = 0;
    std::int64_t x0_ = 0, y0_ = 0; // where the first tile begins, left of and below the rectangle if tiles follow the stored blocks
    int threads_ = 1;
};

} // namespace cubelink::imaging
