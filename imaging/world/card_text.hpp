#pragma once
/// Cards as text: the 80-byte records of a header that programs can rely on, whatever the source's looked like. FITS standard 4.0, section 4.
/// Pure functions; any thread.

#include "imaging/world/header.hpp"

#include <string>
#include <string_view>

namespace cubelink::imaging {

/// One record or, for a long string, several (CONTINUE). A comment that does not fit is cut. Commentary is its text, wrapped.
std::string records_of(const Card& card);

/// `records`: those that the card was parsed from. They are returned as they are if the standard allows them; else what the card says is written anew; what
/// has no meaning as a value becomes a COMMENT.
std::string valid_records(const Card& card, std::string_view records);

/// "HISTORY …" or "COMMENT …": as many records as the text takes, cut between words. Bytes that are not printable ASCII become '?'.
std::string commentary_records(std::string_view keyword, std::string_view text);

/// 1 to 8 capitals, digits, "-" and "_".
bool is_valid_keyword(std::string_view keyword);

/// The shortest text that is read back as the same number, with a decimal point: "1.0E-05", "5.0". The number is finite.
std::string number_text(double value);

} // namespace cubelink::imaging
