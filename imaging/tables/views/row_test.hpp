#pragma once
/// Conditions on the rows of a table. Immutable; any thread.

#include "imaging/base/cancel.hpp"
#include "imaging/tables/table.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace cubelink::imaging {

class RowTest {
public:
    virtual ~RowTest() = default;
    /// Tests with equal keys let the same rows of one table pass.
    virtual std::string key() const = 0;
    /// Clears the bits of the rows of a chunk that fail: bit i of word w belongs to row 64 w + i of the chunk. Bits beyond the last row are not looked at.
    /// Throws Cancelled within 100 ms.
    virtual void apply(const Table& table, std::size_t chunk, std::span<std::uint64_t> bits, const CancelToken& cancel) const = 0;
};
using RowTestPtr = std::shared_ptr<const RowTest>;

enum class Comparison { equal = 0, not_equal = 1, less = 2, greater = 3, less_or_equal = 4, greater_or_equal = 5, range_open = 6, range_closed = 7 }; // as in ICD ComparisonOperator

/// Compares the numbers of a column (booleans are 0 and 1) with `value`, a double or an integer of 64 bits; for ranges also with `secondary`, the upper end. Integers are compared exactly, floats in their
/// own precision: 0.1 equals a float32 of 0.1. Missing values and NaN pass not_equal only. REQUIRES: a column of numbers or booleans.
RowTestPtr compare_numbers(const Table& table, std::size_t column, Comparison comparison, long double value, long double secondary = 0);

enum class TextMatch { contains, equals, regex };

/// A pattern can't be used. The message says what is wrong with it.
class PatternError : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// Matches the texts of a column. Regular expressions are RE2's, found anywhere in the text, in time linear in its length. Some patterns
/// take milliseconds to compile, here and again in each thread that applies them, and up to pattern_memory bytes each time. REQUIRES: a column of strings. Throws PatternError.
inline constexpr std::size_t pattern_memory = 1 << 20;
RowTestPtr match_text(std::size_t column, TextMatch match, const std::string& pattern, bool ignore_case = false);

/// Rows whose column has no value: NaN counts as none. REQUIRES: no unsupported column.
RowTestPtr is_missing(std::size_t column);

/// Rows that pass each; all rows, if there are none.
RowTestPtr all_of(std::vector<RowTestPtr> tests);
/// Rows that pass one of them at least.
RowTestPtr any_of(std::vector<RowTestPtr> tests);
RowTestPtr none_of(std::vector<RowTestPtr> tests);

/// Rows within `radius` degrees of a point, along the great circle. All in degrees. REQUIRES: columns of numbers.
RowTestPtr within_cone(std::size_t longitude_column, std::size_t latitude_column, double longitude, double latitude, double radius);

/// Rows whose pair of numbers lies in a rectangle, its edges included. REQUIRES: columns of numbers.
RowTestPtr within_box(std::size_t x_column, std::size_t y_column, double x_min, double x_max, double y_min, double y_max);

/// Calls `body` with a span of the chunk's values in their own type. REQUIRES: a column of numbers or booleans.
template <class Body>
decltype(auto) with_numbers(const Column& column, std::size_t chunk, Body&& body) {
    switch (column.info.type) {
    case ColumnType::int8: return body(column.values<std::int8_t>(chunk));
    case ColumnType::uint16: return body(column.values<std::uint16_t>(chunk));
    case ColumnType::int16: return body(column.values<std::int16_t>(chunk));
    case ColumnType::uint32: return body(column.values<std::uint32_t>(chunk));
    case ColumnType::int32: return body(column.values<std::int32_t>(chunk));
    case ColumnType::uint64: return body(column.values<std::uint64_t>(chunk));
    case ColumnType::int64: return body(column.values<std::int64_t>(chunk));
    case ColumnType::float32: return body(column.values<float>(chunk));
    case ColumnType::float64: return body(column.values<double>(chunk));
    default: return body(column.values<std::uint8_t>(chunk));
    }
}
inline bool has_numbers(ColumnType type) { return type != ColumnType::unsupported && type != ColumnType::string; }

} // namespace cubelink::imaging
