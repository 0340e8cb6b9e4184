#pragma once
/// Cells of one column as binary tables store them, big-endian and a row apart from each other, to values side by side. Pure functions; any
/// thread.

#include "imaging/tables/column.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace cubelink::imaging {

struct CellRun {
    const std::byte* first = nullptr;
    std::size_t stride = 0; // bytes from one row to the next
    std::size_t rows = 0;
};

/// Numbers of size_of(type) bytes. `flip_sign`: the highest bit is turned over, which makes unsigned numbers of the signed ones that FITS
/// stores, and the reverse.
void gather(CellRun cells, ColumnType type, bool flip_sign, std::byte* out);

/// Doubles: zero + scale · stored, where stored has the given type.
void gather_scaled(CellRun cells, ColumnType stored, double scale, double zero, std::byte* out);

/// Characters of boolean columns: T, t, 1 and F, f, 0. For others 0, and `missing(row)` is called.
template <class Missing>
void gather_booleans(CellRun cells, std::byte* out, Missing&& missing) {
    for (std::size_t row = 0; row < cells.rows; ++row) {
        const auto c = static_cast<char>(cells.first[row * cells.stride]);
        const bool yes = c == 'T' || c == 't' || c == '1', no = c == 'F' || c == 'f' || c == '0';
        out[row] = std::byte{yes};
        if (!yes && !no) missing(row);
    }
}

/// Single bits in bytes of their own: the standard has them in the highest bit, astropy in another one.
inline void gather_bits(CellRun cells, std::byte* out) {
    for (std::size_t row = 0; row < cells.rows; ++row) out[row] = std::byte{cells.first[row * cells.stride] != std::byte{0}};
}

/// The integer in a cell of the given type, as stored.
std::int64_t stored_integer(const std::byte* cell, ColumnType type);

/// Calls missing(row) for the cells that hold `null`.
template <class Missing>
void find_nulls(CellRun cells, ColumnType type, std::int64_t null, Missing&& missing) {
    for (std::size_t row = 0; row < cells.rows; ++row)
        if (stored_integer(cells.first + row * cells.stride, type) == null) missing(row);
}

/// NaN or 0 in place of a value of that type.
void put_missing(ColumnType type, std::byte* value);

} // namespace cubelink::imaging
