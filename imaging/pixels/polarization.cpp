#include "imaging/pixels/polarization.hpp"

#include "imaging/base/parallel.hpp"
#include "imaging/base/pixel_memory.hpp"
#include "imaging/source/bands.hpp"

#include <algorithm>
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

/// Pixels that are combined at once by one thread.
constexpr std::int64_t piece_pixels = 1 << 15;

/// Reads the inputs that `type` needs by `read(stokes index, out)`, once each, and combines them.
template <class T, class Read>
void combine(Polarization type, const std::array<std::int32_t, 4>& index, std::span<T> out, const ThreadShare& threads, const CancelToken& cancel,
             const Read& read) {
    const std::array<bool, 4> needed = inputs(type);
    std::array<Pixels<T>, 4> planes;
    std::array<const T*, 4> values{};
    for (std::size_t k = 0; k < 4; ++k) {
        if (!needed[k]) continue;
        // Q, which each of them needs, is read into the result's memory.
        std::span<T> target = out;
        if (k != 1) {
            planes[k] = make_pixels<T>(out.size());
            target = {planes[k].get(), out.size()};
        }
        read(index[k], target);
        values[k] = target.data();
    }
    const auto part = [&](std::size_t from, std::size_t n) {
        const auto at = [&](std::size_t k) { return needed[k] ? values[k] + from : nullptr; };
        kernels::polarization(type, kernels::StokesValues<T>{at(0), at(1), at(2), at(3)}, n, out.data() + from);
    };
    const auto pieces = (static_cast<std::int64_t>(out.size()) + piece_pixels - 1) / piece_pixels;
    if (pieces <= 1) return part(0, out.size());
    parallel_for(threads, pieces, cancel, [&](std::int64_t piece, int) {
        const auto from = static_cast<std::size_t>(piece * piece_pixels);
        part(from, std::min(static_cast<std::size_t>(piece_pixels), out.size() - from));
    });
}

/// The same for a rectangle, some rows at a time, so that the inputs take little memory. `read(rect, stokes index, out, threads)`.
template <class T, class Read>
void combine_rows(Polarization type, const std::array<std::int32_t, 4>& index, const Rect& rect, std::span<T> out, int threads, const CancelToken& cancel,
                  const ImageSource& base, const Read& read) {
    if (rect.width() <= 0 || rect.height() <= 0 || out.size() != std::size_t(rect.size())) {
        // The base throws the exception for this request.
        read(rect, index[1], out, threads);
        return;
    }
    const std::int64_t rows = std::max<std::int64_t>(1, band_target(base) / rect.width());
    const auto band = [&](std::int64_t n, int threads_within) {
        const std::int64_t y = rect.y0 + n * rows;
        const Rect part{rect.x0, y, rect.x1, std::min(rect.y1, y + rows)};
        const std::span<T> target = out.subspan(std::size_t((y - rect.y0) * rect.width()), std::size_t(part.size()));
        combine<T>(type, index, target, threads_within, cancel,
                   [&](std::int32_t stokes, std::span<T> values) { read(part, stokes, values, threads_within); });
    };
    const std::int64_t bands = (rect.height() + rows - 1) / rows;
    if (base.capabilities().random_access && bands > 1) return parallel_for(threads, bands, cancel, [&](std::int64_t n, int) { band(n, 1); });
    for (std::int64_t n = 0; n < bands; ++n) {
        cancel.throw_if_cancelled();
        band(n, threads);
    }
}

/// The same for some channels at a time. `read(channels, stokes index, out)`.
template <class T, class Read>
void combine_channels(Polarization type, const std::array<std::int32_t, 4>& index, ChannelRange channels, std::span<T> out, int threads,
                      const CancelToken& cancel, const Read& read) {
    if (out.empty()) return;
    constexpr std::size_t at_once = 1 << 20; // pixels
    const std::size_t of_channel = out.size() / static_cast<std::size_t>(channels.count());
    const auto step = static_cast<std::int32_t>(std::clamp<std::size_t>(at_once / of_channel, 1, static_cast<std::size_t>(channels.count())));
    for (std::int32_t channel = channels.from; channel < channels.to; channel += step) {
        cancel.throw_if_cancelled();
        const ChannelRange some{channel, std::min(channels.to, channel + step)};
        combine<T>(type, index,
                       out.subspan(static_cast<std::size_t>(channel - channels.from) * of_channel, static_cast<std::size_t>(some.count()) * of_channel), threads,
                       cancel, [&](std::int32_t input, std::span<T> values) { read(some, input, values); });
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
    double value;
    kernels::polarization(type, kernels::StokesValues<double>{&i, &q, &u, &v}, 1, &value);
    return value;
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
    combine_rows<float>(type, index_, rect, out, threads, cancel, *base_,
                        [&](const Rect& part, std::int32_t stokes, std::span<float> values, int threads_within) {
                            base_->read(part, {plane.channel, stokes}, values, threads_within, cancel);
                        });
}

void PolarizationSource::read64(const Rect& rect, PlaneId plane, std::span<double> out, int threads, const CancelToken& cancel) const {
    if (plane.stokes < base_->shape().stokes) return base_->read64(rect, plane, out, threads, cancel);
    const Polarization type = checked(*this, plane.stokes);
    combine_rows<double>(type, index_, rect, out, threads, cancel, *base_,
                         [&](const Rect& part, std::int32_t stokes, std::span<double> values, int threads_within) {
                             base_->read64(part, {plane.channel, stokes}, values, threads_within, cancel);
                         });
}

void PolarizationSource::read_spectrum(std::int64_t x, std::int64_t y, std::int32_t stokes, std::int32_t from, std::span<float> out,
                                       const CancelToken& cancel) const {
    if (stokes < base_->shape().stokes) return base_->read_spectrum(x, y, stokes, from, out, cancel);
    const Polarization type = checked(*this, stokes);
    combine<float>(type, index_, out, 1, cancel,
                   [&](std::int32_t input, std::span<float> values) { base_->read_spectrum(x, y, input, from, values, cancel); });
}

void PolarizationSource::read_box(const Rect& rect, ChannelRange channels, std::int32_t stokes, std::span<float> out, int threads,
                                  const CancelToken& cancel) const {
    if (stokes < base_->shape().stokes) return base_->read_box(rect, channels, stokes, out, threads, cancel);
    check_box_request(base_->shape(), rect, channels, 0, out.size());
    combine_channels(checked(*this, stokes), index_, channels, out, threads, cancel, [&](ChannelRange some, std::int32_t input, std::span<float> values) {
        base_->read_box(rect, some, input, values, threads, cancel);
    });
}

void PolarizationSource::read_masked(const PixelMask& mask, ChannelRange channels, std::int32_t stokes, std::span<float> out, int threads,
                                     const CancelToken& cancel) const {
    if (stokes < base_->shape().stokes) return base_->read_masked(mask, channels, stokes, out, threads, cancel);
    check_masked_request(base_->shape(), mask, channels, 0, out.size());
    combine_channels(checked(*this, stokes), index_, channels, out, threads, cancel, [&](ChannelRange some, std::int32_t input, std::span<float> values) {
        base_->read_masked(mask, some, input, values, threads, cancel);
    });
}

void PolarizationSource::read_pixels(std::span<const PixelRun> runs, ChannelRange channels, std::int32_t stokes, std::span<float> out,
                                     const CancelToken& cancel) const {
    if (stokes < base_->shape().stokes) return base_->read_pixels(runs, channels, stokes, out, cancel);
    check_runs_request(base_->shape(), runs, channels, 0, out.size());
    combine_channels(checked(*this, stokes), index_, channels, out, 1, cancel, [&](ChannelRange some, std::int32_t input, std::span<float> values) {
        base_->read_pixels(runs, some, input, values, cancel);
    });
}

void PolarizationSource::read_pixels64(std::span<const PixelRun> runs, ChannelRange channels, std::int32_t stokes, std::span<double> out,
                                       const CancelToken& cancel) const {
    if (stokes < base_->shape().stokes) return base_->read_pixels64(runs, channels, stokes, out, cancel);
    check_runs_request(base_->shape(), runs, channels, 0, out.size());
    combine_channels(checked(*this, stokes), index_, channels, out, 1, cancel, [&](ChannelRange some, std::int32_t input, std::span<double> values) {
        base_->read_pixels64(runs, some, input, values, cancel);
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
