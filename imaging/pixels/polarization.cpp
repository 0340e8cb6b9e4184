#include "imaging/pixels/polarization.hpp"

#include "imaging/pixels/angle_parts.hpp"
#include "imaging/source/bands.hpp"

#include <cmath>
#include <limits>
#include <stdexcept>

namespace cubelink::imaging {

namespace {

/// Which of I, Q, U, V a type is computed from.
std::array<bool, 4> inputs(Polarization type) {
    switch (type) {
    case Polarization::ptotal:
        return {false, true, true, true};
    case Polarization::plinear:
        return {false, true, true, false};
    case Polarization::pftotal:
        return {true, true, true, true};
    case Polarization::pflinear:
        return {true, true, true, false};
    case Polarization::pangle:
        return {false, true, true, false};
    }
    return {};
}

constexpr Polarization kAll[] = {Polarization::ptotal, Polarization::plinear, Polarization::pftotal, Polarization::pflinear,
                                 Polarization::pangle};

Polarization type_of(std::int32_t stokes) {
    if (!is_computed_stokes(stokes)) throw std::out_of_range("stokes " + std::to_string(stokes) + " is outside the image");
    return Polarization(stokes);
}

/// Reads the inputs that `type` needs by `read(stokes index, out)` and combines them.
template <class T, class Read>
void combine(Polarization type, const std::array<std::int32_t, 4>& index, std::span<T> out, const Read& read) {
    const std::array<bool, 4> needed = inputs(type);
    std::array<std::vector<T>, 4> planes;
    for (std::size_t k = 0; k < 4; ++k) {
        if (!needed[k]) continue;
        planes[k].resize(out.size());
        read(index[k], std::span<T>(planes[k]));
    }
    const auto value = [&](std::size_t k, std::size_t i) { return needed[k] ? double(planes[k][i]) : 0.0; };
    for (std::size_t i = 0; i < out.size(); ++i) {
        out[i] = T(computed_polarization(type, value(0, i), value(1, i), value(2, i), value(3, i)));
    }
}

/// The same for a rectangle, some rows at a time (`at_once` pixels), so that the inputs take little memory.
template <class T, class Read>
void combine_rows(Polarization type, const std::array<std::int32_t, 4>& index, const Rect& rect, std::span<T> out,
                  const CancelToken& cancel, std::int64_t at_once, const Read& read) {
    if (rect.width() <= 0 || rect.height() <= 0 || out.size() != std::size_t(rect.size())) {
        // The base throws the exception for this request.
        read(rect, index[1], out);
        return;
    }
    const std::int64_t rows = std::max<std::int64_t>(1, at_once / rect.width());
    for (std::int64_t y = rect.y0; y < rect.y1; y += rows) {
        cancel.throw_if_cancelled();
        const Rect part{rect.x0, y, rect.x1, std::min(rect.y1, y + rows)};
        const std::span<T> target = out.subspan(std::size_t((y - rect.y0) * rect.width()), std::size_t(part.size()));
        combine<T>(type, index, target, [&](std::int32_t stokes, std::span<T> values) { read(part, stokes, values); });
    }
}

/// The same for a channel at a time.
template <class T, class Read>
void combine_channels(Polarization type, const std::array<std::int32_t, 4>& index, ChannelRange channels, std::span<T> out, const CancelToken& cancel,
                      const Read& read) {
    if (out.empty()) return;
    const std::size_t of_channel = out.size() / static_cast<std::size_t>(channels.count());
    for (std::int32_t channel = channels.from; channel < channels.to; ++channel) {
        cancel.throw_if_cancelled();
        combine<T>(type, index, out.subspan(static_cast<std::size_t>(channel - channels.from) * of_channel, of_channel),
                   [&](std::int32_t input, std::span<T> values) { read(channel, input, values); });
    }
}

} // namespace

bool is_computed_stokes(std::int32_t stokes) { return stokes >= 13 && stokes <= 17; }

const char* polarization_name(Polarization type) {
    switch (type) {
    case Polarization::ptotal:
        return "Ptotal";
    case Polarization::plinear:
        return "Plinear";
    case Polarization::pftotal:
        return "PFtotal";
    case Polarization::pflinear:
        return "PFlinear";
    case Polarization::pangle:
        return "Pangle";
    }
    return "";
}

std::string polarization_unit(Polarization type, const std::string& bunit) {
    switch (type) {
    case Polarization::pftotal:
    case Polarization::pflinear:
        return "%";
    case Polarization::pangle:
        return "degree";
    default:
        return bunit;
    }
}

double computed_polarization(Polarization type, double i, double q, double u, double v) {
    constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
    const std::array<bool, 4> needed = inputs(type);
    const double values[4] = {i, q, u, v};
    for (std::size_t k = 0; k < 4; ++k) {
        if (needed[k] && !std::isfinite(values[k])) return kNaN;
    }
    switch (type) {
    case Polarization::ptotal:
        return std::sqrt(q * q + u * u + v * v);
    case Polarization::plinear:
        return std::sqrt(q * q + u * u);
    case Polarization::pftotal:
        return 100.0 * std::sqrt(q * q + u * u + v * v) / i;
    case Polarization::pflinear:
        return 100.0 * std::sqrt(q * q + u * u) / i;
    case Polarization::pangle:
        return angle_of_parts(u, q);
    }
    return kNaN;
}

PolarizationSource::PolarizationSource(std::shared_ptr<const ImageSource> base, const std::vector<int>& stokes_values)
    : base_(std::move(base)) {
    const std::int64_t length = base_->shape().stokes;
    if (stokes_values.empty()) {
        for (std::int32_t k = 0; k < 4 && k < length && length > 1; ++k) index_[std::size_t(k)] = k;
        return;
    }
    for (std::size_t k = 0; k < stokes_values.size() && std::int64_t(k) < length; ++k) {
        const int value = stokes_values[k];
        if (value >= 1 && value <= 4 && index_[std::size_t(value - 1)] < 0) index_[std::size_t(value - 1)] = std::int32_t(k);
    }
}

bool PolarizationSource::has(Polarization type) const {
    if (!is_computed_stokes(std::int32_t(type))) return false;
    const std::array<bool, 4> needed = inputs(type);
    for (std::size_t k = 0; k < 4; ++k) {
        if (needed[k] && index_[k] < 0) return false;
    }
    return true;
}

std::vector<Polarization> PolarizationSource::available() const {
    std::vector<Polarization> types;
    for (Polarization type : kAll) {
        if (has(type)) types.push_back(type);
    }
    return types;
}

/// The type of a computed stokes; throws std::out_of_range if this image can't have it.
static Polarization checked(const PolarizationSource& source, std::int32_t stokes) {
    const Polarization type = type_of(stokes);
    if (!source.has(type))
        throw std::out_of_range(std::string(polarization_name(type)) + " can't be computed from the stokes of this image");
    return type;
}

void PolarizationSource::read(const Rect& rect, PlaneId plane, std::span<float> out, int threads, const CancelToken& cancel) const {
    if (plane.stokes < base_->shape().stokes) return base_->read(rect, plane, out, threads, cancel);
    const Polarization type = checked(*this, plane.stokes);
    combine_rows<float>(type, index_, rect, out, cancel, band_target(*base_),
                        [&](const Rect& part, std::int32_t stokes, std::span<float> values) {
                            base_->read(part, {plane.channel, stokes}, values, threads, cancel);
                        });
}

void PolarizationSource::read64(const Rect& rect, PlaneId plane, std::span<double> out, int threads, const CancelToken& cancel) const {
    if (plane.stokes < base_->shape().stokes) return base_->read64(rect, plane, out, threads, cancel);
    const Polarization type = checked(*this, plane.stokes);
    combine_rows<double>(type, index_, rect, out, cancel, band_target(*base_),
                         [&](const Rect& part, std::int32_t stokes, std::span<double> values) {
                             base_->read64(part, {plane.channel, stokes}, values, threads, cancel);
                         });
}

void PolarizationSource::read_spectrum(std::int64_t x, std::int64_t y, std::int32_t stokes, std::int32_t from, std::span<float> out,
                                       const CancelToken& cancel) const {
    if (stokes < base_->shape().stokes) return base_->read_spectrum(x, y, stokes, from, out, cancel);
    const Polarization type = checked(*this, stokes);
    combine<float>(type, index_, out,
                   [&](std::int32_t input, std::span<float> values) { base_->read_spectrum(x, y, input, from, values, cancel); });
}

void PolarizationSource::read_box(const Rect& rect, ChannelRange channels, std::int32_t stokes, std::span<float> out, int threads,
                                  const CancelToken& cancel) const {
    if (stokes < base_->shape().stokes) return base_->read_box(rect, channels, stokes, out, threads, cancel);
    check_box_request(base_->shape(), rect, channels, 0, out.size());
    combine_channels(checked(*this, stokes), index_, channels, out, cancel, [&](std::int32_t channel, std::int32_t input, std::span<float> values) {
        base_->read_box(rect, {channel, channel + 1}, input, values, threads, cancel);
    });
}

void PolarizationSource::read_masked(const PixelMask& mask, ChannelRange channels, std::int32_t stokes, std::span<float> out, int threads,
                                     const CancelToken& cancel) const {
    if (stokes < base_->shape().stokes) return base_->read_masked(mask, channels, stokes, out, threads, cancel);
    check_masked_request(base_->shape(), mask, channels, 0, out.size());
    combine_channels(checked(*this, stokes), index_, channels, out, cancel, [&](std::int32_t channel, std::int32_t input, std::span<float> values) {
        base_->read_masked(mask, {channel, channel + 1}, input, values, threads, cancel);
    });
}

void PolarizationSource::read_pixels(std::span<const PixelRun> runs, ChannelRange channels, std::int32_t stokes, std::span<float> out,
                                     const CancelToken& cancel) const {
    if (stokes < base_->shape().stokes) return base_->read_pixels(runs, channels, stokes, out, cancel);
    check_runs_request(base_->shape(), runs, channels, 0, out.size());
    combine_channels(checked(*this, stokes), index_, channels, out, cancel, [&](std::int32_t channel, std::int32_t input, std::span<float> values) {
        base_->read_pixels(runs, {channel, channel + 1}, input, values, cancel);
    });
}

void PolarizationSource::read_pixels64(std::span<const PixelRun> runs, ChannelRange channels, std::int32_t stokes, std::span<double> out,
                                       const CancelToken& cancel) const {
    if (stokes < base_->shape().stokes) return base_->read_pixels64(runs, channels, stokes, out, cancel);
    check_runs_request(base_->shape(), runs, channels, 0, out.size());
    combine_channels(checked(*this, stokes), index_, channels, out, cancel, [&](std::int32_t channel, std::int32_t input, std::span<double> values) {
        base_->read_pixels64(runs, {channel, channel + 1}, input, values, cancel);
    });
}

std::array<std::int32_t, 4> PolarizationSource::inputs_of(Polarization type) const {
    const auto needed = inputs(checked(*this, std::int32_t(type)));
    auto index = index_;
    for (std::size_t k = 0; k < 4; ++k)
        if (!needed[k]) index[k] = -1;
    return index;
}

std::optional<AngleParts> PolarizationSource::angle_parts(PlaneId plane) const {
    if (plane.stokes < base_->shape().stokes || plane.stokes != std::int32_t(Polarization::pangle)) return std::nullopt;
    const Polarization type = checked(*this, plane.stokes);
    static_cast<void>(type);
    return AngleParts{{plane.channel, index_[2]}, {plane.channel, index_[1]}};
}

} // namespace cubelink::imaging
