#pragma once
/// What cubelink_computed_bench's workloads share: computed images without a server, beside the same limits as through one.

#include "imaging/source/format.hpp"
#include "tests/bench/images/report.hpp"
#include "tests/bench/images/settings.hpp"

#include <functional>

namespace cubelink::bench {

/// Time and processor time of this process.
Cost measure(const std::function<void()>& work);

/// The cube of settings.side² pixels and settings.depth channels, made if it isn't there.
imaging::OpenedImage open_cube(const Settings& settings, const char* name = "cube.fits");

/// Bytes of its pixels.
std::int64_t cube_bytes(const Settings& settings);

void compute_moment_images(const Settings& settings);
void compute_position_velocity(const Settings& settings);
void compute_fits(const Settings& settings);
void compute_expressions(const Settings& settings);
void write_fits_files(const Settings& settings);

} // namespace cubelink::bench
