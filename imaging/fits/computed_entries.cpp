#include "imaging/fits/image_facts.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>

namespace cubelink::imaging {

namespace {

template <class... Values>
std::string format(const char* pattern, Values... values) {
    std::array<char, 256> text{};
    std::snprintf(text.data(), text.size(), pattern, values...);
    return text.data();
}

HeaderEntry text_entry(std::string name, std::string value) { return {std::move(name), std::move(value), EntryType::string, 0, ""}; }

HeaderEntry count_entry(std::string name, std::int64_t value) {
    return {std::move(name), std::to_string(value), EntryType::integer, static_cast<double>(value), ""};
}

/// Shortest, but with a point: 256.0.
std::string with_point(double value) {
    std::array<char, 64> text{};
    const auto [end, error] = std::to_chars(text.data(), text.data() + text.size(), value);
    std::string result(text.data(), end);
    if (result.find_first_of(".en") == std::string::npos) result += ".0";
    return result;
}

/// One world axis: its number among all (0-based) and how its values are written.
struct WorldAxis {
    const Wcs::AxisFacts& facts;
    std::string name;
    std::string_view role;
    bool is_ra() const { return name == "RA"; }
    bool angular() const { return facts.unit == "deg"; }

    std::string coordinate(double value) const {
        if (is_ra()) return format_hours(value, 3);
        if (role.empty()) return format("%.10g", value) + (facts.unit.empty() ? "" : " " + facts.unit);
        // Degrees as the radio tools write them: +010.00.00.00
        std::string text = format_degrees(value, 2);
        std::replace(text.begin(), text.end(), ':', '.');
        return text.insert(1, std::fabs(value) < 99.999999 ? 1 : 0, '0');
    }
    std::string plain(double value) const { return format("%.10g", value) + (facts.unit.empty() ? "" : " " + facts.unit); }
    std::string increment() const {
        if (angular()) return format("%.6g\"", facts.cdelt * 3600);
        return format("%.6g", facts.cdelt) + (facts.unit.empty() ? "" : " " + facts.unit);
    }
    std::string range_name() const {
        if (name == "RA" || name == "DEC") return name;
        return role == "lon" ? "LON" : role == "lat" ? "LAT" : name.empty() ? "Axis" : name;
    }
    std::string type_name() const {
        if (name == "RA") return "Right Ascension";
        if (name == "DEC") return "Declination";
        return role == "lon" ? "Longitude" : role == "lat" ? "Latitude" : name.empty() ? "Linear" : name;
    }
    std::string range_value(double value) const {
        if (is_ra()) return format_hours(value, 3);
        if (role == "lon") return format_degrees(value - 360 * std::floor(value / 360), 2); // followed along the edges, it may leave the circle
        return role.empty() ? plain(value) : format_degrees(value, 2);
    }
};

void add_shape(std::vector<HeaderEntry>& entries, const ImageInfo& info) {
    std::string lengths, names;
    for (std::size_t i = 0; i < info.axis_lengths.size(); ++i) {
        lengths += (i == 0 ? "" : ", ") + std::to_string(info.axis_lengths[i]);
        names += (i == 0 ? "" : ", ") + info.axis_names[i];
    }
    entries.push_back(text_entry("Shape", "[" + lengths + "] (" + names + ")"));
    if (info.axes.spectral != 0) entries.push_back(count_entry("Number of channels", info.spectral_length));
    if (info.axes.stokes != 0) entries.push_back(count_entry("Number of polarizations", info.shape.stokes));
}

void add_reference(std::vector<HeaderEntry>& entries, const Wcs& wcs, const Header& header, const WorldAxis& x, const WorldAxis& y) {
    if (wcs.has_celestial()) {
        entries.push_back(text_entry("Coordinate type", x.type_name() + ", " + y.type_name()));
        if (!wcs.projection().empty()) {
            const bool ncp = header.text("CTYPE1").value_or("").ends_with("-NCP") || header.text("CTYPE2").value_or("").ends_with("-NCP");
            entries.push_back(text_entry("Projection", ncp ? "SIN / NCP" : wcs.projection()));
        }
    }
    entries.push_back(text_entry("Image reference pixels", "[" + with_point(x.facts.crpix) + ", " + with_point(y.facts.crpix) + "]"));
    entries.push_back(text_entry("Image reference coords", "[" + x.coordinate(x.facts.crval) + ", " + y.coordinate(y.facts.crval) + "]"));
    if (x.angular() && y.angular())
        entries.push_back(text_entry("Image ref coords (deg)", "[" + x.plain(x.facts.crval) + ", " + y.plain(y.facts.crval) + "]"));
    entries.push_back(text_entry("Pixel increment", x.increment() + ", " + y.increment()));
}

std::string velocity_definition(const Header& header, const SpectralAxis& axis) {
    switch (axis.kind()) {
    case SpectralKind::wavelength:
    case SpectralKind::air_wavelength:
    case SpectralKind::velocity_optical: return "OPTICAL";
    case SpectralKind::velocity_relativistic: return "RELATIVISTIC";
    case SpectralKind::frequency: {
        const auto velref = header.integer("VELREF");
        return velref && *velref > 0 && *velref <= 256 ? "OPTICAL" : "RADIO";
    }
    default: return "RADIO";
    }
}

void add_beam(std::vector<HeaderEntry>& entries, const ImageInfo& info) {
    if (info.beams.empty()) return;
    const bool one = info.beams.size() == 1;
    const Beam beam = one ? info.beams.front() : median_area_beam(info.beams);
    if (!beam.valid()) return;
    std::string text = format("%.6g\" X %.6g\", %.6g deg", beam.major, beam.minor, beam.pa);
    if (info.beam_from_history) text += " (extracted from HISTORY)";
    entries.push_back(text_entry(one ? "Restoring beam" : "Median area beam", text));
}

/// The value at each corner, in their order around the image. Longitudes are followed along the edges, so that they may run through 0 and
/// further than half of the sky; NaN if any place on the way has none. Around a pole they have no order: each is then from 0 to 360.
std::array<double, 4> corner_values(const ImageInfo& info, const Wcs& wcs, std::size_t axis, bool longitude) {
    constexpr int steps = 16;
    const double right = static_cast<double>(info.shape.width - 1), top = static_cast<double>(info.shape.height - 1);
    const std::array<PixelPoint, 5> corners{PixelPoint{0, 0}, {right, 0}, {right, top}, {0, top}, {0, 0}};
    std::array<double, 4> values{};
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = wcs.plane_world(corners[i])[axis];
    if (!longitude) return values;
    double last = values[0];
    std::array<double, 4> followed{};
    for (std::size_t i = 0; i < values.size(); ++i) {
        followed[i] = last;
        const PixelPoint from = corners[i], to = corners[i + 1];
        for (int step = 1; step <= steps; ++step) {
            const double part = static_cast<double>(step) / steps;
            last += std::remainder(wcs.plane_world({from.x + (to.x - from.x) * part, from.y + (to.y - from.y) * part})[axis] - last, 360.0);
        }
    }
    if (!(std::fabs(last - values[0]) > 180)) return followed;
    for (double& value : values) value -= 360 * std::floor(value / 360);
    return values;
}

/// Of the four corners: smallest to largest.
void add_corner_ranges(std::vector<HeaderEntry>& entries, const ImageInfo& info, const Wcs& wcs, const WorldAxis& x, const WorldAxis& y) {
    for (std::size_t axis = 0; axis < 2; ++axis) {
        const WorldAxis& facts = axis == 0 ? x : y;
        if (is_spectral_type(facts.name)) continue; // has a line of its own below, with its unit
        const auto values = corner_values(info, wcs, axis, facts.role == "lon");
        if (std::any_of(values.begin(), values.end(), [](double value) { return !std::isfinite(value); })) continue;
        const auto [low, high] = std::minmax_element(values.begin(), values.end());
        entries.push_back(text_entry(facts.range_name() + " range", "[" + facts.range_value(*low) + ", " + facts.range_value(*high) + "]"));
    }
}

void add_spectral_range(std::vector<HeaderEntry>& entries, const std::string& name, const char* unit, const std::vector<double>& values, double scale) {
    if (values.empty() || !std::isfinite(values.front()) || !std::isfinite(values.back())) return;
    const double first = values.front() / scale, last = values.back() / scale;
    if (values.size() == 1) entries.push_back(text_entry(name, format("%.4f (%s)", first, unit)));
    else entries.push_back(text_entry(name + " range", format("[%.4f, %.4f] (%s)", first, last, unit)));
}

} // namespace

std::vector<HeaderEntry> computed_entries(const ImageInfo& info, const Header& header, const Wcs* wcs) {
    std::vector<HeaderEntry> entries;
    entries.push_back(text_entry("Name", info.name));
    if (!info.hdu.empty()) entries.push_back(text_entry("HDU", info.hdu));
    if (!info.extname.empty()) entries.push_back(text_entry("Extension name", info.extname));
    entries.push_back(text_entry("Data type", info.data_type));
    add_shape(entries, info);

    const auto x_number = static_cast<std::size_t>(info.rendered_axes[0] - 1), y_number = static_cast<std::size_t>(info.rendered_axes[1] - 1);
    const bool plane = wcs != nullptr && x_number < wcs->axis_facts().size() && y_number < wcs->axis_facts().size();
    const auto world_axis = [&](std::size_t number) {
        const Wcs::AxisFacts& facts = wcs->axis_facts()[number];
        return WorldAxis{facts, axis_name(facts.ctype), celestial_role(facts.ctype)};
    };
    const bool described = plane && wcs->axis_facts()[x_number].known && wcs->axis_facts()[y_number].known;
    if (described) add_reference(entries, *wcs, header, world_axis(x_number), world_axis(y_number));
    if (!info.bunit.empty()) entries.push_back(text_entry("Pixel unit", info.bunit));
    if (wcs != nullptr && !wcs->frame_text().empty())
        entries.push_back(text_entry("Celestial frame", wcs->frame_text() == "ICRS" ? "ICRS, J2000" : wcs->frame_text()));
    const auto spectrum = wcs != nullptr ? wcs->spectral_axis() : nullptr;
    if (spectrum) {
        if (!spectrum->spectral_frame().empty()) entries.push_back(text_entry("Spectral frame", spectrum->spectral_frame()));
        entries.push_back(text_entry("Velocity definition", velocity_definition(header, *spectrum)));
    }
    add_beam(entries, info);
    if (plane) add_corner_ranges(entries, info, *wcs, world_axis(x_number), world_axis(y_number));
    if (spectrum) {
        const std::string definition = velocity_definition(header, *spectrum);
        const SpectralKind velocity = definition == "OPTICAL"        ? SpectralKind::velocity_optical
                                      : definition == "RELATIVISTIC" ? SpectralKind::velocity_relativistic
                                                                     : SpectralKind::velocity_radio;
        add_spectral_range(entries, "Frequency", "GHz", spectrum->values(SpectralKind::frequency), 1e9);
        add_spectral_range(entries, "Velocity", "km/s", spectrum->values(velocity), 1e3);
    }
    if (std::any_of(info.stokes_types.begin(), info.stokes_types.end(), [](int type) { return type != 0; })) {
        std::string names;
        for (const std::string& name : info.stokes_names) names += (names.empty() ? "" : ", ") + name;
        entries.push_back(text_entry("Stokes coverage", "[" + names + "]"));
    }
    return entries;
}

} // namespace cubelink::imaging
