#pragma once
/// The workloads of image_bench. Each makes its files, measures every program of the settings in turns, and prints its rows; throws
/// std::runtime_error if something can't be measured.

#include "tests/bench/images/settings.hpp"

namespace cubelink::bench {

void large_image(const Settings& settings);
void cube(const Settings& settings);
void region_spectra(const Settings& settings);
void sparse_cube(const Settings& settings);
void plane_beyond_the_limit(const Settings& settings);
void cursor(const Settings& settings);
void contours(const Settings& settings);
void cursor_burst(const Settings& settings);
void animation(const Settings& settings);
void first_tiles(const Settings& settings);
void beside_opening(const Settings& settings);
void beside_messages(const Settings& settings);
void beside_cube_histogram(const Settings& settings);
void region_statistics(const Settings& settings);
void many_regions(const Settings& settings);
void vector_overlay(const Settings& settings);
void moments(const Settings& settings);
void position_velocity(const Settings& settings);
void pv_preview(const Settings& settings);
void fitting(const Settings& settings);
void expressions(const Settings& settings);
void hypercube(const Settings& settings);
void saving(const Settings& settings);
void small_requests(const Settings& settings);
void stopping(const Settings& settings);
void computed_memory(const Settings& settings);

} // namespace cubelink::bench
