#include "imaging/render/grid_labels.hpp"

#include "imaging/render/stroke_font.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <optional>

namespace cubelink::imaging {

namespace {

using Side = GridEnd::Side;

constexpr double least_height = 8, most_height = 28, heights_in_picture = 55;
constexpr std::size_t longest_unit = 16;
constexpr int most_decimals = 9;

std::string with_minus(std::string text) {
    for (std::size_t at = 0; (at = text.find('-', at)) != std::string::npos;) text.replace(at, 1, "−");
    return text;
}

std::string printed(const char* format, int digits, double value) {
    char text[64];
    std::snprintf(text, sizeof text, format, digits, value);
    return text;
}

/// Decimals that tell multiples of `step` apart.
int decimals_of(double step) { return static_cast<int>(std::clamp(std::ceil(-std::log10(step) - 1e-9), 0.0, double{most_decimals})); }

/// 0 ≤ result < 360; what rounds to 360 is 0.
double turned(double degrees, double step) {
    const double rest = degrees - 360 * std::floor(degrees / 360);
    return 360 - rest < step / 1000 ? 0 : rest;
}

/// `x` in hours or degrees, not negative: with minutes and seconds as far as the step has any. Rounded once, as a whole number of the last digit's unit.
std::string sexagesimal(double x, double step, const std::array<const char*, 3>& marks) {
    const int digits = step < 1.0 / 3600 ? decimals_of(step * 3600) : 0;
    const double unit = std::pow(10, digits), ticks = std::round(x * 3600 * unit);
    const double minutes = std::floor(ticks / (60 * unit)), seconds = (ticks - minutes * 60 * unit) / unit;
    const auto whole = static_cast<std::int64_t>(minutes);
    char text[64];
    std::snprintf(text, sizeof text, "%02lld%s", static_cast<long long>(whole / 60), marks[0]);
    std::string result = text;
    if (step >= 1) return result;
    std::snprintf(text, sizeof text, "%02lld%s", static_cast<long long>(whole % 60), marks[1]);
    result += text;
    if (step >= 1.0 / 60) return result;
    std::snprintf(text, sizeof text, "%0*.*f%s", digits > 0 ? digits + 3 : 2, digits, seconds, marks[2]);
    return result + text;
}

bool overlap(const PictureBox& a, const PictureBox& b) { return a.x0 < b.x1 && b.x0 < a.x1 && a.y0 < b.y1 && b.y0 < a.y1; }

/// Beside the line's end, moved along the edge where it would leave the bounds; nothing if it does not fit.
std::optional<PlacedLabel> placed(const std::string& text, const GridEnd& end, const PictureBox& bounds, double height) {
    const double margin = height / 3, below = height / 3; // what hangs below the baseline
    const double width = text_width(text, height) + 2 * margin, tall = height + below + 2 * margin;
    if (width > bounds.x1 - bounds.x0 || tall > bounds.y1 - bounds.y0) return {};
    double left = 0, top = 0;
    switch (end.side) {
    case Side::bottom: left = end.at.x - width / 2, top = bounds.y1 - tall; break;
    case Side::top: left = end.at.x - width / 2, top = bounds.y0; break;
    case Side::left: left = bounds.x0, top = end.at.y - tall + margin; break; // on the line
    case Side::right: left = bounds.x1 - width, top = end.at.y - tall + margin; break;
    }
    left = std::clamp(left, bounds.x0, bounds.x1 - width);
    top = std::clamp(top, bounds.y0, bounds.y1 - tall);
    return PlacedLabel{text, left + margin, top + margin + height, height, {left, top, left + width, top + tall}};
}

} // namespace

std::string grid_label(double value, double step, AxisNotation notation, bool longitude, const std::string& unit) {
    const double degrees = longitude ? turned(value, step) : std::abs(value) < step / 1000 ? 0 : value;
    switch (notation) {
    case AxisNotation::angle_hours: return sexagesimal(degrees / 15, step / 15, {"h", "m", "s"});
    case AxisNotation::angle_degrees: return (longitude ? "" : degrees < 0 ? "−" : "+") + sexagesimal(std::abs(degrees), step, {"°", "′", "″"});
    case AxisNotation::decimal_degrees: return (!longitude && degrees > 0 ? "+" : "") + with_minus(printed("%.*f", decimals_of(step), degrees)) + "°";
    case AxisNotation::plain: break;
    }
    // As many digits as tell this line from the next.
    const double size = std::max(std::abs(degrees), step);
    const int digits = std::clamp(static_cast<int>(std::floor(std::log10(size)) - std::floor(std::log10(step))) + 1, 1, 15);
    std::string text = printed("%.*g", size >= 1e6 || size < 1e-3 ? digits : std::max(digits, static_cast<int>(std::floor(std::log10(size))) + 1), degrees);
    text = with_minus(std::move(text));
    if (!unit.empty()) text += " " + unit.substr(0, longest_unit);
    return text;
}

std::vector<PlacedLabel> place_labels(const PictureSize& size, const PictureBox& bounds, std::span<const GridLine> lines) {
    const double height = std::clamp(std::min(size.width, size.height) / heights_in_picture, least_height, most_height);
    constexpr std::array orders{std::array{Side::bottom, Side::top, Side::left, Side::right}, std::array{Side::left, Side::right, Side::bottom, Side::top}};
    std::vector<PlacedLabel> labels;
    for (const auto& line : lines) {
        const auto find = [&]() -> std::optional<PlacedLabel> {
            for (const auto side : orders[line.axis])
                for (const auto& end : line.ends) {
                    if (end.side != side) continue;
                    auto label = placed(line.label, end, bounds, height);
                    if (label && std::none_of(labels.begin(), labels.end(), [&](const PlacedLabel& other) { return overlap(label->box, other.box); })) return label;
                }
            return {};
        };
        if (auto label = find()) labels.push_back(std::move(*label));
    }
    return labels;
}

} // namespace cubelink::imaging
