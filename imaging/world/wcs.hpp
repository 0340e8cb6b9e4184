#pragma once
/// World coordinates of an image, by wcslib. Immutable after it is made; all members may be called from several threads at once (each
/// call borrows a copy of wcslib's structure that no other thread uses). Pixels are 0-based; world values of celestial axes are degrees
/// (longitudes in [0, 360)), of spectral axes SI units, of others the header's unit. What has no answer (outside of the projection, an
/// axis whose cards cannot be read) is NaN, never an exception.

#include "imaging/world/celestial.hpp"
#include "imaging/world/coordinate_arrays.hpp"
#include "imaging/source/image_info.hpp"
#include "imaging/world/spectral_axis.hpp"

#include <array>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace cubelink::imaging {

class Header;

struct PixelPoint {
    double x = 0, y = 0;
    friend bool operator==(const PixelPoint&, const PixelPoint&) = default;
};

class Wcs {
public:
    /// nullptr if the header has no usable world coordinates; never throws for what a header says. `arrays`: where "-TAB" axes find theirs.
    /// `warnings` receives sentences for the user: what in the header could not be used, and what follows from it.
    static std::shared_ptr<const Wcs> make(const Header& header, const ImageInfo& info, const ArrayLookup& arrays = {},
                                           std::vector<std::string>* warnings = nullptr);
    ~Wcs();
    Wcs(const Wcs&) = delete;
    Wcs& operator=(const Wcs&) = delete;

    int axes() const;

    /// World values of all axes (in file order) at a pixel of the rendered plane.
    std::vector<double> pixel_to_world(PixelPoint pixel, double channel = 0, double stokes = 0) const;
    /// World values of the two rendered axes.
    std::array<double, 2> plane_world(PixelPoint pixel, double channel = 0) const;

    /// True if both rendered axes together are celestial (lon, lat in either order).
    bool celestial_plane() const;
    /// True if the image has a celestial pair of axes at all.
    bool has_celestial() const;
    /// The frame of the celestial axes; unknown if there are none, or if it is one that we don't know.
    const SkySystem& sky_system() const;
    /// "FK5, J2000", "ICRS", "GALACTIC", or RADESYS as it stands; empty without celestial axes.
    const std::string& frame_text() const;
    /// The projection's code ("SIN"), "" without celestial axes.
    const std::string& projection() const;

    /// Positions on the sky, in the image's frame or in `frame`. Sizes of in and out must agree. A spectral plane gives NaN.
    void pixels_to_sky(std::span<const PixelPoint> pixels, double channel, std::span<SkyPoint> out) const;
    void pixels_to_sky(std::span<const PixelPoint> pixels, double channel, const SkySystem& frame, std::span<SkyPoint> out) const;
    void sky_to_pixels(std::span<const SkyPoint> points, double channel, std::span<PixelPoint> out) const;
    void sky_to_pixels(std::span<const SkyPoint> points, double channel, const SkySystem& frame, std::span<PixelPoint> out) const;

    /// The inverse of plane_world, for rendered planes of any kind.
    PixelPoint plane_pixel(std::array<double, 2> world, double channel = 0) const;

    /// One rendered axis' value as text: sexagesimal for celestial axes, plain with its unit for others. axis: 0 is x, 1 is y.
    std::string format_plane_value(int axis, double value) const;
    /// Names ("RA", "DEC", "FREQ") and units ("deg", "Hz") of the rendered axes.
    std::array<std::string, 2> plane_names() const;
    std::array<std::string, 2> plane_units() const;

    /// d(celestial)/d(pixel) in degrees: {x's change of lon·cos lat, y's change of it, x's of lat, y's of lat} at the reference pixel:
    /// the celestial 2 × 2 of CD, or of PC·CDELT, after wcsfix. None unless the plane is celestial.
    std::optional<std::array<double, 4>> celestial_matrix() const;
    /// |det| of it: the area of a pixel, in square degrees.
    std::optional<double> pixel_area() const;

    /// The spectral axis of the image; nullptr if there is none, or its type is not known.
    std::shared_ptr<const SpectralAxis> spectral_axis() const;

    /// Per-axis facts, in file order: CTYPE's name, unit after wcslib's normalisation, reference pixel (1-based) and value, increment. Of
    /// "-TAB" axes value and increment at the reference pixel, NaN if the table does not reach it.
    struct AxisFacts {
        std::string ctype, unit;
        double crpix = 0, crval = 0, cdelt = 1;
        bool known = true; // false: the axis has no world values
    };
    const std::vector<AxisFacts>& axis_facts() const;

private:
    Wcs();
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

} // namespace cubelink::imaging
