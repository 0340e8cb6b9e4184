#pragma once
/// Axes whose world values are looked up in tables ("-TAB" of the FITS standard): which arrays a header refers to, and where they come
/// from. Plain values.

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace cubelink::imaging {

/// Identifies an array in one cell of a binary table.
struct ArrayRequest {
    std::string table; // EXTNAME
    int version = 1, level = 1;
    std::string column;
    long row = 1; // from 1
    friend bool operator==(const ArrayRequest&, const ArrayRequest&) = default;
};

struct CoordinateArray {
    std::vector<int> lengths; // fastest first, as in TDIM; one if there is no TDIM
    std::vector<double> values;
};

/// Returns nullopt if there is no such array. The function itself may be empty.
using ArrayLookup = std::function<std::optional<CoordinateArray>(const ArrayRequest&)>;

} // namespace cubelink::imaging
