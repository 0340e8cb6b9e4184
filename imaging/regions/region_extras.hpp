#pragma once
/// What a format can't say of a region, in a comment line before it that other programs skip:
///
///     # cubelink name=a%7Db font_size=12
///
/// Used by the readers and writers of region files.

#include "imaging/regions/region_file.hpp"

#include <string>
#include <string_view>

namespace cubelink::imaging {

inline constexpr std::string_view extras_word = "cubelink";

/// The line (with its newline) that makes `wanted` of `read`, which is what a reader makes of the region's own line; empty if they are equal. Types and
/// points are not compared.
std::string extras_line(const FileRegion& wanted, const FileRegion& read);
/// Changes the region by what follows the word. What makes no sense is left out.
void apply_extras(std::string_view text, FileRegion& region);

} // namespace cubelink::imaging
