#pragma once
/// Rows of pixels in, rows of block sums and counts at 2, 4, 8 … pixels out, as soon as they are complete. For one thread at a time.
///
/// Each level is made from the one below, and only two rows of each are ever held.

#include "imaging/kernels/downsample.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace cubelink::imaging {

class RowCascade {
public:
    /// For areas up to `max_width` pixels wide; `depth` levels: the last has blocks of 2^depth pixels.
    RowCascade(std::int64_t max_width, int depth) : levels_(std::size_t(depth)) {
        std::int64_t n = max_width;
        for (Level& level : levels_) {
            n = (n + 1) / 2;
            for (auto& row : level.sum) row.resize(std::size_t(n));
            for (auto& row : level.count) row.resize(std::size_t(n));
        }
    }

    /// Begins an area whose blocks are aligned to its first pixel and cut at its far edges.
    void start(std::int64_t width, std::int64_t height) {
        width_ = width;
        height_ = height;
    }

    /// Rows y (even) and y + 1 of the area; `row1` is null if y is the last. emit(k, y_k, sums, counts, n): row y_k of the level of
    /// 2^k-pixel blocks (k ≥ 1) is complete and has n blocks.
    template <class Emit>
    void push(std::int64_t y, const float* row0, const float* row1, Emit&& emit) {
        if (levels_.empty()) return;
        const std::int64_t yk = y / 2;
        Level& level = levels_[0];
        const std::size_t slot = std::size_t(yk & 1);
        kernels::halve_pixels(row0, row1, std::size_t(width_), level.sum[slot].data(), level.count[slot].data());
        finish(1, yk, emit);
    }

private:
    struct Level {
        std::vector<double> sum[2], count[2]; // rows 2i and 2i + 1
    };

    template <class Emit>
    void finish(int k, std::int64_t y, Emit& emit) {
        for (;;) {
            const std::int64_t block = std::int64_t(1) << k;
            const std::int64_t n = (width_ + block - 1) / block, rows = (height_ + block - 1) / block;
            const Level& level = levels_[std::size_t(k - 1)];
            const std::size_t slot = std::size_t(y & 1);
            emit(k, y, level.sum[slot].data(), level.count[slot].data(), std::size_t(n));
            const bool odd = slot == 1;
            if (std::size_t(k) == levels_.size() || !(odd || y == rows - 1)) return;

            Level& above = levels_[std::size_t(k)];
            const std::size_t target = std::size_t((y / 2) & 1);
            kernels::halve_blocks(level.sum[0].data(), level.count[0].data(), odd ? level.sum[1].data() : nullptr,
                                  odd ? level.count[1].data() : nullptr, std::size_t(n), above.sum[target].data(),
                                  above.count[target].data());
            y /= 2;
            ++k;
        }
    }

    std::vector<Level> levels_;
    std::int64_t width_ = 0, height_ = 0;
};

} // namespace cubelink::imaging
