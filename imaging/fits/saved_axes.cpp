#include "imaging/fits/saved_axes.hpp"

#include "imaging/base/image_error.hpp"
#include "imaging/world/units.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cctype>
#include <cmath>
#include <limits>

namespace cubelink::imaging {

namespace {

constexpr double c = 299792458.0;

/// Deviations up to this part of a channel don't make an axis other than linear.
constexpr double linear_within = 1e-6;

struct TypeAndUnit {
    const char *type, *unit;
};

TypeAndUnit type_of(SpectralKind kind) {
    switch (kind) {
    case SpectralKind::wavelength: return {"WAVE", "m"};
    case SpectralKind::air_wavelength: return {"AWAV", "m"};
    case SpectralKind::velocity_radio: return {"VRAD", "m/s"};
    case SpectralKind::velocity_optical: return {"VOPT", "m/s"};
    case SpectralKind::velocity_relativistic: return {"VELO", "m/s"};
    case SpectralKind::channel:
    case SpectralKind::frequency: break;
    }
    return {"FREQ", "Hz"};
}

bool is_linear(const std::vector<double>& values) {
    const double last = static_cast<double>(values.size() - 1), step = (values.back() - values.front()) / last;
    if (!(std::fabs(step) > 0)) return false;
    for (std::size_t i = 0; i < values.size(); ++i) {
        if (std::fabs(values[i] - (values.front() + step * static_cast<double>(i))) > linear_within * std::fabs(step)) return false;
    }
    return true;
}

template <class T>
void append(std::vector<std::byte>& bytes, T value) {
    using Bits = std::conditional_t<sizeof(T) == 8, std::uint64_t, std::uint32_t>;
    const auto bits = std::bit_cast<Bits>(value);
    for (std::size_t i = sizeof(T); i-- > 0;) bytes.push_back(static_cast<std::byte>(bits >> (8 * i) & 0xff));
}

void set_step(HeaderEditor& editor, int axis, double step) {
    const std::string number = std::to_string(axis), diagonal = "CD" + number + "_" + number;
    editor.set(editor.has(diagonal) ? diagonal : "CDELT" + number, step);
}

FitsTableHdu coordinate_table(HeaderEditor& editor, int axis, const std::vector<double>& values, const TypeAndUnit& type) {
    const std::string number = std::to_string(axis);
    editor.set("CTYPE" + number, std::string(type.type) + "-TAB", "values in the table WCS-TABLE");
    editor.set("CRPIX" + number, 1.0);
    editor.set("CRVAL" + number, 1.0);
    set_step(editor, axis, 1.0);
    editor.set("PS" + number + "_0", "WCS-TABLE", "table of the values");
    editor.set("PS" + number + "_1", "COORDS", "column of the values");
    editor.set("PV" + number + "_1", 1.0, "version of the table");
    editor.set("PV" + number + "_2", 1.0, "level of the table");
    editor.set("PV" + number + "_3", 1.0, "axis in the table");
    FitsTableHdu table;
    table.columns = table.rows = 1;
    table.data.reserve(values.size() * sizeof(double));
    for (const double value : values) append(table.data, value);
    HeaderEditor header;
    header.set("TTYPE1", "COORDS", "values of the spectral axis");
    header.set("TFORM1", std::to_string(values.size()) + "D");
    header.set("TUNIT1", type.unit);
    header.set("TDIM1", "(1," + std::to_string(values.size()) + ")");
    header.set("EXTNAME", "WCS-TABLE");
    header.set("EXTVER", 1);
    header.set("EXTLEVEL", 1);
    table.records = header.records();
    return table;
}

/// d(frequency / rest frequency) / d(velocity / c).
double slope(SpectralKind kind, double beta) {
    if (kind == SpectralKind::velocity_radio) return -1;
    if (kind == SpectralKind::velocity_optical) return -1 / ((1 + beta) * (1 + beta));
    return -1 / ((1 + beta) * std::sqrt(1 - beta * beta));
}

/// Metres per second in one unit of the axis; 0 if it is not one of velocities.
double velocity_unit(const HeaderEditor& editor, const std::string& number) {
    const std::string unit = normalise_unit(editor.text("CUNIT" + number).value_or("m/s"));
    if (unit.empty() || unit == "m/s") return 1;
    return unit == "km/s" ? 1000 : 0;
}

/// Of an axis that is linear in frequency or wavelength ("VOPT-F2W") only the reference value and the step depend on the rest frequency. False for other axes.
bool convert_reference(HeaderEditor& editor, int axis, const std::string& type, double old_rest, double new_rest) {
    static constexpr std::array kinds{std::pair{"VRAD", SpectralKind::velocity_radio}, std::pair{"VOPT", SpectralKind::velocity_optical},
                                      std::pair{"VELO", SpectralKind::velocity_relativistic}};
    if (type.size() != 8 || type[4] != '-' || type[6] != '2' || std::string_view("FWA").find(type[5]) == std::string_view::npos) return false;
    for (const auto& [name, kind] : kinds) {
        if (!type.starts_with(name)) continue;
        const std::string number = std::to_string(axis), diagonal = "CD" + number + "_" + number, step = editor.has(diagonal) ? diagonal : "CDELT" + number;
        const double unit = velocity_unit(editor, number);
        const auto value = editor.number("CRVAL" + number);
        if (unit == 0 || !value) return false;
        const double before = *value * unit, after = from_frequency(to_frequency(before, kind, old_rest), kind, new_rest);
        const double factor = old_rest * slope(kind, before / c) / (new_rest * slope(kind, after / c));
        const double new_step = editor.number(step).value_or(1) * factor;
        if (!std::isfinite(after) || !std::isnormal(new_step)) return false;
        editor.set("CRVAL" + number, after / unit);
        editor.set(step, new_step);
        return true;
    }
    return false;
}

} // namespace

std::optional<FitsTableHdu> set_spectral_values(HeaderEditor& editor, int axis, const std::vector<double>& values, SpectralKind kind, double step_of_one) {
    editor.remove_coordinates(axis);
    const TypeAndUnit type = type_of(kind);
    const std::string number = std::to_string(axis);
    editor.set("CUNIT" + number, type.unit);
    if (values.size() > 1 && !is_linear(values)) return coordinate_table(editor, axis, values, type);
    const double last = static_cast<double>(values.size() - 1);
    editor.set("CTYPE" + number, type.type);
    editor.set("CRPIX" + number, 1.0);
    editor.set("CRVAL" + number, values.front());
    set_step(editor, axis, values.size() > 1 ? (values.back() - values.front()) / last : step_of_one);
    return std::nullopt;
}

bool set_rest_frequency(HeaderEditor& editor, int axis, double old_rest, double new_rest) {
    const std::string number = std::to_string(axis);
    std::string type = editor.text("CTYPE" + number).value_or("");
    std::transform(type.begin(), type.end(), type.begin(), [](unsigned char letter) { return static_cast<char>(std::toupper(letter)); });
    static constexpr std::array velocities{"VRAD", "VOPT", "VELO", "FELO", "ZOPT", "BETA"};
    const bool depends = std::any_of(velocities.begin(), velocities.end(), [&](std::string_view name) { return type.starts_with(name); });
    bool anew = false;
    if (depends && old_rest != new_rest) {
        if (!(old_rest > 0)) throw ImageError("The channels are velocities (" + type + ") and the image has no rest frequency: they can't be converted to another one.");
        if (editor.is_coupled(axis)) throw ImageError("The channels are velocities (" + type + ") that depend on another axis too: they can't be converted to another rest frequency.");
        anew = !convert_reference(editor, axis, type, old_rest, new_rest);
        // Of AIPS: the same channels as frequencies, with nothing said of their rest.
        editor.remove_if([](std::string_view keyword) { return keyword == "ALTRVAL" || keyword == "ALTRPIX"; });
    }
    const bool has_new = editor.has("RESTFRQ");
    editor.rename([&](std::string_view keyword) { return keyword == "RESTFREQ" ? std::string(has_new ? "" : "RESTFRQ") : keyword == "RESTWAV" ? std::string() : std::string(keyword); });
    editor.set("RESTFRQ", new_rest, "rest frequency (Hz)");
    return anew;
}

void check_converted(const std::vector<double>& before, const std::vector<double>& after, double new_rest) {
    const auto way = [](double from, double to) { return to > from ? 1 : to < from ? -1 : 0; };
    bool usable = before.size() == after.size();
    for (std::size_t i = 0; usable && i < before.size(); ++i) {
        if (!std::isfinite(before[i])) continue;
        usable = std::isfinite(after[i]);
        if (i > 0 && std::isfinite(before[i - 1])) usable = usable && way(after[i - 1], after[i]) == way(before[i - 1], before[i]);
    }
    if (usable) return;
    throw ImageError("With a rest frequency of " + fits_number(new_rest) + " Hz the channels would have velocities that can't be told apart: choose one nearer to their frequencies.");
}

std::optional<FitsTableHdu> set_beams(HeaderEditor& editor, const ImageInfo& info, const IndexRange& channels, const IndexRange& stokes) {
    if (info.beams.empty()) return std::nullopt;
    const bool by_plane = info.beams.size() > 1 || info.beams.front().channel >= 0 || info.beams.front().stokes >= 0;
    const auto beam_at = [&](std::int64_t channel, std::int64_t plane) {
        const Beam* beam = find_beam(info.beams, static_cast<int>(channels.index(channel)), static_cast<int>(stokes.index(plane)));
        return beam != nullptr && beam->valid() ? *beam : Beam{NAN, NAN, NAN};
    };
    editor.remove("CASAMBM");
    if (!by_plane || (channels.count == 1 && stokes.count == 1)) {
        if (!by_plane && editor.has("BMAJ") && editor.has("BMIN")) return std::nullopt; // as it stands
        for (const char* name : {"BMAJ", "BMIN", "BPA"}) editor.remove(name);
        const Beam beam = by_plane ? beam_at(0, 0) : info.beams.front();
        if (!beam.valid()) return std::nullopt;
        editor.set("BMAJ", beam.major / 3600, "beam's major axis (deg)");
        editor.set("BMIN", beam.minor / 3600, "beam's minor axis (deg)");
        editor.set("BPA", beam.pa, "beam's position angle (deg)");
        return std::nullopt;
    }
    for (const char* name : {"BMAJ", "BMIN", "BPA"}) editor.remove(name);
    editor.set("CASAMBM", true, "beams by plane, in the table BEAMS");
    FitsTableHdu table;
    table.columns = 5;
    table.rows = channels.count * stokes.count;
    table.data.reserve(static_cast<std::size_t>(table.rows) * 20);
    for (std::int64_t plane = 0; plane < stokes.count; ++plane) {
        for (std::int64_t channel = 0; channel < channels.count; ++channel) {
            const Beam beam = beam_at(channel, plane);
            for (const double value : {beam.major, beam.minor, beam.pa}) append(table.data, static_cast<float>(value));
            append(table.data, static_cast<std::int32_t>(channel));
            append(table.data, static_cast<std::int32_t>(plane));
        }
    }
    HeaderEditor header;
    int column = 0;
    for (const auto& [name, form, unit] : {std::array{"BMAJ", "1E", "arcsec"}, std::array{"BMIN", "1E", "arcsec"}, std::array{"BPA", "1E", "deg"},
                                           std::array{"CHAN", "1J", ""}, std::array{"POL", "1J", ""}}) {
        const std::string number = std::to_string(++column);
        header.set("TTYPE" + number, name);
        header.set("TFORM" + number, form);
        if (*unit != '\0') header.set("TUNIT" + number, unit);
    }
    header.set("EXTNAME", "BEAMS");
    header.set("EXTVER", 1);
    header.set("NCHAN", channels.count, "number of channels");
    header.set("NPOL", stokes.count, "number of polarizations");
    table.records = header.records();
    return table;
}

} // namespace cubelink::imaging
