#pragma once
/// What stands behind a region in a DS9 file: `# color=red width=2 text={a name}`. Used by the reader and the writer of DS9 files.

#include "imaging/regions/region_scanner.hpp"
#include "imaging/regions/region_style.hpp"

#include <string>

namespace cubelink::imaging {

struct Ds9Properties {
    std::string color, text; // empty: nothing was said
    int width = 0;           // 0: nothing was said
    bool dashed = false, filled = false, included = true;
    std::int32_t dash = 8, gap = 3;
    std::string font; // empty: nothing was said
    int font_size = 0;
    bool bold = false, italic = false;
    std::string point; // DS9's name of a shape
    int point_size = 0;
    std::string system; // of a ruler or compass
    bool has_labels = false;
    std::string labels[2];
    bool arrows[2] = {true, true};

    /// Reads to the end of the command. Later words win.
    void read(RegionScanner& text);
    /// The same of a global line: texts are of one region only.
    void read_global(RegionScanner& text);
    /// `unknown_color` becomes true if the colour is none.
    RegionStyle style_of(RegionType type, bool& unknown_color) const;
};

/// The properties (without a '#' in front) that say as much of a style as the format can.
std::string ds9_properties(RegionType type, const RegionStyle& style);

} // namespace cubelink::imaging
