#pragma once
/// Polarization vectors: lengths and angles of a plane that has been averaged over blocks, tile by tile. Thread-safe, as the source is.
///
/// First the planes are averaged over blocks of mip × mip pixels, each plane over its own finite pixels; vectors are made of the means:
///
///     PI = sqrt(Q² + U² − (σ_Q² + σ_U²) / 2), the last term only with debiasing; without a real root there is no length
///     length = PI, or 100 PI / I where fractions are asked for; angle = ½ atan2(U, Q) in degrees
///
/// NaN stands for everything that is not there. Debiasing leaves the angle alone.

#include "imaging/analysis/vector_tiles.hpp"
#include "imaging/base/cancel.hpp"
#include "imaging/base/thread_share.hpp"
#include "imaging/source/image_source.hpp"

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

namespace cubelink::imaging {

enum class VectorComponent {
    none,
    plane,    // the means of a plane as they are; of a plane of angles (ImageSource::angle_parts), the angle of the means of its parts
    computed, // from I, Q and U
};

struct VectorFieldSpec {
    std::int64_t mip = 1; // any number ≥ 1
    VectorComponent intensity = VectorComponent::none, angle = VectorComponent::none;
    PlaneId plane;   // for components that are taken from a plane
    PlaneId i, q, u; // for computed ones; I only if needs_i()
    bool fractional = false;
    /// Vectors are NaN unless the mean of I reaches it, or PI with `threshold_on_pi`; the means of a plane unless they reach it themselves.
    std::optional<double> threshold;
    bool threshold_on_pi = false;
    bool debiasing = false;
    double q_error = 0, u_error = 0; // σ of the means

    bool computes() const { return intensity == VectorComponent::computed || angle == VectorComponent::computed; }
    bool takes_plane() const { return intensity == VectorComponent::plane || angle == VectorComponent::plane; }
    bool needs_i() const { return computes() && ((intensity == VectorComponent::computed && fractional) || (threshold && !threshold_on_pi)); }
};

/// Row by row from the bottom up; a component that was not asked for is empty.
struct VectorTile {
    VectorTilePlace place;
    std::vector<float> intensity, angle;
};

/// The first of `tiles`, and those behind it that are best computed with it: neighbours in a row that follow one another. Computed by all threads, in no more than
/// vector_field_bytes(), results included. Throws as ImageSource::read.
std::vector<VectorTile> compute_vector_tiles(const ImageSource& source, const VectorFieldSpec& spec, std::span<const VectorTilePlace> tiles,
                                             const ThreadShare& threads, const CancelToken& cancel);

/// Upper bound on the memory of compute_vector_tiles(), in bytes.
std::size_t vector_field_bytes(const ImageSource& source, const VectorFieldSpec& spec, const ThreadShare& threads);

} // namespace cubelink::imaging
