#include "server/products/vector_overlay.hpp"

#include "imaging/analysis/vector_field.hpp"
#include "rpc/error.hpp"
#include "server/products/tile_set.hpp"
#include "server/products/vector_spec.hpp"

#include <climits>
#include <cmath>

namespace cubelink::server {

namespace {

bool has_stokes_axis(const Image& image) { return image.info.axes.stokes != 0 || image.shape().stokes > 1; }

/// The component that the ICD's number means; without a stokes axis there is nothing to compute from but the plane itself.
imaging::VectorComponent component(const Image& image, std::int32_t source) {
    if (source < 0) return imaging::VectorComponent::none;
    return source == 1 && has_stokes_axis(image) ? imaging::VectorComponent::computed : imaging::VectorComponent::plane;
}

PixelBounds checked_bounds(const icd::ImageBounds& bounds) {
    if (bounds.x_min() > bounds.x_max() || bounds.y_min() > bounds.y_max()) throw rpc::BadArguments("image_bounds: a minimum is larger than its maximum");
    return {bounds.x_min(), bounds.x_max(), bounds.y_min(), bounds.y_max()};
}

std::int32_t checked_source(std::int32_t source, const char* field) {
    if (source < -1 || source > 1)
        throw rpc::BadArguments(std::string(field) + ": expected -1 (none), 0 (the current plane) or 1 (computed from Q and U), got " + std::to_string(source));
    return source;
}

double checked_error(double error, const char* field) {
    if (!std::isfinite(error)) throw rpc::BadArguments(std::string(field) + ": expected a finite number");
    return error;
}

} // namespace

imaging::VectorFieldSpec vector_spec(const Image& image, const VectorRequirement& requirement) {
    using imaging::StokesParameter;
    imaging::VectorFieldSpec spec;
    spec.mip = requirement.smoothing_factor;
    spec.intensity = component(image, requirement.stokes_intensity);
    spec.angle = component(image, requirement.stokes_angle);
    spec.plane = image.plane;
    const auto plane_of = [&](StokesParameter parameter) { return imaging::PlaneId{image.plane.channel, image.source->index_of(parameter)}; };
    spec.i = plane_of(StokesParameter::i);
    spec.q = plane_of(StokesParameter::q);
    spec.u = plane_of(StokesParameter::u);
    spec.fractional = requirement.fractional;
    spec.threshold = requirement.threshold;
    spec.threshold_on_pi = requirement.threshold_option == icd::Plinear;
    spec.debiasing = requirement.debiasing;
    spec.q_error = requirement.q_error;
    spec.u_error = requirement.u_error;
    return spec;
}

std::string why_no_vectors(const Image& image, const VectorRequirement& requirement) {
    if (requirement.smoothing_factor < 1) return "Pixels can't be averaged over blocks of " + std::to_string(requirement.smoothing_factor) + ".";
    const auto spec = vector_spec(image, requirement);
    if (imaging::vector_tile_count(image.shape(), spec.mip) > max_vector_tiles)
        return image.info.name + ": a vector overlay with a smoothing_factor of " + std::to_string(spec.mip) + " has more than " +
               std::to_string(max_vector_tiles) + " tiles: average over larger blocks.";
    if (spec.computes() && (spec.q.stokes < 0 || spec.u.stokes < 0)) return image.info.name + ": vectors can't be computed, the image has no Stokes Q and U.";
    if (spec.needs_i() && spec.i.stokes < 0)
        return image.info.name + ": the image has no Stokes I, of which " + (spec.threshold && !spec.threshold_on_pi ? "the threshold is." : "fractions could be computed.");
    return {};
}

bool same_vectors(VectorRequirement a, const VectorRequirement& b) {
    a.bounds = b.bounds;
    return a == b;
}

VectorRequirement checked_vectors(const icd::SetVectorOverlayParameters& message, const Image& image) {
    VectorRequirement requirement;
    requirement.bounds = checked_bounds(message.image_bounds());
    if (message.smoothing_factor() < 1 || message.smoothing_factor() > static_cast<std::uint32_t>(INT32_MAX))
        throw rpc::BadArguments("smoothing_factor: expected 1 to 2147483647, got " + std::to_string(message.smoothing_factor()));
    requirement.smoothing_factor = static_cast<std::int32_t>(message.smoothing_factor());
    requirement.fractional = message.fractional();
    if (std::isinf(message.threshold())) throw rpc::BadArguments("threshold: expected a finite number, or NaN for none");
    if (!std::isnan(message.threshold())) {
        requirement.threshold = message.threshold();
        requirement.threshold_option = message.threshold_option();
        // Clients of older interfaces do not say what it is of.
        if (requirement.threshold_option != 0 && requirement.threshold_option != icd::I && requirement.threshold_option != icd::Plinear)
            throw rpc::BadArguments("threshold_option: expected I (" + std::to_string(icd::I) + ") or Plinear (" + std::to_string(icd::Plinear) + "), got " +
                                    std::to_string(requirement.threshold_option));
    }
    requirement.debiasing = message.debiasing();
    requirement.q_error = checked_error(message.q_error(), "q_error");
    requirement.u_error = checked_error(message.u_error(), "u_error");
    requirement.stokes_intensity = checked_source(message.stokes_intensity(), "stokes_intensity");
    requirement.stokes_angle = checked_source(message.stokes_angle(), "stokes_angle");
    const auto format = TileFormat::checked(message.compression_type(), message.compression_quality());
    requirement.compression_type = static_cast<int>(format.compression);
    requirement.compression_quality = format.quality;
    if (const auto why = why_no_vectors(image, requirement); !why.empty()) throw rpc::CallError(rpc::code::method_failed, why);
    return requirement;
}

} // namespace cubelink::server
