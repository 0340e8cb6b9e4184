#include "imaging/fits/open_fits.hpp"
#include "tests/imaging/fits/sample_files.hpp"

#include <array>
#include <cmath>
#include <doctest/doctest.h>
#include <random>
#include <thread>

using namespace cubelink::imaging;

TEST_CASE("sexagesimal texts carry over") {
    CHECK(format_hours(180, 3) == "12:00:00.000");
    CHECK(format_hours(359.9999999, 3) == "00:00:00.000");
    CHECK(format_hours(-15, 0) == "23:00:00");
    CHECK(format_degrees(-0.5, 2) == "-00:30:00.00");
    CHECK(format_degrees(9.99999999, 2) == "+10:00:00.00");
    CHECK(format_degrees(NAN, 2) == "nan");
}

TEST_CASE("frames there and back") {
    std::mt19937 random(1);
    std::uniform_real_distribution<double> lon(0, 360), lat(-90, 90);
    const std::array systems{SkySystem{SkyFrame::icrs, 2000}, SkySystem{SkyFrame::fk5, 2000}, SkySystem{SkyFrame::fk5, 2015.5}, SkySystem{SkyFrame::fk4, 1950},
                             SkySystem{SkyFrame::galactic, 2000}, SkySystem{SkyFrame::ecliptic, 2000}};
    for (int round = 0; round < 200; ++round) {
        const SkyPoint point{lon(random), lat(random)};
        for (const auto& from : systems) {
            for (const auto& to : systems) CHECK(separation(point, convert(convert(point, from, to), to, from)) * 3600 < 1e-3);
        }
    }
    CHECK(std::isnan(convert({1, 2}, {SkyFrame::unknown, 2000}, {SkyFrame::icrs, 2000}).lon));
}

TEST_CASE("spectral conversions are each other's inverse") {
    for (const auto kind : {SpectralKind::wavelength, SpectralKind::air_wavelength, SpectralKind::velocity_radio, SpectralKind::velocity_optical,
                            SpectralKind::velocity_relativistic}) {
        for (const double frequency : {1e9, 1.4e9, 2.3e9, 4e9})
            CHECK(to_frequency(from_frequency(frequency, kind, 1.42e9), kind, 1.42e9) == doctest::Approx(frequency).epsilon(1e-12));
    }
    CHECK(std::isnan(from_frequency(1e9, SpectralKind::velocity_radio, 0)));
    CHECK(std::isnan(from_frequency(0, SpectralKind::wavelength, 0)));
}

TEST_CASE("many threads ask one Wcs") {
    const samples::TemporaryFolder folder;
    const FitsImage image = open_fits(folder.write("cube.fits", samples::cube()), "");
    REQUIRE(image.wcs);
    const auto expected = image.wcs->pixel_to_world({1, 2}, 3);
    std::vector<std::thread> threads;
    std::array<int, 8> wrong{};
    for (std::size_t i = 0; i < wrong.size(); ++i) {
        threads.emplace_back([&, i] {
            for (int round = 0; round < 500; ++round) {
                if (image.wcs->pixel_to_world({1, 2}, 3) != expected) ++wrong[i];
                const std::array<SkyPoint, 1> points{SkyPoint{180.0, 10.0}};
                std::array<PixelPoint, 1> pixels{};
                image.wcs->sky_to_pixels(points, 0, pixels);
                if (std::fabs(pixels[0].x - 3) > 1e-9 || std::fabs(pixels[0].y - 2) > 1e-9) ++wrong[i];
            }
        });
    }
    for (auto& thread : threads) thread.join();
    for (const int count : wrong) CHECK(count == 0);
    CHECK(image.wcs->pixel_area().value() == doctest::Approx(1e-6));
    CHECK(image.wcs->frame_text() == "FK5, J2000");
}

TEST_CASE("a broken description of the world costs the world, not the image") {
    const samples::TemporaryFolder folder;
    for (const char* card : {"CD1_1   = 0.0", "CTYPE1  = 'RA---XXX'", "PC1_1   = 0.0", "CDELT1  = 0.0", "CUNIT1  = 'furlong'", "WCSAXES = 400", "A_ORDER = 99"}) {
        const std::string bytes = samples::primary_header(-32, {4, 3}, {card, "CTYPE2  = 'DEC--TAN'", "CRVAL1  = 10.0", "CRVAL2  = 20.0"});
        const FitsImage image = open_fits(folder.write("broken.fits", bytes + samples::padded(std::string(48, '\0'))), "");
        CHECK(image.source->shape() == ImageShape{4, 3, 1, 1});
    }
}

TEST_CASE("defaults of the frame") {
    const samples::TemporaryFolder folder;
    const auto frame = [&](std::vector<std::string> cards) {
        cards.insert(cards.end(), {"CTYPE1  = 'RA---TAN'", "CTYPE2  = 'DEC--TAN'", "CRVAL1  = 10.0", "CRVAL2  = 20.0", "CDELT1  = -0.1", "CDELT2  = 0.1"});
        const auto path = folder.write("frame.fits", samples::primary_header(8, {4, 3}, cards) + samples::padded(std::string(12, '\0')));
        return open_fits(path, "").wcs->frame_text();
    };
    CHECK(frame({}) == "ICRS");
    CHECK(frame({"EQUINOX = 1950.0"}) == "FK4, B1950");
    CHECK(frame({"EQUINOX = 2000.0"}) == "FK5, J2000");
    CHECK(frame({"EPOCH   = 1950.0"}) == "FK4, B1950");
    CHECK(frame({"RADESYS = 'ICRS'", "EQUINOX = 2000.0"}) == "ICRS, J2000");
    CHECK(frame({"RADECSYS= 'FK5'"}) == "FK5, J2000");
}
