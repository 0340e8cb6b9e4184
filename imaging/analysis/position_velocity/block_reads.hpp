#pragma once
/// How the pixels of a mask are read from an image of whose planes only whole blocks can be read: each block once, and no block without such a pixel.

#include "imaging/source/image_source.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace cubelink::imaging {

/// Made once for a mask, used for any number of planes. Immutable; any thread.
class BlockReads {
public:
    BlockReads(const PixelMask& mask, const Capabilities& capabilities);

    /// Pixels of the largest rectangle that is read at once.
    std::size_t largest() const { return largest_; }
    /// The pixels of the mask in the order of its runs. `scratch` has room for largest() pixels. Throws as ImageSource::read.
    void read(const ImageSource& source, PlaneId plane, std::span<float> scratch, std::span<float> out, const CancelToken& cancel) const;

private:
    struct Copy { // of the rectangle, to the mask's pixels
        std::size_t from = 0, to = 0, length = 0;
    };
    struct Piece {
        Rect rect;
        std::size_t end = 0; // one past its last copy
    };
    std::vector<Piece> pieces_;
    std::vector<Copy> copies_;
    std::size_t largest_ = 0;
};

} // namespace cubelink::imaging
