#pragma once
/// What stands behind a region in a CRTF file: `coord=J2000, color=blue, label='a name'`. Used by the reader and the writer of CRTF files.

#include "imaging/regions/region_scanner.hpp"
#include "imaging/regions/region_style.hpp"

#include <optional>
#include <string>

namespace cubelink::imaging {

struct CrtfProperties {
    std::string frame; // coord=; empty: nothing was said
    std::string color, label;
    bool dashed = false, ranged = false;
    int line_width = 0; // 0: nothing was said
    std::string symbol; // after the position of a symbol
    int symbol_size = 0;
    std::string font;
    std::string font_style; // "bold italic", …
    int font_size = 0;
    std::string text; // after the position of a text
    std::string system; // of a ruler or compass
    std::optional<std::string> labels[2];
    std::optional<bool> arrows[2];

    /// Reads to the end of the line. Later words win.
    void read(RegionScanner& text);
    /// The same of a global line: texts are of one region only.
    void read_global(RegionScanner& text);
    /// `unknown_color` becomes true if the colour is none.
    RegionStyle style_of(RegionType type, bool& unknown_color) const;
};

/// The properties that say as much of a style as the format can, and what goes into the brackets of texts and symbols.
std::string crtf_properties(RegionType type, const RegionStyle& style, std::string_view frame);
/// A text without the backslashes before its quotes.
std::string unescaped(std::string_view text);
std::string crtf_text(const std::string& text); // with its quotes
std::string_view crtf_symbol(RegionType type, const RegionStyle& style);

} // namespace cubelink::imaging
