#pragma once
/// Binary tables that hold coordinate arrays, and how to find an array in them. Plain values; const use from any thread.

#include "imaging/world/coordinate_arrays.hpp"
#include "imaging/world/header.hpp"

#include <set>
#include <span>
#include <string>
#include <vector>

namespace cubelink::imaging {

struct CoordinateTable {
    Header header;
    std::vector<std::byte> rows;
};

/// Names of the tables (PSi_0) that the header's "-TAB" axes look into.
std::set<std::string> coordinate_table_names(const Header& header);

/// From the first of `tables` that has it.
std::optional<CoordinateArray> find_coordinate_array(std::span<const CoordinateTable> tables, const ArrayRequest& request);

} // namespace cubelink::imaging
