#pragma once
/// Markup and text of XML, as far as a reader of tables meets them between expat's events. All throw TableError, naming line and column,
/// where the text ends too early or a piece is too long. One thread each.

#include "imaging/tables/input_buffer.hpp"

#include <cstddef>
#include <string>
#include <string_view>

namespace cubelink::imaging {

/// A start or end tag at the beginning of an input's rest().
struct XmlTag {
    std::string_view text; // from '<' to '>'
    std::string_view name; // without a prefix
    std::size_t size = 0;
    bool end = false;   // "</name>"
    bool empty = false; // "<name/>"
};

inline constexpr std::size_t tag_limit = std::size_t{1} << 20; // bytes

/// REQUIRES: rest() begins with '<'. Nothing is consumed; the views are good until the next more().
XmlTag tag_at(InputBuffer& input);

/// Consumes a comment or a processing instruction at the beginning of rest(); false if there is none.
bool skip_aside(InputBuffer& input);

/// Consumes a CDATA section at the beginning of rest() and appends its text, in which lines end with \n; false if there is none. Stops when `text` is longer than
/// `limit`.
bool read_cdata(InputBuffer& input, std::string& text, std::size_t limit);

/// Appends text with its references (&lt; &#65; …) replaced; those that are unknown stay as they are. Lines end with \n.
void append_decoded(std::string& out, std::string_view text);

} // namespace cubelink::imaging
