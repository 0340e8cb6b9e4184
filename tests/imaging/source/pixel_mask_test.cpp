#include "imaging/source/pixel_mask.hpp"
#include "tests/support/random_seed.hpp"

#include <doctest/doctest.h>
#include <random>
#include <stdexcept>

using namespace cubelink::imaging;

TEST_CASE("runs of selected pixels, from bytes and by themselves") {
    const std::vector<std::uint8_t> bytes{0, 0, 0, 0, //
                                          1, 1, 0, 1, //
                                          0, 0, 0, 0, //
                                          0, 9, 9, 0};
    const PixelMask mask({10, 20, 14, 24}, bytes);
    const std::vector<PixelRun> runs{{21, 10, 12}, {21, 13, 14}, {23, 11, 13}};
    CHECK(std::vector<PixelRun>(mask.runs().begin(), mask.runs().end()) == runs);
    CHECK(mask.count() == 5);
    CHECK(mask.bounds() == Rect{10, 21, 14, 24});
    const PixelMask same(runs);
    CHECK(same.count() == 5);
    CHECK(same.bounds() == mask.bounds());
    CHECK(PixelMask({0, 0, 2, 2}, std::vector<std::uint8_t>(4)).empty());
    CHECK(PixelMask(std::vector<PixelRun>{{3, 5, 5}}).bounds() == Rect{});
}

TEST_CASE("masks that make no sense") {
    CHECK_THROWS_AS(PixelMask({0, 0, 2, 2}, std::vector<std::uint8_t>(3)), std::invalid_argument);
    CHECK_THROWS_AS(PixelMask({2, 2, 0, 0}, std::vector<std::uint8_t>(4)), std::invalid_argument);
    using Runs = std::vector<PixelRun>;
    for (const Runs& runs : {Runs{{0, 3, 2}}, Runs{{1, 0, 2}, {0, 0, 2}}, Runs{{0, 0, 3}, {0, 2, 4}}, Runs{{0, 4, 5}, {0, 1, 2}}})
        CHECK_THROWS_AS(PixelMask{runs}, std::invalid_argument);
}

TEST_CASE("a mask holds what its bytes say") {
    const std::uint64_t seed = cubelink::test::random_seed();
    INFO("seed ", seed);
    std::mt19937_64 random(seed);
    for (int round = 0; round < 100; ++round) {
        const Rect rect{0, 0, 1 + static_cast<std::int64_t>(random() % 20), 1 + static_cast<std::int64_t>(random() % 20)};
        std::vector<std::uint8_t> bytes(static_cast<std::size_t>(rect.size())), found(bytes.size());
        for (auto& byte : bytes) byte = random() % 3 != 0 ? 1 : 0;
        const PixelMask mask(rect, bytes);
        for (const PixelRun& run : mask.runs())
            for (std::int64_t x = run.x0; x < run.x1; ++x) ++found[static_cast<std::size_t>(run.y * rect.width() + x)];
        CHECK(found == bytes);
    }
}
