#include "tools/demo/fits_writer.hpp"
#include "tools/demo/plane.hpp"
#include "tools/demo/scenes.hpp"

namespace cubelink::demo {
namespace {

constexpr long side = 512, channels = 128;
constexpr double rest_frequency = 1.420405751786e9, speed_of_light = 299792.458;
constexpr double channel_width_kms = 5.0, systemic_kms = 1100.0;

struct DiskPixel {
    double brightness = 0; // Jy/beam at the line's centre
    double velocity = 0;   // km/s
};

/// A thin disk with a rotation curve that rises and stays flat, inclined by 55°, position angle 40°, with a two-armed spiral.
std::vector<DiskPixel> make_disk() {
    constexpr double cos_i = 0.573576436, sin_i = 0.819152044, cos_pa = 0.766044443, sin_pa = 0.642787610;
    std::vector<DiskPixel> disk(static_cast<std::size_t>(side * side));
    for (long y = 0; y < side; ++y) {
        for (long x = 0; x < side; ++x) {
            const double dx = static_cast<double>(x) - 255.5, dy = static_cast<double>(y) - 255.5;
            const double major = dy * cos_pa - dx * sin_pa, minor = (dx * cos_pa + dy * sin_pa) / cos_i;
            const double r = std::sqrt(major * major + minor * minor) + 1e-9;
            const double c = major / r, s = minor / r;
            // Spiral arms of constant pitch: rotate the pattern by an angle that grows with log r (through its series in r/(r+40)).
            const double phase = 3.2 * r / (r + 40.0) * 2;
            // cos 2(θ - phase) from c and s, with cos and sin of the phase by rotation in small steps: no libm.
            double cp = 1, sp = 0;
            const double step = phase / 64, cs = 1 - step * step / 2, ss = step;
            for (int i = 0; i < 64; ++i) {
                const double next = cp * cs - sp * ss;
                sp = sp * cs + cp * ss;
                cp = next;
            }
            const double norm = 1 / std::sqrt(cp * cp + sp * sp);
            const double ca = (c * cp + s * sp) * norm, sa = (s * cp - c * sp) * norm;
            const double arms = ca * ca - sa * sa;
            const double profile = exp_minus(r / 62.0) * (1 - 0.75 * exp_minus(r * r / (2 * 18.0 * 18.0)));
            auto& pixel = disk[static_cast<std::size_t>(y * side + x)];
            pixel.brightness = r < 240 ? 0.012 * profile * (1 + 0.55 * arms) : 0;
            pixel.velocity = systemic_kms + 190.0 * (r / (r + 22.0)) * c * sin_i;
        }
    }
    return disk;
}

} // namespace

void write_disk_cube(const std::string& path) {
    const auto disk = make_disk();
    FitsWriter fits(path, {side, side, channels});
    const double channel_width_hz = -rest_frequency * channel_width_kms / speed_of_light;
    fits.key("BUNIT", "Jy/beam");
    fits.key("OBJECT", "Demo disk");
    fits.key("BMAJ", 9.0 / 3600, "[deg]");
    fits.key("BMIN", 7.5 / 3600, "[deg]");
    fits.key("BPA", 25.0, "[deg]");
    fits.key("CTYPE1", "RA---SIN");
    fits.key("CRVAL1", 187.27791);
    fits.key("CRPIX1", 256.5);
    fits.key("CDELT1", -1.5 / 3600);
    fits.key("CUNIT1", "deg");
    fits.key("CTYPE2", "DEC--SIN");
    fits.key("CRVAL2", 12.71278);
    fits.key("CRPIX2", 256.5);
    fits.key("CDELT2", 1.5 / 3600);
    fits.key("CUNIT2", "deg");
    fits.key("CTYPE3", "FREQ");
    fits.key("CRVAL3", rest_frequency * (1 - systemic_kms / speed_of_light));
    fits.key("CRPIX3", 64.0);
    fits.key("CDELT3", channel_width_hz);
    fits.key("CUNIT3", "Hz");
    fits.key("RESTFRQ", rest_frequency, "[Hz] H I");
    fits.key("SPECSYS", "LSRK");
    fits.key("RADESYS", "FK5");
    fits.key("EQUINOX", 2000.0);
    fits.key("TELESCOP", "Cubelink demo");
    fits.key("DATE-OBS", "2026-01-01T00:00:00");
    fits.history("Made by Cubelink's demo data program; not an observation.");

    constexpr double dispersion_kms = 9.0;
    for (long channel = 0; channel < channels; ++channel) {
        const double velocity = systemic_kms + channel_width_kms * static_cast<double>(channel - 63);
        Plane plane(side, side);
        plane.add_noise(2.5e-4, 100 + static_cast<std::uint64_t>(channel));
#pragma omp parallel for schedule(static)
        for (long y = 0; y < side; ++y) {
            for (long x = 0; x < side; ++x) {
                const auto& pixel = disk[static_cast<std::size_t>(y * side + x)];
                const double u = (velocity - pixel.velocity) / dispersion_kms;
                if (pixel.brightness > 0 && u * u < 50) plane.at(x, y) += static_cast<float>(pixel.brightness * exp_minus(0.5 * u * u));
            }
        }
        plane.add_gaussian(255.5, 255.5, 0.004, 2.5, 2.1, 0.9, 0.43589); // the nucleus, in continuum
        fits.append(plane.pixels);
    }
    fits.finish();
}

} // namespace cubelink::demo
