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

constexpr float nothing = std::numeric_limits<float>::quiet_NaN();
/// Planes that are averaged together where nothing is blank in them.
constexpr std::size_t together = 4;
/// Boxes of a ribbon, and how many are averaged side by side at least.
constexpr std::size_t longest_ribbon = 256, worth_a_loop = 8;

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
    cut_ribbons();
}

/// Whether a box is the one before it, moved by one pixel of the mask.
bool BoxPixels::follows(std::size_t box) const {
    const auto begin = first_piece(box), before = first_piece(box - 1), count = begin - before;
    if (boxes_[box].end - begin != count || count == 0) return false;
    for (std::size_t i = 0; i < count; ++i)
        if (pieces_[begin + i].first != pieces_[before + i].first + 1 || pieces_[begin + i].length != pieces_[before + i].length) return false;
    return true;
}

void BoxPixels::cut_ribbons() {
    for (std::size_t box = 0; box < boxes_.size(); ++box) {
        if (box > 0 && ribbons_.back().count < longest_ribbon && follows(box)) ++ribbons_.back().count;
        else ribbons_.push_back({box, 1});
    }
}

/// Of one plane without blanks: one position after the other, which compilers vectorise.
void BoxPixels::mean_ribbon(const Ribbon& ribbon, const float* plane, float* out) const {
    std::array<double, longest_ribbon> sums;
    std::fill_n(sums.begin(), ribbon.count, 0.0);
    for (auto piece = first_piece(ribbon.first); piece < boxes_[ribbon.first].end; ++piece) {
        for (std::uint32_t k = 0; k < pieces_[piece].length; ++k) {
            const float* const values = plane + pieces_[piece].first + k;
            for (std::size_t i = 0; i < ribbon.count; ++i) sums[i] += static_cast<double>(values[i]);
        }
    }
    const double pixels = boxes_[ribbon.first].pixels;
    for (std::size_t i = 0; i < ribbon.count; ++i) out[ribbon.first + i] = static_cast<float>(sums[i] / pixels);
}

/// Of some planes without blanks together: where the pixels lie is looked up once for all of them.
void BoxPixels::mean_planes(const Ribbon& ribbon, const float* planes, float* out) const {
    const auto of_plane = mask_.count();
    auto piece = first_piece(ribbon.first);
    for (auto i = ribbon.first; i < ribbon.first + ribbon.count; ++i) {
        std::array<double, together> sums{};
        for (; piece < boxes_[i].end; ++piece) {
            const float* values = planes + pieces_[piece].first;
            for (std::uint32_t k = 0; k < pieces_[piece].length; ++k, ++values)
                for (std::size_t p = 0; p < together; ++p) sums[p] += static_cast<double>(values[p * of_plane]);
        }
        for (std::size_t p = 0; p < together; ++p)
            out[p * size() + i] = boxes_[i].pixels == 0 ? nothing : static_cast<float>(sums[p] / static_cast<double>(boxes_[i].pixels));
    }
}

void BoxPixels::mean_finite(std::span<const float> plane, std::span<float> out) const {
    std::size_t piece = 0;
    for (std::size_t i = 0; i < size(); ++i) {
        double sum = 0;
        std::size_t count = 0;
        for (; piece < boxes_[i].end; ++piece) {
            const float* const values = plane.data() + pieces_[piece].first;
            for (std::uint32_t k = 0; k < pieces_[piece].length; ++k) {
                if (!std::isfinite(values[k])) continue;
                sum += static_cast<double>(values[k]);
                ++count;
            }
        }
        out[i] = count == 0 ? nothing : static_cast<float>(sum / static_cast<double>(count));
    }
}

void BoxPixels::means(std::span<const float> pixels, std::span<float> out) const {
    if (boxes_.empty()) return;
    const std::size_t planes = out.size() / size(), of_plane = mask_.count();
    if (planes * size() != out.size() || pixels.size() != planes * of_plane) throw std::invalid_argument("the pixels are not those of the boxes");
    for (std::size_t plane = 0; plane < planes;) {
        const float* const from = pixels.data() + plane * of_plane;
        float* const to = out.data() + plane * size();
        if (plane + together > planes || !all_finite(pixels.subspan(plane * of_plane, together * of_plane))) {
            mean_finite(pixels.subspan(plane * of_plane, of_plane), out.subspan(plane * size(), size()));
            ++plane;
            continue;
        }
        for (const auto& ribbon : ribbons_) {
            if (ribbon.count < worth_a_loop) mean_planes(ribbon, from, to);
            for (std::size_t p = 0; p < together && ribbon.count >= worth_a_loop; ++p) mean_ribbon(ribbon, from + p * of_plane, to + p * size());
        }
        plane += together;
    }
}

} // namespace cubelink::imaging
