#pragma once
/// The demo images. Each function writes one file, the same bytes every time, in seconds.

#include <string>

namespace cubelink::demo {

/// A radio continuum mosaic, 4096 × 4096, Jy/beam: compact sources and a few galaxies with lobes over correlated noise, blank outside of
/// the pointings.
void write_mosaic(const std::string& path);

/// A rotating disk in a spectral line, 512 × 512 × 128 channels, Jy/beam, FREQ axis with rest frequency (H I).
void write_disk_cube(const std::string& path);

/// A linearly polarised jet, 256 × 256 × 16 channels × stokes I, Q, U, V, with Faraday rotation across the band.
void write_polarised_jet(const std::string& path);

} // namespace cubelink::demo
