#pragma once
/// How a region is drawn (ICD RegionStyle, AnnotationStyle). Plain values; any thread.

#include "imaging/regions/shape.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cubelink::imaging {

enum class PointShape { square = 0, box = 1, circle = 2, circle_lined = 3, diamond = 4, diamond_lined = 5, cross = 6, x = 7 }; // ICD PointAnnotationShape
enum class TextPosition { center = 0, upper_left, upper_right, lower_left, lower_right, top, bottom, left, right };             // ICD TextAnnotationPosition

/// What only annotations have: points a shape; texts, compasses and rulers the rest.
struct AnnotationStyle {
    PointShape point_shape = PointShape::square;
    std::int32_t point_width = 6;
    std::array<std::string, 2> labels;  // the text; of a compass those of its north and east arrow
    std::string coordinate_system;      // of a compass or ruler: "PIXEL", …
    std::array<bool, 2> arrows{false, false}; // of a compass, whether its north and east line end in an arrow
    TextPosition text_position = TextPosition::center;
    std::string font_style, font;       // "Normal", "Bold", "Italic", "Italic Bold"; "Helvetica"
    std::int32_t font_size = 0;         // pixels of the screen
    friend bool operator==(const AnnotationStyle&, const AnnotationStyle&) = default;
};

struct RegionStyle {
    std::string name;
    std::string color = "#2EE6D6";
    std::int32_t line_width = 2;
    std::vector<std::int32_t> dashes; // lengths of dashes and gaps; empty: solid
    AnnotationStyle annotation;
    friend bool operator==(const RegionStyle&, const RegionStyle&) = default;
};

inline constexpr std::size_t max_dashes = 16;
/// Longer names of fonts, colours and the like in files are cut: a global line gives them to every region.
inline constexpr std::size_t max_style_word = 100; // bytes

/// What a region is drawn like if nothing is said of it.
RegionStyle default_style(RegionType type);
/// With those fields that a region of that type has no use for as in default_style().
RegionStyle relevant_style(RegionType type, RegionStyle style);

/// Whose colours a name means: "green" is #00FF00 to X11 (and DS9), and #008000 to the others.
enum class ColorNames { x11, web };
/// "blue", "#0000FF", "00f", "#0000ffff0000" as "#0000FF"; names win over digits. Nothing for what is no colour. Any case.
std::optional<std::string> color_of(std::string_view text, ColorNames names);

/// "Normal", "Bold", "Italic", "Italic Bold".
std::string font_style_of(bool bold, bool italic);

} // namespace cubelink::imaging
