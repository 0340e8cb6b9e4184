#include "imaging/analysis/moments/moment_header.hpp"

#include "imaging/world/header_editor.hpp"
#include "imaging/world/spectral_unit.hpp"

#include <cmath>
#include <string_view>

namespace cubelink::imaging {

namespace {

const char* si_unit(SpectralKind kind) {
    if (kind == SpectralKind::frequency) return "Hz";
    return kind == SpectralKind::wavelength || kind == SpectralKind::air_wavelength ? "m" : "m/s";
}

/// One pixel that covers channels [from, from + count) of a linear axis, or of one whose pixels are turned by an algorithm.
void cut_channels(HeaderEditor& header, int axis, ChannelRange channels) {
    header.cut(axis, {channels.from, 1, channels.count()});
    // That pixel is centred on the first channel.
    const double shift = (channels.count() - 1) / 2.0 / channels.count();
    const std::string reference = "CRPIX" + std::to_string(axis);
    const Header cut = header.header();
    for (const Card& card : cut.cards()) {
        const std::string_view keyword = card.keyword;
        const bool alternate = keyword.size() == reference.size() + 1 && keyword.back() >= 'A' && keyword.back() <= 'Z';
        if (!keyword.starts_with(reference) || (keyword.size() != reference.size() && !alternate)) continue;
        if (const auto value = cut.number(keyword)) header.set(keyword, *value - shift);
    }
}

/// The same with values of our own: `values` are those of all channels.
void set_linear(HeaderEditor& header, const std::string& number, ChannelRange channels, const std::vector<double>& values, SpectralKind kind) {
    const auto from = static_cast<std::size_t>(channels.from), last = static_cast<std::size_t>(channels.to - 1);
    const double middle = (values[from] + values[last]) / 2, span = values[last] - values[from];
    double step = values.size() > 1 && channels.count() == 1 ? (from > 0 ? values[from] - values[from - 1] : values[from + 1] - values[from]) : 1;
    if (channels.count() > 1) step = span * channels.count() / (channels.count() - 1);
    if (!std::isfinite(middle) || !std::isfinite(step) || step == 0) return;
    const auto ctype = header.header().text("CTYPE" + number).value_or("");
    header.set("NAXIS" + number, 1);
    header.set("CTYPE" + number, ctype.substr(0, 4));
    header.set("CUNIT" + number, si_unit(kind));
    header.set("CRPIX" + number, 1.0);
    header.set("CRVAL" + number, middle);
    header.set("CDELT" + number, step);
    const std::string diagonal = "CD" + number + "_" + number;
    if (header.has(diagonal)) header.set(diagonal, step);
    header.remove_if([&](std::string_view keyword) { return keyword.starts_with("PS" + number + "_") || keyword.starts_with("PV" + number + "_"); });
}

} // namespace

Header moment_header(const Header& cube, const ImageInfo& info, const Wcs* wcs, const MomentHeader& moment) {
    HeaderEditor header(cube);
    header.cut(info.rendered_axes[0], {moment.rect.x0, moment.rect.width(), 1});
    header.cut(info.rendered_axes[1], {moment.rect.y0, moment.rect.height(), 1});

    const int spectral = info.axes.spectral;
    const std::string number = std::to_string(spectral);
    const auto axis = wcs != nullptr ? wcs->spectral_axis() : nullptr;
    const bool has_values = axis && axis->length() == info.shape.depth;
    const double own_rest = has_values ? axis->rest_frequency().value_or(0) : 0;
    const bool by_table = cube.text("CTYPE" + number).value_or("").find("-TAB") != std::string::npos;
    const bool other_velocity = has_values && is_velocity(axis->kind()) && own_rest > 0 && moment.rest_frequency > 0 && moment.rest_frequency != own_rest;
    cut_channels(header, spectral, moment.channels);
    if (has_values && (by_table || other_velocity))
        set_linear(header, number, moment.channels, axis->values(axis->kind(), moment.rest_frequency), axis->kind());

    if (const int stokes = info.axes.stokes; stokes > 0) {
        const bool of_file = moment.stokes < info.shape.stokes;
        header.cut(stokes, {of_file ? moment.stokes : 0, 1, 1});
        if (!of_file) {
            header.set("CRPIX" + std::to_string(stokes), 1.0);
            header.set("CRVAL" + std::to_string(stokes), 0.0, "a computed polarization");
        }
    }

    if (moment.unit.empty()) header.remove("BUNIT");
    else header.set("BUNIT", moment.unit);
    if (moment.rest_frequency > 0) {
        header.remove("RESTFREQ");
        header.set("RESTFRQ", moment.rest_frequency, "[Hz]");
    }
    header.remove("CASAMBM");
    if (moment.beam && moment.beam->valid()) {
        header.set("BMAJ", moment.beam->major / 3600, "[deg]");
        header.set("BMIN", moment.beam->minor / 3600, "[deg]");
        header.set("BPA", moment.beam->pa, "[deg]");
    }
    for (const char* of_pixels : {"DATAMIN", "DATAMAX", "BSCALE", "BZERO", "BLANK", "CHECKSUM", "DATASUM"}) header.remove(of_pixels);
    header.set("BITPIX", -32);
    if (!moment.history.empty()) header.add_history(moment.history);
    return header.header();
}

} // namespace cubelink::imaging
