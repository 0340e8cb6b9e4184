#include "imaging/fits/hdu.hpp"
#include "imaging/fits/table_columns.hpp"
#include "imaging/world/units.hpp"

#include <algorithm>
#include <limits>

namespace cubelink::imaging {

namespace {

constexpr double degrees_of_radian = 57.295779513082320877;

/// What a unit is in arcsec, however it is spelt; without a unit it is taken for arcsec.
double arcsec(const std::string& spelt) {
    const std::string unit = normalise_unit(spelt);
    if (unit == "deg") return 3600;
    if (unit == "arcmin") return 60;
    if (unit == "mas") return 1e-3;
    if (unit == "rad") return 3600 * degrees_of_radian;
    return 1;
}

} // namespace

std::vector<Beam> read_beam_table(const Header& header, std::span<const std::byte> bytes) {
    const auto table = table_shape(header);
    if (!table) return {};
    const auto number = [&](const char* name) {
        const TableColumn* column = table->find(name);
        return column != nullptr && column->repeat == 1 ? column : nullptr;
    };
    const TableColumn *major = number("BMAJ"), *minor = number("BMIN"), *angle = number("BPA"), *channel = number("CHAN"), *polarization = number("POL");
    if (major == nullptr || minor == nullptr) return {};
    const double angle_unit = angle != nullptr && normalise_unit(angle->unit) == "rad" ? degrees_of_radian : 1;
    const auto index = [](double value) { return value >= 0 && value < 1e9 ? static_cast<int>(value) : -1; };
    std::vector<Beam> beams;
    const auto rows = std::min(static_cast<std::size_t>(table->rows), bytes.size() / table->row_size);
    for (std::size_t i = 0; i < rows; ++i) {
        const auto row = bytes.subspan(i * table->row_size, table->row_size);
        Beam beam{cell_value(*major, row) * arcsec(major->unit), cell_value(*minor, row) * arcsec(minor->unit), 0, static_cast<int>(i), 0};
        if (angle != nullptr) beam.pa = cell_value(*angle, row) * angle_unit;
        if (channel != nullptr) beam.channel = index(cell_value(*channel, row));
        if (polarization != nullptr) beam.stokes = index(cell_value(*polarization, row));
        if (!beam.valid()) beam.major = beam.minor = beam.pa = std::numeric_limits<double>::quiet_NaN();
        beams.push_back(beam);
    }
    return beams;
}

} // namespace cubelink::imaging
