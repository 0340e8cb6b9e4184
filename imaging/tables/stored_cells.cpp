#include "imaging/tables/stored_cells.hpp"

#include <bit>
#include <cstring>
#include <limits>

namespace cubelink::imaging {

namespace {

template <class U>
U load(const std::byte* at) {
    U value;
    std::memcpy(&value, at, sizeof(U));
    if constexpr (sizeof(U) == 2) value = __builtin_bswap16(value);
    if constexpr (sizeof(U) == 4) value = __builtin_bswap32(value);
    if constexpr (sizeof(U) == 8) value = __builtin_bswap64(value);
    return value;
}

template <class U>
void gather_words(CellRun cells, bool flip_sign, std::byte* out) {
    const U flip = flip_sign ? static_cast<U>(U{1} << (sizeof(U) * 8 - 1)) : U{0};
    const std::byte* at = cells.first;
    for (std::size_t row = 0; row < cells.rows; ++row, at += cells.stride) {
        const U value = load<U>(at) ^ flip;
        std::memcpy(out + row * sizeof(U), &value, sizeof(U));
    }
}

template <class Load>
void gather_doubles(CellRun cells, double scale, double zero, std::byte* out, Load&& load_one) {
    const std::byte* at = cells.first;
    for (std::size_t row = 0; row < cells.rows; ++row, at += cells.stride) {
        const double value = zero + scale * load_one(at);
        std::memcpy(out + row * sizeof(double), &value, sizeof(double));
    }
}

} // namespace

void gather(CellRun cells, ColumnType type, bool flip_sign, std::byte* out) {
    switch (size_of(type)) {
    case 1: return gather_words<std::uint8_t>(cells, flip_sign, out);
    case 2: return gather_words<std::uint16_t>(cells, flip_sign, out);
    case 4: return gather_words<std::uint32_t>(cells, flip_sign, out);
    case 8: return gather_words<std::uint64_t>(cells, flip_sign, out);
    default: return;
    }
}

void gather_scaled(CellRun cells, ColumnType stored, double scale, double zero, std::byte* out) {
    if (stored == ColumnType::float32)
        return gather_doubles(cells, scale, zero, out,
                              [](const std::byte* at) { return static_cast<double>(std::bit_cast<float>(load<std::uint32_t>(at))); });
    if (stored == ColumnType::float64)
        return gather_doubles(cells, scale, zero, out, [](const std::byte* at) { return std::bit_cast<double>(load<std::uint64_t>(at)); });
    gather_doubles(cells, scale, zero, out, [stored](const std::byte* at) { return static_cast<double>(stored_integer(at, stored)); });
}

std::int64_t stored_integer(const std::byte* cell, ColumnType type) {
    switch (type) {
    case ColumnType::uint8: return std::to_integer<std::uint8_t>(*cell);
    case ColumnType::int8: return static_cast<std::int8_t>(*cell);
    case ColumnType::int16: return static_cast<std::int16_t>(load<std::uint16_t>(cell));
    case ColumnType::uint16: return load<std::uint16_t>(cell);
    case ColumnType::int32: return static_cast<std::int32_t>(load<std::uint32_t>(cell));
    case ColumnType::uint32: return load<std::uint32_t>(cell);
    case ColumnType::int64:
    case ColumnType::uint64: return static_cast<std::int64_t>(load<std::uint64_t>(cell));
    default: return 0;
    }
}

void put_missing(ColumnType type, std::byte* value) {
    std::memset(value, 0, size_of(type));
    if (type == ColumnType::float32) {
        const float nan = std::numeric_limits<float>::quiet_NaN();
        std::memcpy(value, &nan, sizeof(nan));
    } else if (type == ColumnType::float64) {
        const double nan = std::numeric_limits<double>::quiet_NaN();
        std::memcpy(value, &nan, sizeof(nan));
    }
}

} // namespace cubelink::imaging
