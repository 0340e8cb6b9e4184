#include "tools/demo/fits_writer.hpp"
#include "tools/demo/plane.hpp"
#include "tools/demo/scenes.hpp"

#include <limits>

namespace cubelink::demo {
namespace {

constexpr long side = 4096;
constexpr double beam_sigma = 2.1; // pixels: a beam of 5 pixels full width at half maximum

/// Mosaic of seven pointings, the middle one and six around it; 0 where no pointing sees the sky, up to 1.
double sensitivity(long x, long y) {
    static constexpr double centres[7][2] = {{0, 0}, {1000, 0}, {500, 866}, {-500, 866}, {-1000, 0}, {-500, -866}, {500, -866}};
    constexpr double sigma = 620;
    double sum = 0;
    for (const auto& centre : centres) {
        const double dx = static_cast<double>(x) - side / 2.0 - centre[0], dy = static_cast<double>(y) - side / 2.0 - centre[1];
        sum += exp_minus((dx * dx + dy * dy) / (sigma * sigma));
    }
    return std::min(1.0, std::sqrt(sum));
}

void add_compact_sources(Plane& plane) {
    constexpr std::uint64_t seed = 20;
    for (std::uint64_t i = 0; i < 2600; ++i) {
        const double x = uniform(seed, 4 * i) * side, y = uniform(seed, 4 * i + 1) * side;
        // Euclidean counts: N(>S) falls as S^-1.5.
        const double u = std::max(1e-4, uniform(seed, 4 * i + 2));
        const double flux = std::min(0.25, 2.0e-4 / std::cbrt(u * u));
        const double size = 1.0 + 0.6 * uniform(seed, 4 * i + 3);
        const double c = 2 * uniform(seed + 1, i) - 1, s = std::sqrt(1 - c * c);
        plane.add_gaussian(x, y, flux, beam_sigma * size, beam_sigma, c, s);
    }
}

void add_radio_galaxies(Plane& plane) {
    constexpr std::uint64_t seed = 30;
    for (std::uint64_t i = 0; i < 14; ++i) {
        const double x = side * (0.2 + 0.6 * uniform(seed, 5 * i)), y = side * (0.2 + 0.6 * uniform(seed, 5 * i + 1));
        const double length = 30 + 130 * uniform(seed, 5 * i + 2), peak = 0.004 + 0.02 * uniform(seed, 5 * i + 3);
        const double c = 2 * uniform(seed, 5 * i + 4) - 1, s = std::sqrt(1 - c * c);
        plane.add_gaussian(x, y, peak * 1.5, beam_sigma, beam_sigma, 1, 0);
        for (int side_of_jet : {-1, 1}) {
            for (int knot = 1; knot <= 5; ++knot) {
                const double d = side_of_jet * length * knot / 5.0, bend = 0.06 * d * knot / 5.0;
                plane.add_gaussian(x + d * c - bend * s, y + d * s + bend * c, peak * (0.25 + 0.15 * knot), beam_sigma * (1 + 0.7 * knot),
                                   beam_sigma * (1 + 0.35 * knot), c, s);
            }
        }
    }
    plane.add_gaussian(side * 0.47, side * 0.55, 0.0015, 190, 120, 0.8, 0.6); // a diffuse halo
}

} // namespace

void write_mosaic(const std::string& path) {
    Plane plane(side, side);
    plane.add_noise(2.0e-5, 10);
    Plane sky(side, side);
    add_compact_sources(sky);
    add_radio_galaxies(sky);
#pragma omp parallel for schedule(static)
    for (long y = 0; y < side; ++y) {
        for (long x = 0; x < side; ++x) {
            const double s = sensitivity(x, y);
            // Corrected for the primary beams: the noise grows where the sensitivity falls, and there is nothing below a fifth of it.
            plane.at(x, y) = s < 0.2 ? std::numeric_limits<float>::quiet_NaN() : static_cast<float>(plane.at(x, y) / s + sky.at(x, y));
        }
    }

    FitsWriter fits(path, {side, side});
    fits.key("BUNIT", "Jy/beam");
    fits.key("OBJECT", "Demo field");
    fits.key("BMAJ", 5 * 0.5 / 3600, "[deg]");
    fits.key("BMIN", 5 * 0.5 / 3600, "[deg]");
    fits.key("BPA", 0.0, "[deg]");
    fits.key("CTYPE1", "RA---SIN");
    fits.key("CRVAL1", 150.1163213);
    fits.key("CRPIX1", side / 2.0);
    fits.key("CDELT1", -0.5 / 3600);
    fits.key("CUNIT1", "deg");
    fits.key("CTYPE2", "DEC--SIN");
    fits.key("CRVAL2", 2.2009731);
    fits.key("CRPIX2", side / 2.0);
    fits.key("CDELT2", 0.5 / 3600);
    fits.key("CUNIT2", "deg");
    fits.key("RADESYS", "ICRS");
    fits.key("TELESCOP", "Cubelink demo");
    fits.key("DATE-OBS", "2026-01-01T00:00:00");
    fits.history("Made by Cubelink's demo data program; not an observation.");
    fits.append(plane.pixels);
    fits.finish();
}

} // namespace cubelink::demo
