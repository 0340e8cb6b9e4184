#include "imaging/fits/hdu.hpp"

#include <bit>
#include <cctype>
#include <cmath>
#include <cstring>
#include <limits>

namespace cubelink::imaging {

namespace {

struct Column {
    std::size_t offset = 0;
    char type = 0;
    double factor = 1;
};

std::size_t width_of(char type) {
    switch (type) {
    case 'L': case 'B': case 'A': return 1;
    case 'I': return 2;
    case 'J': case 'E': return 4;
    case 'K': case 'D': case 'C': case 'P': return 8;
    case 'M': case 'Q': return 16;
    default: return 0;
    }
}

template <class Unsigned>
Unsigned big_endian(const std::byte* at) {
    Unsigned value = 0;
    for (std::size_t i = 0; i < sizeof(Unsigned); ++i) value = static_cast<Unsigned>(value << 8 | std::to_integer<Unsigned>(at[i]));
    return value;
}

double value_of(const Column& column, const std::byte* row) {
    const std::byte* at = row + column.offset;
    switch (column.type) {
    case 'B': return std::to_integer<int>(*at);
    case 'I': return static_cast<std::int16_t>(big_endian<std::uint16_t>(at));
    case 'J': return static_cast<std::int32_t>(big_endian<std::uint32_t>(at));
    case 'K': return static_cast<double>(static_cast<std::int64_t>(big_endian<std::uint64_t>(at)));
    case 'E': return std::bit_cast<float>(big_endian<std::uint32_t>(at)) * column.factor;
    case 'D': return std::bit_cast<double>(big_endian<std::uint64_t>(at)) * column.factor;
    default: return std::numeric_limits<double>::quiet_NaN();
    }
}

/// What a unit is in arcsec; without a unit it is taken for arcsec.
double arcsec(const std::string& unit) {
    if (unit == "deg" || unit == "degree" || unit == "degrees") return 3600;
    if (unit == "arcmin") return 60;
    if (unit == "mas") return 1e-3;
    if (unit == "rad") return 3600 * 57.295779513082320877;
    return 1;
}

} // namespace

std::vector<Beam> read_beam_table(const Header& header, std::span<const std::byte> rows) {
    const auto fields = header.integer("TFIELDS"), width = header.integer("NAXIS1"), count = header.integer("NAXIS2");
    if (!fields || *fields < 1 || *fields > 999 || !width || *width < 1 || *width > (1 << 20) || !count || *count < 1) return {};
    Column major, minor, angle, channel, polarization;
    std::size_t offset = 0;
    for (std::int64_t i = 1; i <= *fields; ++i) {
        const std::string number = std::to_string(i), form = header.text("TFORM" + number).value_or("");
        std::size_t at = 0;
        std::int64_t repeat = 0;
        while (at < form.size() && at < 6 && std::isdigit(static_cast<unsigned char>(form[at]))) repeat = repeat * 10 + (form[at++] - '0');
        if (at == 0) repeat = 1;
        if (at >= form.size()) return {};
        const char type = form[at];
        const std::size_t bytes = type == 'X' ? static_cast<std::size_t>((repeat + 7) / 8) : width_of(type) * static_cast<std::size_t>(repeat);
        const std::string name = header.text("TTYPE" + number).value_or("");
        const double unit = arcsec(header.text("TUNIT" + number).value_or(""));
        if (repeat == 1) {
            if (name == "BMAJ") major = {offset, type, unit};
            else if (name == "BMIN") minor = {offset, type, unit};
            else if (name == "BPA") angle = {offset, type, header.text("TUNIT" + number).value_or("deg") == "rad" ? 57.295779513082320877 : 1.0};
            else if (name == "CHAN") channel = {offset, type, 1};
            else if (name == "POL") polarization = {offset, type, 1};
        }
        offset += bytes;
    }
    if (offset > static_cast<std::size_t>(*width) || major.type == 0 || minor.type == 0) return {};
    std::vector<Beam> beams;
    for (std::size_t row = 0; (row + 1) * static_cast<std::size_t>(*width) <= rows.size() && row < static_cast<std::size_t>(*count); ++row) {
        const std::byte* data = rows.data() + row * static_cast<std::size_t>(*width);
        Beam beam{value_of(major, data), value_of(minor, data), angle.type != 0 ? value_of(angle, data) : 0.0, static_cast<int>(row), 0};
        const auto index = [](double value) { return value >= 0 && value < 1e9 ? static_cast<int>(value) : -1; };
        if (channel.type != 0) beam.channel = index(value_of(channel, data));
        if (polarization.type != 0) beam.stokes = index(value_of(polarization, data));
        if (!beam.valid()) beam.major = beam.minor = beam.pa = std::numeric_limits<double>::quiet_NaN();
        beams.push_back(beam);
    }
    return beams;
}

} // namespace cubelink::imaging
