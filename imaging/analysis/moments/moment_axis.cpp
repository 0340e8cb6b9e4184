#include "imaging/analysis/moments/moment_axis.hpp"

#include "imaging/world/spectral_unit.hpp"

#include <cmath>

namespace cubelink::imaging {

namespace {

/// Edges of the channels on the file's own axis: n + 1.
std::vector<double> edges_of(const std::vector<double>& values, double increment) {
    const std::size_t n = values.size();
    std::vector<double> edges(n + 1);
    if (n == 1) {
        edges[0] = values[0] - increment / 2;
        edges[1] = values[0] + increment / 2;
        return edges;
    }
    for (std::size_t i = 1; i < n; ++i) edges[i] = (values[i - 1] + values[i]) / 2;
    edges[0] = values[0] - (edges[1] - values[0]);
    edges[n] = values[n - 1] + (values[n - 1] - edges[n - 1]);
    return edges;
}

/// The kind of velocity that an axis is shown as, and its name.
struct Definition {
    SpectralKind kind;
    const char* meaning;
};
Definition velocity_of(SpectralKind kind) {
    switch (kind) {
    case SpectralKind::wavelength:
    case SpectralKind::air_wavelength:
    case SpectralKind::velocity_optical: return {SpectralKind::velocity_optical, "optical velocity"};
    case SpectralKind::velocity_relativistic: return {SpectralKind::velocity_relativistic, "apparent radial velocity"};
    default: return {SpectralKind::velocity_radio, "radio velocity"};
    }
}
Definition native_of(SpectralKind kind) {
    switch (kind) {
    case SpectralKind::wavelength: return {kind, "wavelength"};
    case SpectralKind::air_wavelength: return {kind, "wavelength in air"};
    default: return {kind, "frequency"};
    }
}

void set_widths(MomentAxisValues& axis, const std::vector<double>& edges) {
    for (std::size_t i = 0; i + 1 < edges.size(); ++i) axis.widths.push_back(std::abs(edges[i + 1] - edges[i]));
}

MomentAxisValues spectral(const SpectralAxis& axis, double increment, std::optional<double> rest_frequency) {
    const SpectralKind kind = axis.kind();
    const double own = axis.rest_frequency().value_or(0), rest = rest_frequency && *rest_frequency > 0 ? *rest_frequency : own;
    const SpectralAxis edges(edges_of(axis.native_values(), increment), kind, axis.rest_frequency(), axis.spectral_frame());
    MomentAxisValues result;
    Definition definition = velocity_of(kind);
    double factor = 1e-3;
    result.unit = "km/s";
    std::optional<double> used = rest;
    if (is_velocity(kind)) {
        if (!(own > 0)) used.reset(); // as they are: from which rest frequency they were made is not known
    } else if (!(rest > 0)) {
        definition = native_of(kind);
        factor = 1;
        result.unit = kind == SpectralKind::frequency ? "Hz" : "m";
    }
    result.meaning = definition.meaning;
    result.coordinates = axis.values(definition.kind, used);
    for (double& value : result.coordinates) value *= factor;
    auto edge_values = edges.values(definition.kind, used);
    for (double& value : edge_values) value *= factor;
    set_widths(result, edge_values);
    return result;
}

} // namespace

MomentAxisValues moment_axis(const ImageInfo& info, const Wcs* wcs, std::optional<double> rest_frequency) {
    const auto depth = static_cast<std::size_t>(info.shape.depth);
    const auto number = static_cast<std::size_t>(info.axes.spectral > 0 ? info.axes.spectral : info.axes.depth);
    const Wcs::AxisFacts* facts = nullptr;
    if (wcs != nullptr && number > 0 && number <= wcs->axis_facts().size()) facts = &wcs->axis_facts()[number - 1];
    if (wcs != nullptr) {
        const auto axis = wcs->spectral_axis();
        if (axis && axis->native_values().size() == depth) return spectral(*axis, facts != nullptr ? facts->cdelt : std::nan(""), rest_frequency);
    }
    MomentAxisValues result;
    const bool linear = facts != nullptr && facts->known && std::isfinite(facts->crval) && std::isfinite(facts->cdelt) && facts->cdelt != 0;
    result.unit = linear ? facts->unit : "";
    result.meaning = linear ? "value on the axis" : "channel number";
    for (std::size_t i = 0; i < depth; ++i) {
        const auto channel = static_cast<double>(i);
        result.coordinates.push_back(linear ? facts->crval + (channel + 1 - facts->crpix) * facts->cdelt : channel);
        result.widths.push_back(linear ? std::abs(facts->cdelt) : 1.0);
    }
    return result;
}

} // namespace cubelink::imaging
