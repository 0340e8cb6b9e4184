#pragma once
/// The rows of a TABLEDATA element. One thread each.

#include "imaging/tables/input_buffer.hpp"
#include "imaging/tables/table_maker.hpp"
#include "imaging/tables/votable_field.hpp"

#include <cstdint>
#include <functional>
#include <span>

namespace cubelink::imaging {

/// Reads from behind the element's start tag up to its end tag, which stays in the input, or `maker.options().most_rows` rows. `begin_rows`
/// is called before the first row is kept. Returns the number of rows; with most_rows 0 it returns 1 at the first row. Throws TableError,
/// naming line and column.
std::int64_t read_tabledata(InputBuffer& input, std::span<const VotableField> fields, TableMaker& maker,
                            const std::function<void()>& begin_rows);

/// The same without keeping anything.
void skip_tabledata(InputBuffer& input);

} // namespace cubelink::imaging
