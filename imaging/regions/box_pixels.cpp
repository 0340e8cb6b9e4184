#include "imaging/regions/box_pixels.hpp"

#include "imaging/base/image_error.hpp"
#include "imaging/regions/polygon_scan.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <stdexcept>

namespace cubelink::imaging {

namespace {

bool is_before(const PixelRun& a, const PixelRun& b) { return a.y != b.y ? a.y < b.y : a.x0 < b.x0; }

/// All pixels of overlapping runs, once each.
PixelMask union_of(std::vector<PixelRun> runs) {
    std::sort(runs.begin(), runs.end(), is_before);
    std::size_t kept = 0;
    for (const auto& run : runs) {
        if (kept > 0 && runs[kept - 1].y == run.y && run.x0 <= runs[kept - 1].x1) runs[kept - 1].x1 = std::max(runs[kept - 1].x1, run.x1);
        else runs[kept++] = run;
    }
    runs.resize(kept);
    return PixelMask(std::move(runs));
}

void scan(const LineBox& box, const ImageShape& image, PolygonScanner& scanner, std::vector<PixelRun>& runs, const CancelToken& cancel) {
    const auto corner = [&](double along, double across) {
        return PixelPoint{box.centre.x + along * box.along.x + across * box.across.x, box.centre.y + along * box.along.y + across * box.across.y};
    };
    const std::array corners{corner(-1, -1), corner(1, -1), corner(1, 1), corner(-1, 1)};
    scanner.append(corners, {image.width, image.height, outline_tolerance(corners, image.width, image.height)}, runs, cancel);
}

/// Bits rather than std::isfinite: compilers vectorise this.
bool all_finite(std::span<const float> values) {
    constexpr std::uint32_t exponent = 0x7f800000u;
    std::uint32_t blanks = 0;
    for (const float value : values) blanks |= static_cast<std::uint32_t>((std::bit_cast<std::uint32_t>(value) & exponent) == exponent);
    return blanks == 0;
}

} // namespace

BoxRuns scan_boxes(std::span<const LineBox> boxes, const ImageShape& image, const CancelToken& cancel) {
    BoxRuns result;
    PolygonScanner scanner;
    result.ends.reserve(boxes.size());
    for (const auto& box : boxes) {
        scan(box, image, scanner, result.runs, cancel);
        result.ends.push_back(result.runs.size());
    }
    return result;
}

BoxPixels::BoxPixels(std::span<const LineBox> boxes, const ImageShape& image, std::size_t most, const CancelToken& cancel) {
    PolygonScanner scanner;
    std::vector<PixelRun> runs;
    std::size_t pixels = 0;
    for (const auto& box : boxes) {
        if (!boxes_.empty() && pixels >= most) break;
        const auto before = runs.size();
        scan(box, image, scanner, runs, cancel);
        std::size_t of_box = 0;
        for (auto i = before; i < runs.size(); ++i) of_box += static_cast<std::size_t>(runs[i].length());
        pixels += of_box;
        if (pixels > std::numeric_limits<std::uint32_t>::max()) throw ImageError("the line is too wide on this image: a piece of it holds too many pixels");
        boxes_.push_back({static_cast<std::uint32_t>(runs.size()), static_cast<std::uint32_t>(of_box)});
    }
    cancel.throw_if_cancelled();
    mask_ = union_of(runs);
    const auto all = mask_.runs();
    std::vector<std::size_t> offsets; // of each run of the mask
    offsets.reserve(all.size());
    std::size_t offset = 0;
    for (const auto& run : all) {
        offsets.push_back(offset);
        offset += static_cast<std::size_t>(run.length());
    }
    pieces_.reserve(runs.size());
    for (const auto& run : runs) {
        const auto holding = std::upper_bound(all.begin(), all.end(), run, is_before) - 1;
        const auto first = offsets[static_cast<std::size_t>(holding - all.begin())] + static_cast<std::size_t>(run.x0 - holding->x0);
        pieces_.push_back({static_cast<std::uint32_t>(first), static_cast<std::uint32_t>(run.length())});
    }
}

void BoxPixels::means(std::span<const float> pixels, std::span<float> out) const {
    if (boxes_.empty()) return;
    const std::size_t planes = out.size() / size(), of_plane = mask_.count();
    if (planes * size() != out.size() || pixels.size() != planes * of_plane) throw std::invalid_argument("the pixels are not those of the boxes");
    constexpr float nothing = std::numeric_limits<float>::quiet_NaN();
    // Several planes at once, as long as nothing is blank in them: where the pixels lie is looked up once for all of them.
    constexpr std::size_t together = 4;
    for (std::size_t plane = 0; plane < planes;) {
        const float* const from = pixels.data() + plane * of_plane;
        float* const to = out.data() + plane * size();
        if (plane + together <= planes && all_finite(pixels.subspan(plane * of_plane, together * of_plane))) {
            std::size_t piece = 0;
            for (std::size_t i = 0; i < size(); ++i) {
                std::array<double, together> sums{};
                for (; piece < boxes_[i].end; ++piece) {
                    const float* values = from + pieces_[piece].first;
                    for (std::uint32_t k = 0; k < pieces_[piece].length; ++k, ++values)
                        for (std::size_t p = 0; p < together; ++p) sums[p] += static_cast<double>(values[p * of_plane]);
                }
                for (std::size_t p = 0; p < together; ++p)
                    to[p * size() + i] = boxes_[i].pixels == 0 ? nothing : static_cast<float>(sums[p] / static_cast<double>(boxes_[i].pixels));
            }
            plane += together;
            continue;
        }
        std::size_t piece = 0;
        for (std::size_t i = 0; i < size(); ++i) {
            double sum = 0;
            std::size_t count = 0;
            for (; piece < boxes_[i].end; ++piece) {
                const float* const values = from + pieces_[piece].first;
                for (std::uint32_t k = 0; k < pieces_[piece].length; ++k) {
                    if (!std::isfinite(values[k])) continue;
                    sum += static_cast<double>(values[k]);
                    ++count;
                }
            }
            to[i] = count == 0 ? nothing : static_cast<float>(sum / static_cast<double>(count));
        }
        ++plane;
    }
}

} // namespace cubelink::imaging
