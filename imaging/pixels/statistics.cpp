#include "imaging/pixels/statistics.hpp"

#include "imaging/source/bands.hpp"
#include "imaging/base/parallel.hpp"

#include <cmath>
#include <initializer_list>
#include <numbers>
#include <string>
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

ExtremePositions find_positions(const ImageSource& source, const Rect& rect, PlaneId plane, const PlaneSummary& summary, const ThreadShare& threads,
                                const CancelToken& cancel) {
    ExtremePositions found;
    if (summary.count == 0) return found;
    const Bands bands = Bands::cut(rect, 32, band_target(source));
    std::vector<ExtremePositions> parts(std::size_t(bands.count));
    parallel_for(threads, bands.count, cancel, [&](std::int64_t index, int) {
        const Rect band = bands.band(index);
        std::vector<double> pixels(std::size_t(band.size()));
        if (source.capabilities().prefers_double) {
            source.read64(band, plane, pixels, 1, cancel);
        } else {
            std::vector<float> narrow(pixels.size());
            source.read(band, plane, narrow, 1, cancel);
            std::copy(narrow.begin(), narrow.end(), pixels.begin());
        }
        ExtremePositions& part = parts[std::size_t(index)];
        for (std::size_t i = 0; i < pixels.size(); ++i) {
            const std::int64_t x = band.x0 + std::int64_t(i) % band.width(), y = band.y0 + std::int64_t(i) / band.width();
            if (part.min_x < 0 && pixels[i] == summary.min) part.min_x = x, part.min_y = y;
            if (part.max_x < 0 && pixels[i] == summary.max) part.max_x = x, part.max_y = y;
        }
    });
    const auto earlier = [](std::int64_t x, std::int64_t y, std::int64_t than_x, std::int64_t than_y) {
        return x >= 0 && (than_x < 0 || y < than_y || (y == than_y && x < than_x));
    };
    for (const ExtremePositions& p : parts) {
        if (earlier(p.min_x, p.min_y, found.min_x, found.min_y)) found.min_x = p.min_x, found.min_y = p.min_y;
        if (earlier(p.max_x, p.max_y, found.max_x, found.max_y)) found.max_x = p.max_x, found.max_y = p.max_y;
    }
    return found;
}

} // namespace cubelink::imaging
