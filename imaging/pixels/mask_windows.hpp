#pragma once
/// One pass over the pixels of many masks: neighbouring masks share what is read, and each row is read once. For the .cpp files of this folder.
///
/// Masks are cut into parts at fixed rows of the image, and the pixels of a part are visited in their order. So what is computed of a mask does not
/// depend on the masks beside it, nor on the number of threads.

#include "imaging/pixels/pixel_bands.hpp"
#include "imaging/source/pixel_mask.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace cubelink::imaging {

/// Which pieces of a plane to read for some masks, and which runs of which mask are then in them.
class MaskWindows {
public:
    /// Runs of one mask within some rows. Those of a mask have ascending numbers (their indices in parts()).
    struct Part {
        std::size_t mask = 0;
        std::size_t from = 0, to = 0; // runs of the mask
        Rect bounds;
    };
    struct Window {
        Rect rect;
        std::size_t from = 0, to = 0; // of order()
    };

    /// The masks outlive this. Throws std::out_of_range for one that is not within the image.
    MaskWindows(const ImageSource& source, MaskList masks);

    /// Upper bound on the bytes that this and a pass over it take, with `of_part` bytes of results for each part.
    static std::size_t bytes_needed(const ImageSource& source, MaskList masks, std::size_t threads, std::size_t of_part);

    MaskList masks() const { return masks_; }
    const std::vector<Part>& parts() const { return parts_; }
    const std::vector<Window>& windows() const { return windows_; }
    /// Numbers of parts, by window.
    const std::vector<std::size_t>& order() const { return order_; }
    std::size_t largest() const { return largest_; } // pixels of a window

private:
    MaskList masks_;
    std::vector<Part> parts_;
    std::vector<Window> windows_;
    std::vector<std::size_t> order_;
    std::size_t largest_ = 0;
};

/// Pixels that are visited at once: they stay in the first-level cache.
inline constexpr std::size_t kMaskPiece = 4096;

/// visit(part, pixels, thread) for each part, once or, if it has more than kMaskPiece pixels, several times in the order of its pixels. `in_memory`: the
/// plane, if it need not be read (T = float only).
template <class T, class Visit>
void visit_masks(const ImageSource& source, const MaskWindows& all, PlaneId plane, std::span<const float> in_memory, const ThreadShare& threads,
                 const CancelToken& cancel, Visit&& visit) {
    struct Buffers {
        Pixels<T> window;
        std::unique_ptr<T[]> piece;
    };
    std::vector<Buffers> buffers(threads.slots());
    parallel_for(threads, static_cast<std::int64_t>(all.windows().size()), cancel, [&](std::int64_t index, int thread) {
        auto& [window_memory, piece] = buffers[static_cast<std::size_t>(thread)];
        if (!piece) piece = std::make_unique_for_overwrite<T[]>(kMaskPiece);
        const MaskWindows::Window& window = all.windows()[static_cast<std::size_t>(index)];
        const T* origin = nullptr; // of pixel (x0, y0) of the window
        std::int64_t stride = window.rect.width();
        if constexpr (std::is_same_v<T, float>) {
            if (!in_memory.empty()) {
                stride = source.shape().width;
                origin = in_memory.data() + window.rect.y0 * stride + window.rect.x0;
            }
        }
        if (origin == nullptr) {
            if (!window_memory) window_memory = make_pixels<T>(all.largest());
            const std::span<T> pixels(window_memory.get(), static_cast<std::size_t>(window.rect.size()));
            read_pixels<T>(source, window.rect, plane, pixels, cancel);
            origin = pixels.data();
        }
        for (std::size_t k = window.from; k < window.to; ++k) {
            if ((k - window.from) % 256 == 255) cancel.throw_if_cancelled();
            const std::size_t number = all.order()[k];
            const MaskWindows::Part& part = all.parts()[number];
            const auto runs = all.masks()[part.mask]->runs().subspan(part.from, part.to - part.from);
            std::size_t filled = 0;
            for (const PixelRun& run : runs) {
                const T* from = origin + (run.y - window.rect.y0) * stride + (run.x0 - window.rect.x0);
                for (auto left = static_cast<std::size_t>(run.length()); left > 0;) {
                    const std::size_t now = std::min(left, kMaskPiece - filled);
                    std::copy_n(from, now, piece.get() + filled);
                    from += now;
                    left -= now;
                    filled += now;
                    if (filled < kMaskPiece) continue;
                    visit(number, std::span<const T>(piece.get(), filled), thread);
                    filled = 0;
                }
            }
            if (filled > 0) visit(number, std::span<const T>(piece.get(), filled), thread);
        }
    });
}

} // namespace cubelink::imaging
