// Lines over pictures, and the steps of a grid. Where grid lines pass is held against astropy in tests/conformance/render.

#include "imaging/render/grid.hpp"
#include "tests/support/random_seed.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <random>

using namespace cubelink::imaging;

namespace {

Picture black(const PictureSize& size) {
    Picture picture(size);
    for (int y = 0; y < size.height; ++y) std::fill_n(picture.row(y), size.width, Rgba{0, 0, 0, 255});
    return picture;
}

} // namespace

TEST_CASE("a line covers the pixels that lie within half its width of it") {
    const auto seed = cubelink::test::random_seed();
    CAPTURE(seed);
    std::mt19937_64 random(seed);
    const PictureSize size{40, 30};
    std::uniform_real_distribution<double> place(-30, 70), width(1, 5);
    for (int round = 0; round < 200; ++round) {
        const PicturePoint from{place(random), place(random)}, to = round % 5 == 0 ? from : PicturePoint{round % 5 == 1 ? from.x : place(random), place(random)};
        const double wide = width(random);
        LineMask mask(size);
        mask.add(from, to, wide);
        auto picture = black(size);
        mask.paint(picture, {255, 255, 255, 255});
        int wrong = 0;
        for (int y = 0; y < size.height; ++y) {
            for (int x = 0; x < size.width; ++x) {
                const double dx = to.x - from.x, dy = to.y - from.y, length = dx * dx + dy * dy;
                const double t = length > 0 ? std::clamp(((x + 0.5 - from.x) * dx + (y + 0.5 - from.y) * dy) / length, 0.0, 1.0) : 0;
                const double distance = std::hypot(x + 0.5 - from.x - t * dx, y + 0.5 - from.y - t * dy);
                const double covered = std::clamp(wide / 2 + 0.5 - distance, 0.0, 1.0);
                if (std::abs(picture.row(y)[x].r - 255 * covered) > 1.1) ++wrong;
            }
        }
        CAPTURE(round);
        CHECK(wrong == 0);
    }
    LineMask mask(size);
    for (const double far : {1e300, -1e18, static_cast<double>(NAN), static_cast<double>(INFINITY)}) {
        mask.add({far, 0}, {0, far}, 1);
        mask.add({far, far}, {-far, 5}, 1e6);
    }
}

TEST_CASE("colours are laid over what is there") {
    LineMask mask({3, 1});
    mask.add({0.5, 0.5}, {0.5, 0.5}, 1);
    auto picture = black({3, 1});
    picture.row(0)[0] = {100, 0, 200, 255};
    mask.paint(picture, {200, 100, 0, 128});
    CHECK(std::abs(picture.row(0)[0].r - 150) <= 1);
    CHECK(std::abs(picture.row(0)[0].b - 100) <= 1);
    CHECK(picture.row(0)[0].a == 255);
    CHECK(picture.row(0)[2] == Rgba{0, 0, 0, 255});
    picture.row(0)[0] = {1, 2, 3, 0};
    mask.paint(picture, {200, 100, 0, 128});
    CHECK(picture.row(0)[0] == Rgba{200, 100, 0, 128});
}

TEST_CASE("steps are round and not less than what is asked for") {
    CHECK(round_step(0.3, true, false) == doctest::Approx(1.0 / 3));
    CHECK(round_step(7, true, false) == 10);
    CHECK(round_step(60, true, false) == 45);
    CHECK(round_step(16, true, true) == 30);
    CHECK(round_step(100, true, true) == 90);
    CHECK(round_step(1.1 / 3600, true, false) == doctest::Approx(2.0 / 3600));
    CHECK(round_step(0.013 / 3600, true, false) == doctest::Approx(0.02 / 3600));
    CHECK(round_step(3e9, false, false) == doctest::Approx(5e9));
    for (double least = 1e-9; least < 40; least *= 1.07)
        for (const bool hours : {false, true}) CHECK(round_step(least, true, hours) >= least * (1 - 1e-9));
}
