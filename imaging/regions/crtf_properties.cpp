#include "imaging/regions/crtf_properties.hpp"

#include "imaging/regions/region_numbers.hpp"
#include "platform/text.hpp"

#include <algorithm>
#include <cmath>

namespace cubelink::imaging {

namespace {

constexpr double max_number = 1e6; // of widths and sizes

int whole(std::string_view text) {
    const auto number = number_of(text);
    return number ? static_cast<int>(std::lround(std::clamp(*number, 0.0, max_number))) : 0;
}

/// A quoted text, a list in brackets (as it stands), or a word.
std::string value(RegionScanner& text) {
    std::string_view content;
    const char c = text.peek();
    if ((c == '"' || c == '\'') && text.delimited(content, true)) return unescaped(content);
    if (c == '[') {
        const auto list = text.until("]");
        text.take(']');
        return std::string(list) + "]";
    }
    return std::string(text.until(", \t\r"));
}

struct SymbolName {
    PointShape shape;
    std::string_view symbol;
};
// The first one of a shape is written.
constexpr SymbolName symbols[] = {{PointShape::square, "s"},  {PointShape::circle, "o"}, {PointShape::diamond, "D"}, {PointShape::cross, "+"},
                                  {PointShape::x, "x"},       {PointShape::box, "s"},    {PointShape::circle_lined, "o"}, {PointShape::diamond_lined, "D"},
                                  {PointShape::diamond, "d"}};

std::string_view frame_word(const std::string& text) { return platform::trimmed(text, " \t\r'\""); }

} // namespace

std::string unescaped(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '\\' && i + 1 < text.size() && (text[i + 1] == '\'' || text[i + 1] == '"')) continue;
        out += text[i];
    }
    return out;
}

void CrtfProperties::read(RegionScanner& from) {
    while (!from.at_line_end()) {
        const auto key = platform::lower_case(from.word());
        if (key.empty()) {
            // What has no name is passed over, quoted texts as a whole.
            std::string_view skipped;
            const char c = from.peek();
            if ((c != '\'' && c != '"') || !from.delimited(skipped, true)) from.advance();
            continue;
        }
        from.skip_blanks();
        if (!from.take('=')) continue;
        from.skip_blanks();
        auto said = value(from);
        if (key != "label" && key != "north" && key != "east") said.resize(std::min(said.size(), max_style_word));
        if (key == "coord") frame = std::string(frame_word(said));
        else if (key == "color") color = std::move(said);
        else if (key == "label") label = std::move(said);
        else if (key == "linewidth") line_width = whole(said);
        else if (key == "linestyle") dashed = said != "-" && said != "solid";
        else if (key == "symsize") symbol_size = whole(said);
        else if (key == "font") font = std::move(said);
        else if (key == "fontsize") font_size = whole(said);
        else if (key == "fontstyle") font_style = std::move(said);
        else if (key == "range") ranged = true;
        else if (key == "system") system = std::move(said);
        else if (key == "north") labels[0] = std::move(said);
        else if (key == "east") labels[1] = std::move(said);
        else if (key == "northarrow") arrows[0] = said == "true";
        else if (key == "eastarrow") arrows[1] = said == "true";
    }
}

void CrtfProperties::read_global(RegionScanner& from) {
    read(from);
    label.clear();
    for (auto& one : labels) one.reset();
}

RegionStyle CrtfProperties::style_of(RegionType type, bool& unknown_color) const {
    RegionStyle style = default_style(type);
    auto& annotation = style.annotation;
    unknown_color = false;
    if (!color.empty()) {
        if (const auto known = color_of(color, ColorNames::web)) style.color = *known;
        else unknown_color = true;
    }
    style.name = label;
    if (line_width > 0) style.line_width = line_width;
    if (dashed) style.dashes = {2};
    for (const auto& known : symbols)
        if (known.symbol == symbol) {
            annotation.point_shape = known.shape;
            break;
        }
    if (symbol_size > 0) annotation.point_width = symbol_size;
    if (!font.empty()) annotation.font = font;
    if (font_size > 0) annotation.font_size = font_size;
    if (!font_style.empty()) {
        const auto words = platform::lower_case(font_style);
        annotation.font_style = font_style_of(words.find("bold") != std::string::npos, words.find("italic") != std::string::npos);
    }
    annotation.labels[0] = type == RegionType::ann_text ? text : labels[0].value_or(annotation.labels[0]);
    annotation.labels[1] = labels[1].value_or(annotation.labels[1]);
    for (std::size_t i = 0; i < 2; ++i) annotation.arrows[i] = arrows[i].value_or(annotation.arrows[i]);
    if (!system.empty()) annotation.coordinate_system = system;
    return relevant_style(type, std::move(style));
}

std::string crtf_text(const std::string& text) {
    std::string plain = text;
    for (std::size_t i = 0; i < plain.size(); ++i) {
        const auto byte = static_cast<unsigned char>(plain[i]);
        if (byte < ' ' || byte == 0x7f) plain[i] = ' ';
        // A backslash there would be one before a quote.
        if (plain[i] == '\\' && (i + 1 == plain.size() || plain[i + 1] == '\'' || plain[i + 1] == '"')) plain[i] = '/';
    }
    if (plain.find('\'') == std::string::npos) return "'" + plain + "'";
    if (plain.find('"') == std::string::npos) return "\"" + plain + "\"";
    std::replace(plain.begin(), plain.end(), '\'', '`');
    return "'" + plain + "'";
}

std::string_view crtf_symbol(RegionType type, const RegionStyle& style) {
    if (type != RegionType::ann_point) return ".";
    for (const auto& known : symbols)
        if (known.shape == style.annotation.point_shape) return known.symbol;
    return "s";
}

std::string crtf_properties(RegionType type, const RegionStyle& style, std::string_view frame) {
    const auto& annotation = style.annotation;
    std::string out;
    const auto add = [&out](std::string_view key, const std::string& value) { out += (out.empty() ? "" : ", ") + std::string(key) + "=" + value; };
    if (!frame.empty()) add("coord", std::string(frame));
    add("linewidth", std::to_string(std::max(style.line_width, 0)));
    add("linestyle", style.dashes.empty() ? "-" : "--");
    if (type == RegionType::point || type == RegionType::ann_point) {
        add("symsize", std::to_string(type == RegionType::point ? 1 : std::max(annotation.point_width, 0)));
        add("symthick", "1");
    }
    std::string color;
    for (const char c : style.color)
        if (RegionScanner::is_word(c)) color += platform::lower_case(c);
    add("color", color);
    if (default_style(type).annotation.font_size > 0) {
        const auto words = platform::lower_case(annotation.font_style);
        const bool bold = words.find("bold") != std::string::npos, italic = words.find("italic") != std::string::npos;
        add("font", crtf_text(annotation.font));
        add("fontsize", std::to_string(std::max(annotation.font_size, 0)));
        add("fontstyle", bold ? (italic ? "bold-italic" : "bold") : italic ? "italic" : "normal");
    }
    if (type == RegionType::ann_compass || type == RegionType::ann_ruler) add("system", crtf_text(annotation.coordinate_system));
    if (type == RegionType::ann_compass) {
        add("north", crtf_text(annotation.labels[0]));
        add("east", crtf_text(annotation.labels[1]));
        add("northarrow", annotation.arrows[0] ? "true" : "false");
        add("eastarrow", annotation.arrows[1] ? "true" : "false");
    }
    if (!style.name.empty()) add("label", crtf_text(style.name));
    return out;
}

} // namespace cubelink::imaging
