// image.spectral_axis: what each channel is at, as frequency, wavelength or velocity, in the header's spectral frame or another one.

#include "server/handlers/image_methods.hpp"

#include "imaging/world/spectral_axis.hpp"
#include "imaging/world/spectral_frame.hpp"
#include "rpc/values/convert.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace cubelink::server {

namespace {

/// Values of a spectral axis that one answer may have; images with more of them have no other kinds of spectral axes either.
constexpr std::int64_t max_channels = 1 << 22;

struct KindNames {
    imaging::SpectralKind kind;
    const char *name, *unit;
};
constexpr KindNames kinds[] = {
    {imaging::SpectralKind::channel, "channel", ""},
    {imaging::SpectralKind::frequency, "frequency", "Hz"},
    {imaging::SpectralKind::wavelength, "wavelength", "m"},
    {imaging::SpectralKind::air_wavelength, "air_wavelength", "m"},
    {imaging::SpectralKind::velocity_radio, "velocity_radio", "m/s"},
    {imaging::SpectralKind::velocity_optical, "velocity_optical", "m/s"},
    {imaging::SpectralKind::velocity_relativistic, "velocity_relativistic", "m/s"},
};

/// Also "radio velocity" and "Velocity radio": as people write it.
std::optional<imaging::SpectralKind> kind_named(std::string name) {
    std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return c == ' ' || c == '-' ? '_' : static_cast<char>(std::tolower(c)); });
    if (const auto end = name.rfind("_velocity"); end != std::string::npos && end + 9 == name.size()) name.resize(end);
    return imaging::spectral_kind_of(name);
}

/// The frames that an axis can be brought to, at a place of the image.
class FramesOfAxis {
public:
    FramesOfAxis(const Image& image, const imaging::SpectralAxis* axis, std::optional<std::array<double, 2>> place)
        : observation_(imaging::observation_of(image.info.header)) {
        if (!axis) return;
        own_ = imaging::spectral_frame_of(axis->spectral_frame());
        const auto& shape = image.shape();
        const imaging::PixelPoint pixel = place ? imaging::PixelPoint{(*place)[0], (*place)[1]}
                                                : imaging::PixelPoint{static_cast<double>(shape.width - 1) / 2, static_cast<double>(shape.height - 1) / 2};
        if (image.wcs->celestial_plane()) image.wcs->pixels_to_sky({&pixel, 1}, 0, {imaging::SkyFrame::icrs}, {&direction_, 1});
        if (axis->spectral_frame().empty()) problem_ = "The header does not say which frame its spectral axis is in (SPECSYS).";
        else if (!own_) problem_ = "Nothing is known of the header's spectral frame, \"" + axis->spectral_frame() + "\".";
        else if (!std::isfinite(direction_.lon + direction_.lat)) problem_ = "There is no sky at this place of the image, on which the conversion depends.";
        else problem_ = imaging::why_not_convertible(*own_, observation_);
    }

    /// A sentence; empty if it can be.
    std::string why_not(imaging::SpectralFrame frame) const { return !problem_.empty() ? problem_ : imaging::why_not_convertible(frame, observation_); }
    double factor(imaging::SpectralFrame frame) const { return imaging::frequency_factor(*own_, frame, direction_, observation_); }

private:
    imaging::Observation observation_;
    std::optional<imaging::SpectralFrame> own_;
    imaging::SkyPoint direction_{std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::quiet_NaN()};
    std::string problem_;
};

rpc::Value spectral_axis(const Image& image, std::vector<rpc::Value>&& values) {
    const auto name = rpc::from_value<std::optional<std::string>>(std::move(values[1]), rpc::Path("kind")).value_or("");
    const auto rest = rpc::from_value<std::optional<double>>(std::move(values[2]), rpc::Path("rest_freq"));
    if (rest && !(*rest > 0 && std::isfinite(*rest))) throw rpc::BadArguments("rest_freq: expected a frequency in Hz, above 0");
    const auto axis = image.wcs ? image.wcs->spectral_axis() : nullptr;
    auto kind = name.empty() ? std::optional(axis ? axis->kind() : imaging::SpectralKind::channel) : kind_named(name);
    if (!kind) throw rpc::BadArguments("kind: \"" + name + "\" is none of channel, frequency, wavelength, air_wavelength, velocity_radio, "
                                       "velocity_optical, velocity_relativistic");
    const auto frame_name = rpc::from_value<std::optional<std::string>>(std::move(values[3]), rpc::Path("frame")).value_or("");
    const auto wanted = imaging::spectral_frame_of(frame_name);
    if (!frame_name.empty() && !wanted)
        throw rpc::BadArguments("frame: \"" + frame_name + "\" is none of TOPOCENT, GEOCENTR, BARYCENT, HELIOCEN, LSRK, LSRD, GALACTOC, LOCALGRP, CMBDIPOL");
    const auto numbers = rpc::from_value<std::optional<std::vector<double>>>(std::move(values[4]), rpc::Path("point"));
    if (numbers && numbers->size() != 2) throw rpc::BadArguments("point: expected [x, y]");
    const auto place = numbers ? std::optional(std::array{(*numbers)[0], (*numbers)[1]}) : std::nullopt;
    const FramesOfAxis frames(image, axis.get(), place);
    double factor = 1;
    if (wanted && axis && *kind != imaging::SpectralKind::channel) {
        if (const auto why = frames.why_not(*wanted); !why.empty()) throw rpc::CallError(rpc::code::method_failed, image.info.name + ": " + why);
        factor = frames.factor(*wanted);
    }
    rpc::Array out;
    if (*kind == imaging::SpectralKind::channel) {
        const auto n = axis ? axis->length() : image.shape().depth;
        if (n > max_channels) throw rpc::CallError(rpc::code::method_failed, image.info.name + ": the axis is too long to be sent.");
        for (std::int64_t i = 0; i < n; ++i) out.push_back(static_cast<double>(i));
    } else {
        if (!axis) throw rpc::CallError(rpc::code::method_failed, image.info.name + ": the image has no spectral axis.");
        const auto without_values = [&](imaging::SpectralKind of) {
            const auto list = axis->values(of, rest);
            return std::all_of(list.begin(), list.end(), [](double v) { return std::isnan(v); });
        };
        if (without_values(axis->kind()))
            throw rpc::CallError(rpc::code::method_failed, image.info.name + ": the header does not define the values of its spectral axis.");
        const auto values = axis->values(*kind, rest, factor);
        if (!rest && !axis->rest_frequency() && without_values(*kind))
            throw rpc::CallError(rpc::code::method_failed, image.info.name + ": the header names no rest frequency: give one as rest_freq.");
        for (const double v : values) out.push_back(v);
    }
    const auto* names = std::find_if(std::begin(kinds), std::end(kinds), [&](const auto& k) { return k.kind == *kind; });
    rpc::Map result{{"values", std::move(out)}, {"kind", names->name}, {"unit", names->unit}};
    result["frame"] = !axis ? std::string() : wanted ? std::string(imaging::name_of(*wanted)) : axis->spectral_frame();
    rpc::Array offered;
    rpc::Map refused;
    if (axis) {
        for (const auto frame : imaging::spectral_frames) {
            if (auto why = frames.why_not(frame); why.empty()) offered.push_back(std::string(imaging::name_of(frame)));
            else refused[std::string(imaging::name_of(frame))] = std::move(why);
        }
    }
    result["frames"] = std::move(offered);
    result["frames_refused"] = std::move(refused);
    const auto used = rest ? rest : axis ? axis->rest_frequency() : std::nullopt;
    result["rest_freq"] = used ? rpc::Value(*used) : rpc::Value();
    return result;
}

} // namespace

void register_spectral_axis(HandlerContext& context) {
    using rpc::Value;
    on_image_method(context, "image.spectral_axis", {"file_id", {"kind", Value()}, {"rest_freq", Value()}, {"frame", Value()}, {"point", Value()}},
                    [](const SessionPtr& session, const ImagePtr& image, const rpc::CallPtr& call, std::vector<Value>&& values) {
                        const auto axis = image->wcs ? image->wcs->spectral_axis() : nullptr;
                        const std::int64_t length = axis ? axis->length() : image->shape().depth;
                        if (length <= static_cast<std::int64_t>(few_values)) return call->answer(spectral_axis(*image, std::move(values)));
                        const auto shared = std::make_shared<std::vector<Value>>(std::move(values));
                        post_answer(session, image, call, "image.spectral_axis", JobClass::view,
                                    [image, call, shared](const JobContext&) { call->answer(spectral_axis(*image, std::move(*shared))); });
                    });
}

} // namespace cubelink::server
