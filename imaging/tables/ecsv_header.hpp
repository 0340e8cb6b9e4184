#pragma once
/// The header of ECSV, astropy's text tables with types and units. Pure functions; any thread.
///
/// Source: astropy APE 6, "Enhanced Character Separated Values table format". Of YAML, what such headers are made of.

#include "imaging/tables/column.hpp"

#include <string>
#include <vector>

namespace cubelink::imaging {

struct EcsvHeader {
    char delimiter = ' ';
    std::vector<ColumnInfo> columns;
};

bool is_ecsv(const std::vector<std::string>& comments);

/// `comments`: the lines ahead of the table without '#'. What is not understood is left out.
EcsvHeader read_ecsv_header(const std::vector<std::string>& comments);

} // namespace cubelink::imaging
