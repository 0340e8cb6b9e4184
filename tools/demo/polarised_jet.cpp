#include "tools/demo/fits_writer.hpp"
#include "tools/demo/plane.hpp"
#include "tools/demo/scenes.hpp"

namespace cubelink::demo {

void write_polarised_jet(const std::string& path) {
    constexpr long side = 256, channels = 16;
    FitsWriter fits(path, {side, side, channels, 4});
    fits.key("BUNIT", "Jy/beam");
    fits.key("OBJECT", "Demo jet");
    fits.key("BMAJ", 4.0 / 3600, "[deg]");
    fits.key("BMIN", 4.0 / 3600, "[deg]");
    fits.key("BPA", 0.0, "[deg]");
    fits.key("CTYPE1", "RA---TAN");
    fits.key("CRVAL1", 83.633212);
    fits.key("CRPIX1", 128.5);
    fits.key("CDELT1", -1.0 / 3600);
    fits.key("CUNIT1", "deg");
    fits.key("CTYPE2", "DEC--TAN");
    fits.key("CRVAL2", 22.01446);
    fits.key("CRPIX2", 128.5);
    fits.key("CDELT2", 1.0 / 3600);
    fits.key("CUNIT2", "deg");
    fits.key("CTYPE3", "FREQ");
    fits.key("CRVAL3", 2.0e9);
    fits.key("CRPIX3", 1.0);
    fits.key("CDELT3", 6.4e7);
    fits.key("CUNIT3", "Hz");
    fits.key("CTYPE4", "STOKES");
    fits.key("CRVAL4", 1.0);
    fits.key("CRPIX4", 1.0);
    fits.key("CDELT4", 1.0);
    fits.key("SPECSYS", "TOPOCENT");
    fits.key("RADESYS", "ICRS");
    fits.key("TELESCOP", "Cubelink demo");
    fits.key("DATE-OBS", "2026-01-01T00:00:00");

    Plane intensity(side, side);
    for (int knot = 0; knot < 12; ++knot) {
        const double d = 9.0 * knot;
        intensity.add_gaussian(60 + d * 0.94, 90 + d * 0.34 + 0.03 * d * knot / 3, 0.05 * exp_minus(knot / 7.0), 3.0 + 0.5 * knot, 2.0 + 0.35 * knot,
                               0.94, 0.34);
    }
    for (int stokes = 0; stokes < 4; ++stokes) {
        for (int channel = 0; channel < channels; ++channel) {
            const double fraction = channel / static_cast<double>(channels - 1);
            const double spectrum = 1 - 0.45 * fraction;
            // The polarization angle turns with the band; (c, s) is twice that angle on the unit circle, by a rational parametrisation.
            const double t = 1.4 * fraction - 0.6, c = (1 - t * t) / (1 + t * t), s = 2 * t / (1 + t * t);
            Plane plane(side, side);
            plane.add_noise(1.0e-4, 1000 + static_cast<std::uint64_t>(stokes * channels + channel));
            const double part[4] = {1.0, 0.22 * c, 0.22 * s, 0.01};
            for (std::size_t i = 0; i < plane.pixels.size(); ++i)
                plane.pixels[i] += static_cast<float>(intensity.pixels[i] * spectrum * part[stokes]);
            fits.append(plane.pixels);
        }
    }
    fits.finish();
}

} // namespace cubelink::demo
