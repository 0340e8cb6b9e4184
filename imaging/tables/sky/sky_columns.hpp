#pragma once
/// Columns of a table that are positions on the sky: numbers or texts, their units, their frame.

#include "imaging/tables/table.hpp"
#include "imaging/world/celestial.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>

namespace cubelink::imaging {

/// How the values of a column become degrees.
struct AngleColumn {
    std::size_t column = 0;
    double scale = 1;             // of numbers
    double sexagesimal_scale = 1; // of texts as "12:34:56.7" and "12 34 56.7": 15 if they are hours
    bool is_text = false;
};

struct SkyColumns {
    AngleColumn longitude, latitude;
    SkySystem system;
    /// Two numbers in degrees.
    bool plain() const;
    /// Equal for equal positions of the same table's rows.
    std::string key() const;
};

/// Columns can't be positions; `part` says what of the request is the cause.
class SkyColumnsError : public std::runtime_error {
public:
    enum class Part { longitude, latitude, frame };
    SkyColumnsError(Part part, const std::string& what) : std::runtime_error(what), part(part) {}
    const Part part;
};

/// Units: degrees, hours, radians, arcminutes, arcseconds and parts of these; none is degrees. Texts are sexagesimal or decimal; sexagesimal right ascensions are hours unless
/// the unit says degrees. `frame`: nothing: as the table says. REQUIRES: the columns' values can be read. Looks at the first texts only. Throws SkyColumnsError.
SkyColumns sky_columns(const Table& table, std::size_t longitude, std::size_t latitude, const std::optional<SkySystem>& frame);

/// Degrees, in the columns' frame; NaN where a value is missing, or is no position. Sizes of rows and out must agree. Throws TableError if the scratch disk fails.
void sky_positions(const Table& table, const SkyColumns& columns, std::span<const std::uint32_t> rows, std::span<SkyPoint> out);

} // namespace cubelink::imaging
