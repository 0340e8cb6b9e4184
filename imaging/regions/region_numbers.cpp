#include "imaging/regions/region_numbers.hpp"

#include "platform/text.hpp"

#include <algorithm>
#include <charconv>
#include <numbers>

namespace cubelink::imaging {

namespace {

struct UnitName {
    std::string_view name;
    NumberUnit unit;
};

// Longer names first where one ends with another.
constexpr UnitName ds9_units[] = {{"\"", NumberUnit::arcsecond}, {"'", NumberUnit::arcminute}, {"d", NumberUnit::degree},
                                  {"r", NumberUnit::radian},     {"p", NumberUnit::physical},  {"i", NumberUnit::pixel}};
constexpr UnitName crtf_units[] = {{"arcsec", NumberUnit::arcsecond}, {"arcmin", NumberUnit::arcminute}, {"deg", NumberUnit::degree},
                                   {"rad", NumberUnit::radian},       {"pixel", NumberUnit::pixel},      {"pix", NumberUnit::pixel},
                                   {"\"", NumberUnit::arcsecond},     {"'", NumberUnit::arcminute},      {"''", NumberUnit::arcsecond}};

template <std::size_t N>
std::optional<UnitNumber> with_unit(std::string_view text, const UnitName (&units)[N]) {
    // Letters of an exponent are no unit: what follows the last digit or point is.
    const auto last = text.find_last_of("0123456789.");
    if (last == std::string_view::npos) return std::nullopt;
    const auto unit = platform::trimmed(text.substr(last + 1));
    const auto value = number_of(platform::trimmed(text.substr(0, last + 1)));
    if (!value) return std::nullopt;
    if (unit.empty()) return UnitNumber{*value, NumberUnit::none};
    for (const auto& known : units)
        if (platform::equal_ignoring_case(unit, known.name)) return UnitNumber{*value, known.unit};
    return std::nullopt;
}

std::size_t points_in(std::string_view text) { return static_cast<std::size_t>(std::count(text.begin(), text.end(), '.')); }

std::string fixed(double value, int decimals) {
    char text[400];
    const auto end = decimals < 0 ? std::to_chars(text, text + sizeof text, value, std::chars_format::fixed)
                                  : std::to_chars(text, text + sizeof text, value, std::chars_format::fixed, decimals);
    return {text, end.ptr};
}

int decimals_in(std::string_view text) {
    const auto point = text.find('.');
    return point == std::string_view::npos ? 0 : static_cast<int>(text.size() - point - 1);
}

} // namespace

double UnitNumber::degrees() const {
    switch (unit) {
    case NumberUnit::arcminute: return value / 60;
    case NumberUnit::arcsecond: return value / 3600;
    case NumberUnit::radian: return value * (180 / std::numbers::pi);
    case NumberUnit::hour: return value * 15;
    default: return value;
    }
}

std::optional<UnitNumber> size_of(std::string_view text, UnitStyle style) {
    return style == UnitStyle::ds9 ? with_unit(text, ds9_units) : with_unit(text, crtf_units);
}

std::optional<UnitNumber> coordinate_of(std::string_view text, UnitStyle style, bool colons_are_hours) {
    const auto as = [](std::optional<double> value, NumberUnit unit) { return value ? std::optional(UnitNumber{*value, unit}) : std::nullopt; };
    if (text.find(':') != std::string_view::npos) return as(sexagesimal(text, "::"), colons_are_hours ? NumberUnit::hour : NumberUnit::degree);
    if (text.find_first_of("hH") != std::string_view::npos) return as(sexagesimal(platform::lower_case(text), "hms"), NumberUnit::hour);
    if (style == UnitStyle::crtf && points_in(text) >= 2) return as(sexagesimal(text, ".."), NumberUnit::degree);
    if (const auto plain = size_of(text, style)) return plain;
    if (text.find_first_of("dD") != std::string_view::npos) return as(sexagesimal(platform::lower_case(text), "dms"), NumberUnit::degree);
    return std::nullopt;
}

std::optional<double> angle_of(std::string_view text, UnitStyle style) {
    const auto number = size_of(text, style);
    if (!number || (number->unit != NumberUnit::none && !number->is_angle())) return std::nullopt;
    return number->degrees();
}

std::string exact_text(double value, double offset, int decimals) {
    const auto wanted = static_cast<float>(value);
    const auto is_exact = [&](const std::string& text) {
        const auto read = number_of(text);
        return read && static_cast<float>(*read - offset) == wanted;
    };
    // The digits of a float are those of its shortest text; of what is more exact than the interface can say, enough for a millionth.
    char shortest[64];
    int digits = 6;
    if (static_cast<double>(wanted) == value) {
        const auto end = std::to_chars(shortest, shortest + sizeof shortest, wanted, std::chars_format::fixed);
        digits = end.ec == std::errc() ? decimals_in({shortest, end.ptr}) : 0;
    }
    auto text = fixed(value + offset, std::max(digits, decimals));
    if (is_exact(text)) return text;
    text = fixed(value + offset, -1);
    return decimals_in(text) < decimals ? fixed(value + offset, decimals) : text;
}

std::string decimal_text(double value, int decimals) { return fixed(value, decimals); }

} // namespace cubelink::imaging
