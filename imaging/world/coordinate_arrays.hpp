#pragma once
/// Axes whose world values are looked up in tables ("-TAB" of the FITS standard): which arrays a header asks for, and where they come
/// from. Plain values.

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace cubelink::imaging {

/// An array in one cell of a binary table.
struct ArrayWish {
    std::string table; // EXTNAME
    int version = 1, level = 1;
    std::string column;
    long row = 1; // from 1
    friend bool operator==(const ArrayWish&, const ArrayWish&) = default;
};

struct CoordinateArray {
    std::vector<int> lengths; // fastest first, as in TDIM; one if there is no TDIM
    std::vector<double> values;
};

/// Nothing if there is no such array. May be empty.
using ArrayLookup = std::function<std::optional<CoordinateArray>(const ArrayWish&)>;

} // namespace cubelink::imaging
