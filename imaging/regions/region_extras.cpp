#include "imaging/regions/region_extras.hpp"

#include "imaging/regions/region_numbers.hpp"
#include "platform/hex.hpp"
#include "platform/text.hpp"

#include <charconv>

namespace cubelink::imaging {

namespace {

bool is_plain(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.' || c == ',';
}

std::string encoded(std::string_view text) {
    constexpr char hex[] = "0123456789ABCDEF";
    std::string out;
    for (const char c : text) {
        if (is_plain(c)) {
            out += c;
            continue;
        }
        const auto byte = static_cast<unsigned char>(c);
        out += {'%', hex[byte >> 4], hex[byte & 15]};
    }
    return out;
}

using platform::hex_digit;

std::string decoded(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const int high = text[i] == '%' && i + 2 < text.size() ? hex_digit(text[i + 1]) : -1;
        const int low = high >= 0 ? hex_digit(text[i + 2]) : -1;
        if (low < 0) {
            out += text[i];
            continue;
        }
        out += static_cast<char>(high * 16 + low);
        i += 2;
    }
    return out;
}

std::string text_of(const std::string& value) { return value; }
std::string text_of(std::int32_t value) { return std::to_string(value); }
std::string text_of(bool value) { return value ? "1" : "0"; }
std::string text_of(double value) { return exact_text(value, 0, 0); }
std::string text_of(PointShape value) { return std::to_string(static_cast<int>(value)); }
std::string text_of(TextPosition value) { return std::to_string(static_cast<int>(value)); }
std::string text_of(const std::vector<std::int32_t>& values) {
    std::string text;
    for (const auto value : values) text += (text.empty() ? "" : ",") + std::to_string(value);
    return text;
}

void read(const std::string& text, std::string& value) { value = text; }
void read(const std::string& text, std::int32_t& value) {
    std::int32_t number = 0;
    const auto end = std::from_chars(text.data(), text.data() + text.size(), number);
    if (end.ec == std::errc() && end.ptr == text.data() + text.size()) value = number;
}
void read(const std::string& text, bool& value) { value = text == "1"; }
void read(const std::string& text, double& value) { value = number_of(text).value_or(value); }
template <class Enum>
void read_enum(const std::string& text, Enum last, Enum& value) {
    std::int32_t number = -1;
    read(text, number);
    if (number >= 0 && number <= static_cast<std::int32_t>(last)) value = static_cast<Enum>(number);
}
void read(const std::string& text, PointShape& value) { read_enum(text, PointShape::x, value); }
void read(const std::string& text, TextPosition& value) { read_enum(text, TextPosition::right, value); }
void read(const std::string& text, std::vector<std::int32_t>& values) {
    values.clear();
    for (std::string_view rest = text; !rest.empty() && values.size() < max_dashes;) {
        const auto item = rest.substr(0, rest.find(','));
        std::int32_t value = 0;
        read(std::string(item), value);
        values.push_back(value);
        rest.remove_prefix(std::min(rest.size(), item.size() + 1));
    }
}

/// Calls `f(key, value)` with each of the fields, of one region or the same one of several.
template <class F, class... Regions>
void for_fields(const F& f, Regions&... regions) {
    f("name", regions.style.name...);
    f("color", regions.style.color...);
    f("width", regions.style.line_width...);
    f("dashes", regions.style.dashes...);
    f("point_shape", regions.style.annotation.point_shape...);
    f("point_width", regions.style.annotation.point_width...);
    f("label", regions.style.annotation.labels[0]...);
    f("label2", regions.style.annotation.labels[1]...);
    f("system", regions.style.annotation.coordinate_system...);
    f("arrow", regions.style.annotation.arrows[0]...);
    f("arrow2", regions.style.annotation.arrows[1]...);
    f("position", regions.style.annotation.text_position...);
    f("font_style", regions.style.annotation.font_style...);
    f("font", regions.style.annotation.font...);
    f("font_size", regions.style.annotation.font_size...);
    f("rotation", regions.shape.rotation...);
}

} // namespace

std::string extras_line(const FileRegion& wanted, const FileRegion& read) {
    std::string line;
    for_fields(
        [&line](const char* key, const auto& value, const auto& found) {
            if (value == found) return;
            line += std::string(" ") + key + "=" + encoded(text_of(value));
        },
        wanted, read);
    return line.empty() ? line : "# " + std::string(extras_word) + line + "\n";
}

void apply_extras(std::string_view text, FileRegion& region) {
    while (!(text = platform::trimmed(text, " \t\r")).empty()) {
        const auto item = text.substr(0, text.find(' '));
        text.remove_prefix(item.size());
        const auto equals = item.find('=');
        if (equals == std::string_view::npos) continue;
        const auto value = decoded(item.substr(equals + 1));
        for_fields(
            [&](std::string_view key, auto& field) {
                if (key == item.substr(0, equals)) read(value, field);
            },
            region);
    }
}

} // namespace cubelink::imaging
