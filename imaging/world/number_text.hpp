#pragma once
/// Numbers from texts. Pure functions; the locale plays no part.

#include <optional>
#include <string_view>

namespace cubelink::imaging {

/// A finite number and nothing else; a sign may be in front.
std::optional<double> number_of(std::string_view text);

/// Up to three fields that end with these characters (the last one's may be absent): whole, sixtieths, sixtieths of these. "-12:30:00" with "::" is -12.5.
std::optional<double> sexagesimal(std::string_view text, std::string_view ends);

} // namespace cubelink::imaging
