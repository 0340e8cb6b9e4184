#include "imaging/pixels/statistics.hpp"

#include "imaging/pixels/mask_windows.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <numbers>
#include <string>
#include <utility>
#include <vector>

namespace cubelink::imaging {

namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

bool contains_any(const std::string& text, std::initializer_list<const char*> parts) {
    for (const char* part : parts) {
        if (text.find(part) != std::string::npos) return true;
    }
    return false;
}

} // namespace

FluxUnit flux_unit(std::string_view bunit) {
    std::string exact, unit; // without blanks; the second in lower case and with one spelling of powers
    for (char c : bunit) {
        if (c == ' ' || c == '\t' || c == '^' || c == '(' || c == ')' || c == '.') continue;
        exact += c;
        unit += c >= 'A' && c <= 'Z' ? char(c - 'A' + 'a') : c;
    }
    for (std::size_t at; (at = unit.find("**")) != std::string::npos;) unit.erase(at, 2);

    // Case tells kelvin with a prefix from others; the FITS standard's prefixes that anyone uses.
    for (const char* kelvin : {"K", "mK", "uK", "kK", "KELVIN", "Kelvin", "kelvin"}) {
        if (exact == kelvin) return FluxUnit::kelvin;
    }
    if (unit.find("jy") == std::string::npos && unit.find("jansky") == std::string::npos) return FluxUnit::none;
    if (contains_any(unit, {"/beam", "beam-1"})) return FluxUnit::per_beam;
    if (contains_any(unit, {"/pix", "pixel-1", "pix-1"})) return FluxUnit::per_pixel;
    if (contains_any(unit, {"/arcsec2", "arcsec-2"})) return FluxUnit::per_arcsec2;
    if (contains_any(unit, {"/sr", "sr-1"})) return FluxUnit::per_steradian;
    return FluxUnit::none;
}

double flux_factor(const FluxTerms& terms) {
    const auto positive = [](double area) { return area > 0 && std::isfinite(area) ? area : kNaN; };
    switch (terms.unit) {
    case FluxUnit::none:
        return kNaN;
    case FluxUnit::per_beam:
        return 1.0 / positive(terms.beam_area_pixels);
    case FluxUnit::per_pixel:
        return 1.0;
    case FluxUnit::per_arcsec2:
    case FluxUnit::kelvin:
        return positive(terms.pixel_area_arcsec2);
    case FluxUnit::per_steradian: {
        constexpr double kArcsec = std::numbers::pi / (180.0 * 3600.0);
        return positive(terms.pixel_area_arcsec2) * kArcsec * kArcsec;
    }
    }
    return kNaN;
}

double statistic(StatsType type, const PlaneSummary& s, const FluxTerms& terms) {
    switch (type) {
    case StatsType::num_pixels:
        return double(s.count);
    case StatsType::nan_count:
        return double(s.total - s.count);
    default:
        break;
    }
    if (s.count == 0) return kNaN;
    switch (type) {
    case StatsType::sum:
        return s.sum;
    case StatsType::flux_density:
        return s.sum * flux_factor(terms);
    case StatsType::mean:
        return s.mean();
    case StatsType::rms:
        return s.rms();
    case StatsType::sigma:
        return s.std_dev();
    case StatsType::sum_sq:
        return s.sum_sq;
    case StatsType::min:
        return s.min;
    case StatsType::max:
        return s.max;
    case StatsType::extrema:
        return std::abs(s.min) > std::abs(s.max) ? s.min : s.max;
    default:
        return kNaN;
    }
}

namespace {

struct Place {
    std::int64_t x = -1, y = -1;
    /// `other` comes first in row-major order.
    void keep_first(std::int64_t other_x, std::int64_t other_y) {
        if (other_x >= 0 && (x < 0 || other_y < y || (other_y == y && other_x < x))) {
            x = other_x;
            y = other_y;
        }
    }
};

} // namespace

ExtremePositions find_positions(const ImageSource& source, const Rect& rect, PlaneId plane, const PlaneSummary& summary, const ThreadShare& threads,
                                const CancelToken& cancel) {
    if (summary.count == 0) return {};
    std::vector<PixelRun> rows;
    for (std::int64_t y = rect.y0; y < rect.y1; ++y) rows.push_back({y, rect.x0, rect.x1});
    return find_positions(source, PixelMask(std::move(rows)), plane, summary, threads, cancel);
}

ExtremePositions find_positions(const ImageSource& source, const PixelMask& mask, PlaneId plane, const PlaneSummary& summary, const ThreadShare& threads,
                                const CancelToken& cancel) {
    if (summary.count == 0) return {};
    const PixelMask* const masks[] = {&mask};
    const MaskWindows windows(source, masks);
    struct Part {
        std::size_t seen = 0; // pixels of the part
        std::size_t min = SIZE_MAX, max = SIZE_MAX; // the first pixels with these values
    };
    std::vector<Part> parts(windows.parts().size());
    with_pixel_type(source, [&](auto type) {
        using T = decltype(type);
        visit_masks<T>(source, windows, plane, {}, threads, cancel, [&](std::size_t number, std::span<const T> pixels, int) {
            Part& part = parts[number];
            const auto first = [&](double value, std::size_t& found) {
                if (found != SIZE_MAX) return;
                const auto it = std::find(pixels.begin(), pixels.end(), T(value));
                if (it != pixels.end()) found = part.seen + std::size_t(it - pixels.begin());
            };
            first(summary.min, part.min);
            first(summary.max, part.max);
            part.seen += pixels.size();
        });
    });
    Place min, max;
    const auto keep = [&](const MaskWindows::Part& part, std::size_t index, Place& place) {
        if (index == SIZE_MAX) return;
        for (std::size_t i = part.from; i < part.to; ++i) {
            const PixelRun& run = mask.runs()[i];
            if (index < std::size_t(run.length())) return place.keep_first(run.x0 + std::int64_t(index), run.y);
            index -= std::size_t(run.length());
        }
    };
    for (std::size_t i = 0; i < parts.size(); ++i) {
        keep(windows.parts()[i], parts[i].min, min);
        keep(windows.parts()[i], parts[i].max, max);
    }
    return {min.x, min.y, max.x, max.y};
}

} // namespace cubelink::imaging
