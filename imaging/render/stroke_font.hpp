#pragma once
/// Text of straight strokes, for labels in pictures: no font has to be there. Any thread.

#include "imaging/render/lines.hpp"

#include <string_view>

namespace cubelink::imaging {

/// Width, in picture pixels, of a text whose capitals are `height` pixels high. `text` is UTF-8: letters, digits and signs of ASCII, and ° ′ ″ −; what is none of these
/// is a space.
double text_width(std::string_view text, double height);

/// Adds the text's strokes to the mask, `thickness` pixels wide. `left` and `baseline` are the lower left corner of the first letter, without what hangs below.
void add_text(LineMask& mask, std::string_view text, double left, double baseline, double height, double thickness);

} // namespace cubelink::imaging
