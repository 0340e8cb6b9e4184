#include "imaging/analysis/position_velocity/pv_header.hpp"

#include "imaging/pixels/polarization.hpp"
#include "imaging/world/beam.hpp"
#include "imaging/world/header_editor.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <optional>
#include <vector>

namespace cubelink::imaging {

namespace {

/// Of a channel: how far an axis may be off at most.
constexpr double tolerance = 0.1;

/// Cards that say what an image is of, and what its frequencies refer to.
constexpr std::array kept{"OBJECT",  "TELESCOP", "INSTRUME", "OBSERVER", "ORIGIN",  "DATE-OBS", "DATE-BEG", "DATE-END", "DATE-AVG", "TIMESYS", "MJD-OBS", "RESTFRQ",
                          "RESTFREQ", "RESTWAV", "SPECSYS",  "SSYSOBS",  "SSYSSRC", "VELOSYS",  "ZSOURCE",  "VELREF",   "OBSGEO-X", "OBSGEO-Y", "OBSGEO-Z", "BUNIT", "BTYPE"};

/// A spectral axis of a header, but for its length. The reference pixel is the first.
struct Axis {
    std::string ctype, unit;
    double value = 0, step = 1;
};

/// How far values are from equal steps, in steps.
struct Line {
    double first = 0, step = 0, off = 0;
};
std::optional<Line> line_through(const std::vector<double>& values, double single_step) {
    Line line{values.front(), single_step, 0};
    if (values.size() > 1) line.step = (values.back() - values.front()) / static_cast<double>(values.size() - 1);
    if (!std::isfinite(line.first) || !std::isfinite(line.step) || line.step == 0) return std::nullopt;
    for (std::size_t i = 0; i < values.size(); ++i) {
        const double off = std::abs((values[i] - line.first) / line.step - static_cast<double>(i));
        if (!std::isfinite(off)) return std::nullopt;
        line.off = std::max(line.off, off);
    }
    return line;
}

/// The channels of a position-velocity image, as the spectral axis has them in one kind of value.
struct Channels {
    std::vector<double> values;
    double single_step = 0; // from the first one to the next, also if it is the only one
};
Channels channels_of(const std::vector<double>& all, const PvHeaderSpec& spec) {
    const auto at = [&](double channel) {
        const double last = static_cast<double>(all.size()) - 1;
        if (all.size() == 1) return all.front();
        const double from = std::clamp(std::floor(channel), 0.0, last - 1);
        const double a = all[static_cast<std::size_t>(from)], b = all[static_cast<std::size_t>(from) + 1];
        return channel == from ? a : a + (channel - from) * (b - a);
    };
    Channels channels;
    const std::int64_t count = (spec.channels.count() + std::int64_t{spec.rebin_z} - 1) / spec.rebin_z;
    const double middle = spec.channels.from + (spec.rebin_z - 1) / 2.0; // of the first group
    for (std::int64_t i = 0; i < count; ++i) channels.values.push_back(at(middle + static_cast<double>(i) * spec.rebin_z));
    channels.single_step = at(middle + spec.rebin_z) - at(middle);
    if (all.size() > 1 && count == 1) {
        const double before = std::min(middle, static_cast<double>(all.size()) - 2); // the last channel has no next one
        channels.single_step = (at(before + 1) - at(before)) * spec.rebin_z;
    }
    return channels;
}

/// Kinds of value in whose equal steps frequencies may stand, and the algorithm that FITS has for that.
struct Algorithm {
    SpectralKind kind;
    const char* ctype;
};
constexpr std::array algorithms{Algorithm{SpectralKind::wavelength, "FREQ-W2F"}, Algorithm{SpectralKind::air_wavelength, "FREQ-A2F"},
                                Algorithm{SpectralKind::velocity_relativistic, "FREQ-V2F"}};

/// Of channels with frequencies.
std::optional<Axis> frequency_axis(const SpectralAxis& axis, const PvHeaderSpec& spec, std::string& warning) {
    const auto frequencies = channels_of(axis.values(SpectralKind::frequency), spec);
    const auto line = line_through(frequencies.values, frequencies.single_step);
    if (!line) return std::nullopt;
    if (line->off <= tolerance) return Axis{"FREQ", "Hz", line->first, line->step};
    for (const auto& algorithm : algorithms) {
        const auto channels = channels_of(axis.values(algorithm.kind), spec);
        const auto other = line_through(channels.values, channels.single_step);
        if (!other || other->off > tolerance) continue;
        // The step is that of the frequency at the reference pixel.
        const double rest = axis.rest_frequency().value_or(0), near = 0.01 * other->step;
        const double step = (to_frequency(other->first + near, algorithm.kind, rest) - to_frequency(other->first - near, algorithm.kind, rest)) / 0.02;
        if (std::isfinite(step) && step != 0) return Axis{algorithm.ctype, "Hz", line->first, step};
    }
    char text[160];
    std::snprintf(text, sizeof text, "The channels are not at equal steps of frequency: the frequencies of this image's header are off by up to %.3g channels.", line->off);
    warning = text;
    return Axis{"FREQ", "Hz", line->first, line->step};
}

/// The source's own axis, from its first channel on.
Axis own_axis(const ImageInfo& info, const Wcs* wcs, const Header& header, const PvHeaderSpec& spec) {
    const std::string number = std::to_string(info.axes.spectral);
    const double middle = spec.channels.from + (spec.rebin_z - 1) / 2.0;
    if (wcs && wcs->spectral_axis()) {
        const auto channels = channels_of(wcs->spectral_axis()->native_values(), spec);
        const auto& facts = wcs->axis_facts()[static_cast<std::size_t>(info.axes.spectral - 1)];
        if (const auto line = line_through(channels.values, channels.single_step); line && line->off <= tolerance && !facts.ctype.empty())
            return {facts.ctype.substr(0, facts.ctype.find('-')), facts.unit, line->first, line->step};
    }
    Axis axis{header.text("CTYPE" + number).value_or(""), header.text("CUNIT" + number).value_or(""), 0, 1};
    if (axis.ctype.empty() || axis.ctype.find("-TAB") != std::string::npos) return {"CHANNEL", "", middle, static_cast<double>(spec.rebin_z)};
    const std::string diagonal = "CD" + number + "_" + number;
    const double step = header.number(header.find(diagonal) ? diagonal : "CDELT" + number).value_or(1);
    axis.value = header.number("CRVAL" + number).value_or(0) + (middle + 1 - header.number("CRPIX" + number).value_or(1)) * step;
    axis.step = step * spec.rebin_z;
    return axis;
}

void put_axis(HeaderEditor& cards, int number, const Axis& axis, double reference, const char* comment) {
    const std::string n = std::to_string(number);
    cards.set("CTYPE" + n, axis.ctype, comment);
    cards.set("CUNIT" + n, axis.unit);
    cards.set("CRPIX" + n, reference + 1);
    cards.set("CRVAL" + n, axis.value);
    cards.set("CDELT" + n, axis.step);
}

/// As FITS spells it.
std::string fits_unit(const std::string& unit) { return unit == "milliarcsec" ? "mas" : unit; }

} // namespace

std::string why_no_spectral_axis(const ImageInfo& info) {
    if (info.axes.spectral != 0 && std::find(info.rendered_axes.begin(), info.rendered_axes.end(), info.axes.spectral) != info.rendered_axes.end())
        return "The spectral axis is one of the two that are displayed: position-velocity images are made along a third one.";
    if (info.axes.spectral == 0 || info.axes.depth == 0) return "The image has no spectral axis.";
    if (info.axes.depth != info.axes.spectral) return "The channels of this image are not along its spectral axis.";
    return "";
}

PvHeader pv_header(const ImageInfo& info, const Wcs* wcs, const Header& header, const PvHeaderSpec& spec) {
    if (auto why = why_no_spectral_axis(info); !why.empty()) throw ImageError(why);
    PvHeader result;
    std::string warning;
    const auto spectrum = wcs ? wcs->spectral_axis() : nullptr;
    auto frequencies = spectrum ? frequency_axis(*spectrum, spec, warning) : std::nullopt;
    const Axis spectral = frequencies ? *frequencies : own_axis(info, wcs, header, spec);
    const bool is_line = geometry_of(spec.type) == RegionType::line;
    const Axis position{is_line ? "Offset" : "Distance", fits_unit(spec.unit), 0, spec.step};
    const std::int64_t channels = (spec.channels.count() + std::int64_t{spec.rebin_z} - 1) / spec.rebin_z;
    const bool has_stokes = info.axes.stokes != 0;

    HeaderEditor cards;
    cards.set("SIMPLE", true);
    cards.set("BITPIX", -32);
    cards.set("NAXIS", has_stokes ? 3 : 2);
    cards.set("NAXIS1", spec.reverse ? channels : spec.positions);
    cards.set("NAXIS2", spec.reverse ? spec.positions : channels);
    if (has_stokes) cards.set("NAXIS3", 1);
    put_axis(cards, spec.reverse ? 2 : 1, position, is_line ? static_cast<double>((spec.positions - 1) / 2) : 0, is_line ? "from the middle of the line" : "along the polyline");
    put_axis(cards, spec.reverse ? 1 : 2, spectral, 0, "");
    if (has_stokes) {
        double value = 0;
        const bool of_file = !is_computed_stokes(spec.stokes) || spec.stokes < info.shape.stokes;
        if (of_file) {
            const std::string n = std::to_string(info.axes.stokes), diagonal = "CD" + n + "_" + n;
            value = header.number("CRVAL" + n).value_or(1) + (spec.stokes + 1 - header.number("CRPIX" + n).value_or(1)) * header.number(header.find(diagonal) ? diagonal : "CDELT" + n).value_or(1);
        }
        put_axis(cards, 3, {"STOKES", "", value, 1}, 0, "");
        if (!of_file) cards.set("CRVAL3", 0.0, "a computed polarization");
    }
    for (const char* name : kept) {
        const Card* card = header.find(name);
        if (!card) continue;
        if (card->kind == Card::Kind::string) cards.set(name, card->value, card->comment);
        else if (const auto number = header.number(name)) cards.set(name, *number, card->comment);
    }
    if (info.rest_frequency) {
        cards.remove("RESTFREQ");
        cards.set("RESTFRQ", *info.rest_frequency, "[Hz]");
    }
    if (spectrum && !spectrum->spectral_frame().empty()) cards.set("SPECSYS", spectrum->spectral_frame());
    if (const auto velref = header.integer("VELREF")) cards.set("VELREF", *velref);
    result.bunit = info.bunit;
    if (is_computed_stokes(spec.stokes) && spec.stokes >= info.shape.stokes) result.bunit = polarization_unit(static_cast<Polarization>(spec.stokes), info.bunit);
    if (!result.bunit.empty()) cards.set("BUNIT", result.bunit);
    if (!info.beams.empty() && info.beams.front().valid()) {
        cards.set("BMAJ", info.beams.front().major / 3600);
        cards.set("BMIN", info.beams.front().minor / 3600);
        cards.set("BPA", info.beams.front().pa);
    }
    if (!spec.history.empty()) cards.add_history(spec.history);
    if (!warning.empty()) cards.add_history(warning);
    result.header = cards.header();
    result.warning = std::move(warning);
    return result;
}

} // namespace cubelink::imaging
