#include "imaging/regions/region_numbers.hpp"
#include "imaging/regions/region_style.hpp"
#include "tests/support/random_seed.hpp"

#include <cmath>
#include <doctest/doctest.h>
#include <random>

using namespace cubelink::imaging;

TEST_CASE("sizes and coordinates with units") {
    const auto ds9 = [](const char* text) { return size_of(text, UnitStyle::ds9).value_or(UnitNumber{NAN}).degrees(); };
    const auto crtf = [](const char* text) { return size_of(text, UnitStyle::crtf).value_or(UnitNumber{NAN}).degrees(); };
    CHECK(ds9("36\"") == doctest::Approx(0.01));
    CHECK(ds9("3'") == doctest::Approx(0.05));
    CHECK(ds9("2d") == 2);
    CHECK(ds9("+1e-1r") == doctest::Approx(18 / M_PI));
    CHECK(ds9("7") == 7);
    CHECK(crtf("36arcsec") == doctest::Approx(0.01));
    CHECK(crtf("36 arcsec") == doctest::Approx(0.01));
    CHECK(crtf("3ARCMIN") == doctest::Approx(0.05));
    CHECK(size_of("3i", UnitStyle::ds9)->unit == NumberUnit::pixel);
    CHECK(size_of("3p", UnitStyle::ds9)->unit == NumberUnit::physical);
    CHECK(size_of("3pix", UnitStyle::crtf)->unit == NumberUnit::pixel);
    for (const auto* text : {"", "\"", "x", "1x", "1 2", "--1", "+-1", "1e", "0x10", "nan", "inf", "1e999", "1.2.3", "1deg deg", "e5"}) {
        INFO(std::string(text));
        CHECK_FALSE(size_of(text, UnitStyle::crtf));
        CHECK_FALSE(number_of(text));
    }
}

TEST_CASE("sexagesimal coordinates") {
    const auto at = [](const char* text, bool hours, UnitStyle style = UnitStyle::ds9) {
        const auto number = coordinate_of(text, style, hours);
        return number ? number->degrees() : NAN;
    };
    CHECK(at("12:00:36", true) == doctest::Approx(180.15));
    CHECK(at("12:00:36", false) == doctest::Approx(12.01));
    CHECK(at("-00:30:00", false) == -0.5);
    CHECK(at("+47:12:30.42", false) == doctest::Approx(47.20845));
    CHECK(at("12:30", false) == 12.5);
    CHECK(at("18h12m24s", false) == doctest::Approx(273.1));
    CHECK(at("18h", false) == 270);
    CHECK(at("-23d11m00s", true) == doctest::Approx(-23.18333333333));
    CHECK(at("-001.54.58.0916", false, UnitStyle::crtf) == doctest::Approx(-1.9161365555));
    CHECK(at("12.5", true) == 12.5);
    CHECK(at("12.5deg", true, UnitStyle::crtf) == 12.5);
    for (const auto* text : {":", "1:", ":1", "1:2:3:4", "1:-2:3", "1:61:0", "1:2:99", "h", "1h2s3m", "1m2", "12:3x:1", "1:2: ", "nan:1:1", "--1:2:3"}) {
        INFO(std::string(text));
        if (std::string_view(text) == "1:") CHECK(at(text, false) == 1); // as "1h"
        else CHECK_FALSE(coordinate_of(text, UnitStyle::ds9, true));
    }
}

TEST_CASE("numbers come back as the same floats") {
    const unsigned seed = cubelink::test::random_seed();
    CAPTURE(seed);
    std::mt19937 random(seed);
    std::uniform_real_distribution<double> exponent(-6, 7);
    for (int round = 0; round < 20000; ++round) {
        const auto value = static_cast<float>(std::pow(10, exponent(random)) * (round % 2 ? 1 : -1));
        for (const double offset : {0.0, 1.0, 90.0}) {
            const auto text = exact_text(value, offset, 2);
            CAPTURE(text);
            CHECK(static_cast<float>(*number_of(text) - offset) == value);
            CHECK(text.size() < 24);
        }
    }
    CHECK(exact_text(0.1F, 0, 4) == "0.1000");
    CHECK(exact_text(0.1F, 1, 2) == "1.10");
    CHECK(exact_text(12.123456789, 0, 2) == "12.123457");
    CHECK(exact_text(-3, 0, 2) == "-3.00");
}

TEST_CASE("colours") {
    CHECK(color_of("blue", ColorNames::web) == "#0000FF");
    CHECK(color_of("Blue", ColorNames::x11) == "#0000FF");
    CHECK(color_of("green", ColorNames::x11) == "#00FF00");
    CHECK(color_of("green", ColorNames::web) == "#008000");
    CHECK(color_of("2ee6d6", ColorNames::web) == "#2EE6D6");
    CHECK(color_of("#0ff", ColorNames::x11) == "#00FFFF");
    CHECK(color_of("#0000aaaa0000", ColorNames::x11) == "#00AA00");
    CHECK(color_of("#888800000000", ColorNames::x11) == "#880000");
    CHECK(color_of("r", ColorNames::web) == "#FF0000");
    CHECK(color_of("yellowgreen", ColorNames::web) == "#9ACD32");
    CHECK(color_of("aliceblue", ColorNames::web) == "#F0F8FF");
    for (const auto* text : {"", "#", "#12", "#1234", "#ggg", "bluee", "12345", "##123", "#0123456789abcdef"}) CHECK_FALSE(color_of(text, ColorNames::web));
}
