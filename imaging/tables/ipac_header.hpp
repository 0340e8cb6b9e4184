#pragma once
/// The header of IPAC's tables, whose columns lie between the bars of its lines. Pure functions; any thread.
///
/// Source: IRSA, "IPAC Table Format Definition": lines that begin with '\' are keywords and comments, up to four that begin with '|' have names, types, units and
/// what stands for missing values.

#include "imaging/tables/byte_feed.hpp"
#include "imaging/tables/column.hpp"

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace cubelink::imaging {

struct IpacHeader {
    std::vector<std::size_t> bars; // places in a line: one more than columns
    std::vector<ColumnInfo> columns;
    std::vector<std::optional<std::string>> nulls; // as many as columns
    bool typed = false;                            // it says the types
    std::string description;
};

/// `feed`: the text from its beginning. Nothing: it is no such table. Throws TableError, naming the line, if its lines do not agree.
std::optional<IpacHeader> read_ipac_header(std::unique_ptr<ByteFeed> feed);

} // namespace cubelink::imaging
