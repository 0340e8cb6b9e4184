#include "imaging/regions/ds9_properties.hpp"

#include "imaging/regions/region_numbers.hpp"
#include "platform/text.hpp"

#include <algorithm>
#include <cmath>

namespace cubelink::imaging {

namespace {

constexpr std::string_view value_ends = " \t\r;";
constexpr double max_number = 1e6; // of widths and sizes

int whole(std::string_view text, int otherwise) {
    const auto number = number_of(text);
    return number ? static_cast<int>(std::lround(std::clamp(*number, -max_number, max_number))) : otherwise;
}

bool is_on(std::string_view text) { return whole(text, 0) != 0; }

std::string_view value(RegionScanner& text) {
    std::string_view content;
    const char c = text.peek();
    if ((c == '{' || c == '"' || c == '\'') && text.delimited(content)) return content;
    return text.until(value_ends);
}

/// A further number of the same property, if there is one.
bool more(RegionScanner& text, std::string_view& found) {
    text.skip_blanks();
    if (text.peek() < '0' || text.peek() > '9') return false;
    found = text.until(value_ends);
    return true;
}

struct PointName {
    PointShape shape;
    std::string_view name;
    bool filled;
};
constexpr PointName point_names[] = {
    {PointShape::square, "box", true},           {PointShape::box, "box", false},     {PointShape::circle, "circle", true},
    {PointShape::circle_lined, "circle", false}, {PointShape::diamond, "diamond", true}, {PointShape::diamond_lined, "diamond", false},
    {PointShape::cross, "cross", false},         {PointShape::x, "x", false},
};

/// "times" as "Times".
std::string family(std::string_view name) {
    auto out = platform::lower_case(name);
    if (!out.empty() && out[0] >= 'a' && out[0] <= 'z') out[0] = static_cast<char>(out[0] - 'a' + 'A');
    return out;
}

/// "helvetica 10 bold italic": the name may have several words.
void read_font(std::string_view text, Ds9Properties& to) {
    std::string name;
    int size = 0;
    bool bold = false, italic = false;
    while (!(text = platform::trimmed(text)).empty()) {
        const auto word = text.substr(0, text.find_first_of(" \t"));
        text.remove_prefix(word.size());
        if (number_of(word)) size = whole(word, 0);
        else if (platform::equal_ignoring_case(word, "bold")) bold = true;
        else if (platform::equal_ignoring_case(word, "italic")) italic = true;
        else if (!platform::equal_ignoring_case(word, "normal") && !platform::equal_ignoring_case(word, "roman"))
            name += (name.empty() ? "" : " ") + family(word);
    }
    to.font = name.substr(0, max_style_word);
    to.font_size = size;
    to.bold = bold;
    to.italic = italic;
}

void read_compass(RegionScanner& text, Ds9Properties& to) {
    to.system = value(text).substr(0, max_style_word);
    for (auto& label : to.labels) {
        text.skip_blanks();
        if (text.peek() != '{' && text.peek() != '"' && text.peek() != '\'') return;
        label = value(text);
        to.has_labels = true;
    }
    for (auto& arrow : to.arrows)
        if (std::string_view number; more(text, number)) arrow = is_on(number);
}

/// As DS9 delimits it: there are no escapes, so that what can't be said is replaced.
std::string delimited(std::string_view text) {
    std::string plain(text);
    for (char& c : plain)
        if (static_cast<unsigned char>(c) < ' ' || c == '\x7f') c = ' ';
    if (plain.find_first_of("{}") == std::string::npos) return "{" + plain + "}";
    if (plain.find('"') == std::string::npos) return "\"" + plain + "\"";
    if (plain.find('\'') == std::string::npos) return "'" + plain + "'";
    std::replace(plain.begin(), plain.end(), '{', '(');
    std::replace(plain.begin(), plain.end(), '}', ')');
    return "{" + plain + "}";
}

/// In one word: a colour that is none must not become something else.
std::string word_of(std::string_view text) {
    std::string word;
    for (const char c : text) word += RegionScanner::is_word(c) || c == '#' ? c : '_';
    return word;
}

} // namespace

void Ds9Properties::read(RegionScanner& from) {
    while (!from.at_line_end() && from.peek() != ';') {
        const auto key = platform::lower_case(from.word());
        if (key.empty()) {
            std::string_view skipped;
            const char c = from.peek();
            if ((c != '{' && c != '"') || !from.delimited(skipped)) from.advance();
            continue;
        }
        from.skip_blanks();
        if (!from.take('=')) continue;
        from.skip_blanks();
        if (key == "compass") {
            read_compass(from, *this);
            continue;
        }
        const auto said = value(from);
        std::string_view number;
        const auto word = said.substr(0, max_style_word);
        if (key == "color") color = word;
        else if (key == "text") text = said;
        else if (key == "width") width = std::max(whole(said, 0), 0);
        else if (key == "dash") dashed = is_on(said);
        else if (key == "fill") filled = is_on(said);
        else if (key == "include") included = is_on(said);
        else if (key == "ruler") system = word;
        else if (key == "font") read_font(said, *this);
        else if (key == "dashlist") {
            dash = std::max(whole(said, 8), 0);
            gap = more(from, number) ? std::max(whole(number, 0), 0) : 0;
        } else if (key == "point") {
            point = word;
            point_size = more(from, number) ? whole(number, 0) : 0;
        }
    }
}

void Ds9Properties::read_global(RegionScanner& from) {
    read(from);
    text.clear();
    for (auto& label : labels) label.clear();
    has_labels = false;
}

RegionStyle Ds9Properties::style_of(RegionType type, bool& unknown_color) const {
    RegionStyle style = default_style(type);
    auto& annotation = style.annotation;
    unknown_color = false;
    if (!color.empty()) {
        if (const auto known = color_of(color, ColorNames::x11)) style.color = *known;
        else unknown_color = true;
    }
    if (width > 0) style.line_width = width;
    if (dashed) style.dashes = gap > 0 ? std::vector<std::int32_t>{dash, gap} : std::vector<std::int32_t>{dash};
    if (type == RegionType::ann_text) annotation.labels[0] = text;
    else style.name = text;
    for (const auto& known : point_names)
        if (known.filled == filled && platform::equal_ignoring_case(point, known.name)) annotation.point_shape = known.shape;
    if (platform::equal_ignoring_case(point, "boxcircle")) annotation.point_shape = PointShape::box;
    if (point_size > 0) annotation.point_width = point_size;
    if (!font.empty()) annotation.font = font;
    if (font_size > 0) annotation.font_size = font_size;
    if (!font.empty() || font_size > 0) annotation.font_style = font_style_of(bold, italic);
    if (!system.empty()) annotation.coordinate_system = platform::equal_ignoring_case(system, "image") ? "PIXEL" : system;
    if (has_labels) annotation.labels = {labels[0], labels[1]};
    if (has_labels) annotation.arrows = {arrows[0], arrows[1]};
    return relevant_style(type, std::move(style));
}

std::string ds9_properties(RegionType type, const RegionStyle& style) {
    const auto& annotation = style.annotation;
    std::string out;
    const auto add = [&out](std::string_view key, const std::string& value) { out += (out.empty() ? "" : " ") + std::string(key) + "=" + value; };
    if (type == RegionType::ann_compass)
        add("compass", (annotation.coordinate_system == "PIXEL" ? "image" : delimited(annotation.coordinate_system)) + " " +
                           delimited(annotation.labels[0]) + " " + delimited(annotation.labels[1]) + (annotation.arrows[0] ? " 1" : " 0") +
                           (annotation.arrows[1] ? " 1" : " 0"));
    if (type == RegionType::ann_ruler) add("ruler", annotation.coordinate_system == "PIXEL" ? "image" : delimited(annotation.coordinate_system));
    if (type == RegionType::ann_point) {
        for (const auto& known : point_names)
            if (known.shape == annotation.point_shape) {
                add("point", std::string(known.name) + (annotation.point_width > 0 ? " " + std::to_string(annotation.point_width) : ""));
                if (known.filled) add("fill", "1");
            }
    }
    add("color", word_of(style.color));
    add("width", std::to_string(std::max(style.line_width, 0)));
    if (!style.dashes.empty()) {
        add("dash", "1");
        add("dashlist", std::to_string(std::max(style.dashes[0], 0)) + " " + std::to_string(style.dashes.size() > 1 ? std::max(style.dashes[1], 0) : 0));
    }
    if (default_style(type).annotation.font_size > 0) {
        const auto& words = annotation.font_style;
        const auto has = [&words](const char* word) { return platform::lower_case(words).find(word) != std::string::npos; };
        const auto name = platform::lower_case(word_of(annotation.font));
        add("font", "\"" + name + " " + std::to_string(std::max(annotation.font_size, 0)) + (has("bold") ? " bold" : " normal") +
                        (has("italic") ? " italic\"" : " roman\""));
    }
    const auto& text = type == RegionType::ann_text ? annotation.labels[0] : style.name;
    if (!text.empty()) add("text", delimited(text));
    return out;
}

} // namespace cubelink::imaging
