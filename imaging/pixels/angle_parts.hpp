#pragma once
/// For planes of angles, ½·atan2(U, Q), which are averaged through their parts: see ImageSource::angle_parts.

#include "imaging/kernels/polarization.hpp"

#include <cmath>
#include <limits>
#include <span>

namespace cubelink::imaging {

/// In degrees, NaN where a part is not finite; `angles` may be one of the parts. All three of one length.
template <class T> void angles_of_parts(std::span<const T> u, std::span<const T> q, std::span<T> angles) {
    kernels::polarization(Polarization::pangle, kernels::StokesValues<T>{nullptr, q.data(), u.data(), nullptr}, angles.size(), angles.data());
}

/// A pixel that lacks one part has no angle: it counts in the mean of neither, so that a block has an angle where one of its pixels has one.
template <class T> void keep_pairs(std::span<T> u, std::span<T> q) {
    for (std::size_t i = 0; i < u.size(); ++i) {
        if (!std::isfinite(u[i]) || !std::isfinite(q[i])) u[i] = q[i] = std::numeric_limits<T>::quiet_NaN();
    }
}

} // namespace cubelink::imaging
