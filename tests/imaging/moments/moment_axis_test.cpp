#include "imaging/analysis/moments/moment_axis.hpp"

#include "imaging/fits/describe_image.hpp"
#include "imaging/source/memory_image.hpp"
#include "imaging/world/header_editor.hpp"

#include <cmath>
#include <doctest/doctest.h>

using namespace cubelink::imaging;

namespace {

constexpr double c = 299792.458; // km/s

struct Axis {
    std::string ctype, unit;
    double value = 0, step = 0, rest = 0;
    std::int64_t channels = 8;
};

MomentAxisValues axis_of(const Axis& axis, std::optional<double> rest = std::nullopt) {
    BudgetCache budget(1 << 20);
    HeaderEditor header;
    header.set("SIMPLE", true);
    header.set("BITPIX", -32);
    header.set("NAXIS", 3);
    header.set("NAXIS1", 4);
    header.set("NAXIS2", 4);
    header.set("NAXIS3", axis.channels);
    header.set("CTYPE1", "RA---SIN");
    header.set("CTYPE2", "DEC--SIN");
    header.set("CTYPE3", axis.ctype);
    header.set("CUNIT3", axis.unit);
    header.set("CRVAL3", axis.value);
    header.set("CDELT3", axis.step);
    header.set("CRPIX3", 3.0);
    header.set("CDELT1", -0.001);
    header.set("CDELT2", 0.001);
    if (axis.rest > 0) header.set("RESTFRQ", axis.rest);
    const auto opened = describe_image(std::make_shared<MemoryImage>(ImageShape{4, 4, axis.channels, 1}, budget), header.header(), "cube");
    return moment_axis(opened.info, opened.wcs.get(), rest);
}

void near(double got, double expected, double tolerance = 1e-9) { CHECK(std::abs(got - expected) <= tolerance * std::max(1.0, std::abs(expected))); }

} // namespace

TEST_CASE("moment axis: frequencies become radio velocity, of the rest frequency that was asked for") {
    const auto axis = axis_of({"FREQ", "Hz", 1.42e9, 1e5, 1.4204e9});
    CHECK(axis.unit == "km/s");
    CHECK(axis.meaning == "radio velocity");
    for (std::size_t i = 0; i < 8; ++i) {
        near(axis.coordinates[i], c * (1 - (1.42e9 + 1e5 * (double(i) - 2)) / 1.4204e9));
        near(axis.widths[i], c * 1e5 / 1.4204e9, 1e-7);
    }
    const auto other = axis_of({"FREQ", "Hz", 1.42e9, 1e5, 1.4204e9}, 1.43e9);
    near(other.coordinates[2], c * (1 - 1.42e9 / 1.43e9));
    const auto none = axis_of({"FREQ", "MHz", 1420, 0.1, 0});
    CHECK(none.unit == "Hz");
    near(none.coordinates[2], 1.42e9);
    near(none.widths[0], 1e5, 1e-6);
    const auto given = axis_of({"FREQ", "MHz", 1420, 0.1, 0}, 1.4204e9);
    near(given.coordinates[2], c * (1 - 1.42e9 / 1.4204e9));
}

TEST_CASE("moment axis: velocities stay what they are, wavelengths become optical velocity") {
    const auto radio = axis_of({"VRAD", "km/s", 1500, -10, 0});
    near(radio.coordinates[2], 1500);
    near(radio.widths[7], 10);
    const auto again = axis_of({"VRAD", "m/s", 0, 1000, 1.4e9}, 1.5e9);
    near(again.coordinates[2], c * (1 - 1.4 / 1.5));
    const auto optical = axis_of({"VOPT", "m/s", 20000, 5000, 1.4204e9});
    CHECK(optical.meaning == "optical velocity");
    near(optical.coordinates[3], 25);
    CHECK(axis_of({"VELO", "m/s", 20000, 5000, 1.4204e9}).meaning == "apparent radial velocity");
    const double rest = 4.5e14, rest_wavelength = 299792458.0 / rest;
    const auto wave = axis_of({"WAVE", "m", rest_wavelength, 1e-10, rest});
    CHECK(wave.meaning == "optical velocity");
    near(wave.coordinates[2], 0, 1e-6);
    near(wave.coordinates[5], c * 3e-10 / rest_wavelength, 1e-6);
    CHECK(axis_of({"WAVE", "m", rest_wavelength, 1e-10, 0}).unit == "m");
    const auto air = axis_of({"AWAV", "m", rest_wavelength, 1e-10, rest});
    CHECK(air.coordinates[2] > 60); // the same wavelength in air is longer in vacuum
}

TEST_CASE("moment axis: a single channel has the width of the increment, unknown axes count by their numbers") {
    const auto one = axis_of({"FREQ", "Hz", 1.42e9, -1e5, 1.4204e9, 1});
    near(one.widths.at(0), c * 1e5 / 1.4204e9, 1e-7);
    const auto other = axis_of({"PRESSURE", "Pa", 5, 0.5, 0});
    REQUIRE(other.coordinates.size() == 8);
    near(other.coordinates[3], 5.5);
    near(other.widths[3], 0.5);
}
