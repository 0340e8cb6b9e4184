#pragma once
/// The frame in which a table's positions are. Pure functions, any thread.

#include "imaging/tables/table.hpp"
#include "imaging/world/celestial.hpp"

#include <cstddef>
#include <optional>
#include <string>

namespace cubelink::imaging {

/// What a table says of the frame of a column.
struct TableFrame {
    std::optional<SkySystem> system; // nothing: it is not known
    std::string problem;             // a sentence that says why, if it is not known
};

/// By what it says first: the COOSYS that the column refers to; a B1950 in the column's name; the table's systems of the column's kind (equatorial, galactic, ecliptic by UCD or
/// name), if they agree; that kind or the name itself (J2000, ICRS). ICRS if it says nothing. VOTable 1.4, COOSYS, and IVOA's vocabulary "refframe"; FITS 4.0, RADESYS and EQUINOX.
TableFrame frame_of_column(const TableInfo& table, std::size_t column);

} // namespace cubelink::imaging
