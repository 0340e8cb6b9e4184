// Spectral frames: names, what a header says of the observation, conversions. Against astropy: tests/conformance/images/test_spectral_frames.py.
#include "imaging/world/spectral_frame.hpp"

#include <cmath>
#include <doctest/doctest.h>
#include <string>
#include <vector>

using namespace cubelink::imaging;

namespace {

HeaderEntry text(const char* name, const char* value) { return {name, value, EntryType::string, 0, ""}; }
HeaderEntry number(const char* name, double value) { return {name, "", EntryType::floating, value, ""}; }

const Observation unknown;

} // namespace

TEST_CASE("spectral frames have names") {
    for (const auto frame : spectral_frames) CHECK(spectral_frame_of(name_of(frame)) == frame);
    CHECK(spectral_frame_of("barycentric ") == SpectralFrame::barycentric);
    CHECK(spectral_frame_of("HELIOCENT") == SpectralFrame::heliocentric);
    CHECK(spectral_frame_of("lgroup") == SpectralFrame::local_group);
    for (const char* name : {"", "SOURCE", "LSR", "LSRKK", "REST"}) CHECK_FALSE(spectral_frame_of(name));
}

TEST_CASE("dates as FITS writes them") {
    CHECK(parse_fits_date("2019-03-02") == std::pair(58544.0, false));
    CHECK(parse_fits_date("2019-03-02T12:00:00") == std::pair(58544.5, true));
    CHECK(parse_fits_date("2019-03-02T06:00:00.000 ") == std::pair(58544.25, true));
    CHECK(parse_fits_date("31/12/98") == std::pair(51178.0, false));
    for (const char* wrong : {"", "2019", "2019-02-30", "2019-13-01", "2019-03-02T25:00:00", "2019-03-02T12:00", "2019-03-02 12:00:00",
                               "2019-03-02T12:00:00Z", "-019-03-02", "2019-03-02T12:00:00.1e9", "40/01/98"}) {
        INFO(wrong);
        CHECK_FALSE(parse_fits_date(wrong));
    }
}

TEST_CASE("what a header says of the observation") {
    const std::vector header{text("DATE-OBS", "2019-03-02"), number("MJD-OBS", 58544.25), 
                                         number("OBSGEO-X", -1601185.4), number("OBSGEO-Y", -5041977.5), number("OBSGEO-Z", 3554875.9)};
    const auto all = observation_of(header);
    CHECK(all.mjd == 58544.25);
    CHECK(all.has_time);
    REQUIRE(all.observatory);
    for (const auto frame : spectral_frames) CHECK(why_not_convertible(frame, all).empty());
    // The middle of the observation counts for more than its beginning.
    CHECK(observation_of(std::vector{text("DATE-OBS", "2019-03-02T00:00:00"), text("DATE-AVG", "2019-03-02T12:00:00")}).mjd == 58544.5);
    // A whole day may be a date only.
    CHECK(observation_of(std::vector{number("MJD-OBS", 58544), text("DATE-OBS", "2019-03-02T12:00:00")}).mjd == 58544.5);
    for (const auto& entry : {number("MJD-OBS", 1e300), number("MJD-OBS", NAN), text("MJD-OBS", "58544"), text("DATE-OBS", "long ago")})
        CHECK_FALSE(observation_of(std::vector{entry}).mjd);
    CHECK_FALSE(observation_of(std::vector{number("OBSGEO-X", 0), number("OBSGEO-Y", 0), number("OBSGEO-Z", 0)}).observatory);
    CHECK_FALSE(why_not_convertible(SpectralFrame::topocentric, unknown).empty());
    CHECK(std::isnan(velocity_towards(SpectralFrame::heliocentric, {0, 0}, unknown)));
}

TEST_CASE("velocities of frames along the line of sight") {
    // Where the Sun goes, what is at rest in the frame comes towards it.
    const SkyPoint apex = convert({270, 30}, {SkyFrame::fk4, 1900.0}, {SkyFrame::icrs});
    CHECK(velocity_towards(SpectralFrame::lsrk, apex, unknown) == doctest::Approx(-20e3).epsilon(1e-9));
    CHECK(velocity_towards(SpectralFrame::lsrk, {apex.lon + 180, -apex.lat}, unknown) == doctest::Approx(20e3).epsilon(1e-9));
    const SkyPoint rotation = convert({90, 0}, {SkyFrame::galactic}, {SkyFrame::icrs});
    CHECK(velocity_towards(SpectralFrame::local_group, rotation, unknown) == doctest::Approx(-300e3).epsilon(1e-9));
    CHECK(velocity_towards(SpectralFrame::galactocentric, rotation, unknown) == doctest::Approx(-232e3).epsilon(1e-9));
    CHECK(velocity_towards(SpectralFrame::barycentric, rotation, unknown) == 0);
    // A line at rest in the LSRK, seen towards the apex from the barycentre, is shifted to the blue: v = -20 km/s.
    const double factor = frequency_factor(SpectralFrame::lsrk, SpectralFrame::barycentric, apex, unknown);
    CHECK(factor == doctest::Approx(1 + 20e3 / 299792458.0).epsilon(1e-8));
    for (const auto from : {SpectralFrame::lsrk, SpectralFrame::cmb, SpectralFrame::lsrd}) {
        CHECK(frequency_factor(from, from, apex, unknown) == 1);
        CHECK(frequency_factor(from, SpectralFrame::barycentric, apex, unknown) *
                  frequency_factor(SpectralFrame::barycentric, from, apex, unknown) == doctest::Approx(1).epsilon(1e-15));
    }
}
