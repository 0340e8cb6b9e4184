#pragma once
/// The rows of a BINARY or BINARY2 stream. One thread each.

#include "imaging/tables/base64_reader.hpp"
#include "imaging/tables/table_maker.hpp"
#include "imaging/tables/votable_field.hpp"

#include <cstdint>
#include <functional>
#include <span>

namespace cubelink::imaging {

/// What the length ahead of an array like "3x*" counts. The standard speaks of items; writers have taken these for numbers, or for slices
/// of 3.
enum class ArrayLengths { elements, slices };

/// Reads from behind the start tag of STREAM up to its end tag, which stays in the input, or `maker.options().most_rows` rows. `flags`:
/// each row begins with a bit for each column that says that its value is missing (BINARY2). `begin_rows` is called before the first row is
/// kept. Returns the number of rows; with most_rows 0 it returns 1 if there is one. Throws TableError, naming the place.
std::int64_t read_votable_binary(InputBuffer& input, bool flags, ArrayLengths lengths, std::span<const VotableField> fields,
                                 TableMaker& maker, const std::function<void()>& begin_rows);

} // namespace cubelink::imaging
