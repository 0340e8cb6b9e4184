#pragma once
/// FIELD of a VOTable: what a column's cells look like. Plain values; any thread.
///
/// Source: VOTable Format Definition 1.4, IVOA Recommendation 2019-10-21, sections 2.1 (primitives), 2.2 (arrays), 6 (serialisations).

#include "imaging/tables/column.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace cubelink::imaging {

struct VotableField {
    ColumnInfo info;
    std::string ref;                 // of a COOSYS or TIMESYS, or of anything else
    std::optional<std::string> null; // VALUES null=

    bool bits = false;             // packed, eight in a byte
    bool known = true;             // its datatype is one of the standard's
    bool wide_text = false;        // unicodeChar
    std::int64_t element_size = 1; // bytes in BINARY
    std::int64_t count = 1;        // elements; of variable arrays, of all dimensions but the last
    bool variable = false;         // BINARY has the number of elements ahead of them

    /// Bytes of a cell of fixed length in BINARY.
    std::int64_t cell_size() const { return bits ? (count + 7) / 8 : count * element_size; }
};

/// From the attributes, which may be empty. Throws TableError if `arraysize` is none, or too large.
VotableField votable_field(std::string_view name, std::string_view datatype, std::string_view arraysize);

} // namespace cubelink::imaging
