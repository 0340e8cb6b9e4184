#include "server/files/natural_order.hpp"
#include "tests/support/random_seed.hpp"

#include <algorithm>
#include <doctest/doctest.h>
#include <random>
#include <string>
#include <vector>

using cubelink::server::natural_less;

TEST_CASE("numbers by their value, letters without their case") {
    const std::vector<std::string> ordered = {"",         "#",         "1.fits",     "2.fits",     "10.fits", "99999999999999999999998.fits", "99999999999999999999999.fits",
                                              "Alpha",    "alpha",     "alpha 1",    "ALPHA2",     "alpha10", "beta",                         "cube",
                                              "cube2.fits", "cube10.fits", "cube_1_2", "cube_1_10", "cube_02_1b",              "cube_2_1c",
                                              "z",        "\xC3\xA4.fits"};
    for (std::size_t i = 0; i < ordered.size(); ++i)
        for (std::size_t j = 0; j < ordered.size(); ++j) {
            CAPTURE(ordered[i]);
            CAPTURE(ordered[j]);
            CHECK(natural_less(ordered[i], ordered[j]) == (i < j));
        }
    // Equal but for zeros or case: by their bytes, always the same way.
    CHECK(natural_less("a01", "a1"));
    CHECK_FALSE(natural_less("a1", "a01"));
}

TEST_CASE("a strict total order") {
    const auto seed = cubelink::test::random_seed();
    MESSAGE("seed " << seed);
    std::mt19937 random(seed);
    std::vector<std::string> names;
    for (int i = 0; i < 60; ++i) {
        std::string name;
        for (auto n = random() % 6; n > 0; --n) name += "aAb019./_"[random() % 9];
        if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
    }
    for (const auto& a : names)
        for (const auto& b : names) {
            if (a == b) CHECK_FALSE(natural_less(a, b));
            else CHECK(natural_less(a, b) != natural_less(b, a));
            for (const auto& c : names)
                if (natural_less(a, b) && natural_less(b, c) && !natural_less(a, c)) FAIL(a << " " << b << " " << c);
        }
}
