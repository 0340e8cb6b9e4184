#pragma once
/// How the pixels of an image become the data of a FITS HDU: strip by strip, each read, turned to big-endian and given away. Any thread.

#include "imaging/fits/fits_writer.hpp"

#include <cstdint>

namespace cubelink::imaging {

/// What holds the source's pixels, as far as that is known: of a source that is yet to be computed this may be another answer later.
FitsNumbers numbers_of(const ImageSource& source);

/// How an image is cut. Plain values.
class FitsStrips {
public:
    /// `most_memory`: what memory() is to be, about, if it can. Throws std::invalid_argument if the axes don't fit the source.
    FitsStrips(const ImageSource& source, const std::vector<FitsAxis>& axes, const FitsNumbers& numbers, std::size_t most_memory = std::size_t{64} << 20);

    std::int64_t count() const { return count_; }
    /// Memory for one strip at a time, in bytes.
    std::size_t memory() const;
    /// Bytes of the data.
    std::uint64_t size() const { return size_; }

    /// Reads strip `index` and gives it to the sink, `at` being where the data begin. `work`: memory() bytes, aligned for doubles. Throws what they throw.
    void write(const ImageSource& source, std::int64_t index, std::uint64_t at, std::byte* work, const FitsSink& sink, const CancelToken& cancel) const;

private:
    struct Piece {
        Rect rect;
        std::int64_t depth = 0, stokes = 0; // stokes: of images whose strips have only one
    };
    Piece piece(std::int64_t index) const;
    std::uint64_t offset(const Piece& piece, std::int64_t stokes) const;
    template <class T>
    void write_as(const ImageSource& source, std::int64_t index, std::uint64_t at, std::byte* work, const FitsSink& sink, const CancelToken& cancel) const;

    ImageShape shape_;
    FitsNumbers numbers_;
    bool stokes_before_depth_ = false;
    std::int64_t stride_x_ = 0, stride_y_ = 0, stride_depth_ = 0, stride_stokes_ = 0; // in pixels of the file
    std::int64_t inner_ = 1;                                              // stokes that lie within a plane: all, or one
    std::int64_t rows_ = 1, columns_ = 1, across_ = 1, down_ = 1, count_ = 0;
    std::uint64_t size_ = 0;
};

} // namespace cubelink::imaging
