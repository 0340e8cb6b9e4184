#include "imaging/fits/image_facts.hpp"

#include "imaging/fits/layout.hpp"
#include "imaging/world/units.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <limits>

namespace cubelink::imaging {

namespace {

constexpr std::int64_t beam_limit = 1 << 18; // a short table must not expand to millions of beams

std::string data_type_text(const Layout& layout) {
    static constexpr std::array names{"unsigned char", "short", "int", "long", "float", "double"};
    const std::string name = names[static_cast<std::size_t>(layout.type)];
    return layout.scaling.trivial() || layout.type == PixelType::float32 ? name : name + " (rescaled to float)";
}

/// The rows of a table as one beam for each channel and stokes; NaN where there is no row. A table with channel 0 only applies to all
/// channels, and likewise with stokes.
std::vector<Beam> arrange(const std::vector<Beam>& rows, const ImageShape& shape) {
    const std::int64_t count = shape.stokes > beam_limit / shape.depth ? beam_limit + 1 : shape.depth * shape.stokes;
    if (rows.empty() || count > beam_limit) return {};
    constexpr double nothing = std::numeric_limits<double>::quiet_NaN();
    std::vector<Beam> beams;
    beams.reserve(static_cast<std::size_t>(count));
    for (int stokes = 0; stokes < shape.stokes; ++stokes) {
        for (int channel = 0; channel < shape.depth; ++channel) beams.push_back({nothing, nothing, nothing, channel, stokes});
    }
    const bool one_channel = std::all_of(rows.begin(), rows.end(), [](const Beam& row) { return row.channel == 0; });
    const bool one_stokes = std::all_of(rows.begin(), rows.end(), [](const Beam& row) { return row.stokes == 0; });
    for (const Beam& row : rows) {
        if (row.channel < 0 || row.channel >= shape.depth || row.stokes < 0 || row.stokes >= shape.stokes) continue;
        for (std::int64_t stokes = row.stokes; stokes < (one_stokes ? shape.stokes : row.stokes + 1); ++stokes) {
            for (std::int64_t channel = row.channel; channel < (one_channel ? shape.depth : row.channel + 1); ++channel) {
                Beam& beam = beams[static_cast<std::size_t>(stokes * shape.depth + channel)];
                beam.major = row.major;
                beam.minor = row.minor;
                beam.pa = row.pa;
            }
        }
    }
    return beams;
}

std::optional<double> rest_frequency_of(const Header& header) {
    for (const char* name : {"RESTFRQ", "RESTFREQ"}) {
        if (const auto value = header.number(name); value && *value > 0) return value;
    }
    if (const auto wave = header.number("RESTWAV"); wave && *wave > 0) return 299792458.0 / *wave;
    return std::nullopt;
}

void add_beam_entries(ImageInfo& info) {
    const Beam& beam = info.beams.front();
    const auto add = [&](const char* name, double value) {
        std::array<char, 64> text{};
        std::snprintf(text.data(), text.size(), "%.12E", value);
        info.header.push_back({name, text.data(), EntryType::floating, value, "extracted from HISTORY"});
    };
    add("BMAJ", beam.major / 3600);
    add("BMIN", beam.minor / 3600);
    add("BPA", beam.pa);
}

void find_beams(ImageInfo& info, const Hdu& hdu, const HduList& list, bool support_aips_beam) {
    info.beams = beam_of_header(hdu.header);
    if (info.beams.empty() || hdu.header.is_true("CASAMBM")) {
        // The table of this image: the next one after it, else the only one there is.
        const BeamTable* table = nullptr;
        for (const BeamTable& other : list.beam_tables) {
            if (table == nullptr || (table->number < hdu.number && other.number > hdu.number)) table = &other;
        }
        if (table != nullptr) {
            auto beams = arrange(table->beams, info.shape);
            if (!beams.empty()) info.beams = std::move(beams);
        }
    }
    const bool declared = hdu.header.find("BMAJ") || hdu.header.find("BMIN") || hdu.header.find("BPA");
    if (!info.beams.empty() || declared || !support_aips_beam) return;
    info.beams = beam_of_history(hdu.header);
    info.beam_from_history = !info.beams.empty();
    if (info.beam_from_history) add_beam_entries(info);
}

/// Warns of cards that are present but cannot be read, where that changes the image.
void find_unreadable(ImageInfo& info, const Header& header, bool integers) {
    static constexpr std::array cards{
        std::pair{"BSCALE", "pixel values are not scaled"}, std::pair{"BZERO", "pixel values have no offset"}, std::pair{"BLANK", "blank pixels are shown as values"},
        std::pair{"BMAJ", "the beam is unknown"},           std::pair{"BMIN", "the beam is unknown"},         std::pair{"BPA", "the position angle of the beam is taken as 0"},
    };
    for (const auto& [name, consequence] : cards) {
        const Card* card = header.find(name);
        if (card == nullptr || card->kind == Card::Kind::empty) continue;
        if (std::string_view(name) == "BLANK" ? !integers || header.integer(name) : header.number(name)) continue;
        info.warnings.push_back(std::string(name) + " cannot be read (" + card->value.substr(0, 40) + "): " + consequence);
    }
}

void find_stokes(ImageInfo& info, const Header& header) {
    if (info.axes.stokes == 0) return;
    const std::string number = std::to_string(info.axes.stokes);
    const std::string diagonal = "CD" + number + "_" + number, step_name = header.find(diagonal) != nullptr ? diagonal : "CDELT" + number;
    bool known = is_stokes_type(header.text("CTYPE" + number).value_or(""));
    const auto value_of = [&](const std::string& name) {
        const auto value = header.number(name);
        if (!value && header.find(name) != nullptr) known = false; // present, but cannot be read
        return value.value_or(1);
    };
    const double value = value_of("CRVAL" + number), pixel = value_of("CRPIX" + number), step = value_of(step_name);
    for (std::int64_t i = 0; i < std::min<std::int64_t>(info.shape.stokes, 64); ++i) {
        const int type = known ? polarization_type(value + (static_cast<double>(i) + 1 - pixel) * step) : 0;
        info.stokes_types.push_back(type);
        info.stokes_names.push_back(polarization_name(type));
    }
}

} // namespace

ImageInfo image_facts(const Hdu& hdu, const HduList& list, const Axes& axes, const std::string& name, bool support_aips_beam) {
    const Layout layout = layout_of(hdu, axes);
    ImageInfo info;
    info.name = name;
    info.hdu = std::to_string(hdu.number);
    info.extname = hdu.extname;
    info.stored_type = layout.type;
    info.data_type = hdu.complex ? "Complex" : data_type_text(layout);
    info.dimensions = static_cast<int>(hdu.axes.size());
    info.axis_lengths = hdu.axes;
    info.axis_names = axes.names;
    info.shape = axes.shape;
    info.axes = axes.numbers;
    info.rendered_axes = {axes.rendered_x, axes.rendered_y};
    info.has_spectral_axis = axes.numbers.spectral != 0;
    info.spectral_length = info.has_spectral_axis ? hdu.axes[static_cast<std::size_t>(axes.numbers.spectral - 1)] : 1;
    info.swapped_axes = axes.swapped;
    info.header = header_entries(hdu.header);
    info.bunit = normalise_unit(hdu.header.text("BUNIT").value_or(""));
    info.rest_frequency = rest_frequency_of(hdu.header);
    find_beams(info, hdu, list, support_aips_beam);
    find_stokes(info, hdu.header);
    find_unreadable(info, hdu.header, hdu.bitpix > 0);
    return info;
}

} // namespace cubelink::imaging
