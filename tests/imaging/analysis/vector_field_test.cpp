// Vector overlays against the rule, written down pixel by pixel.

#include "imaging/analysis/vector_field.hpp"
#include "imaging/pixels/polarization.hpp"
#include "tests/imaging/pixels/test_sources.hpp"
#include "tests/support/effort.hpp"
#include "tests/support/random_seed.hpp"

#include <doctest/doctest.h>

#include <functional>
#include <iterator>
#include <numbers>

using namespace cubelink::imaging;
using namespace cubelink::imaging::test;

namespace {

constexpr double none = std::numeric_limits<double>::quiet_NaN();

/// The mean of the finite pixels of a block.
double mean_of(const MemorySource& source, std::int64_t bx, std::int64_t by, std::int64_t mip, PlaneId plane) {
    const auto& shape = source.shape();
    double sum = 0;
    std::int64_t count = 0;
    for (std::int64_t y = by * mip; y < std::min(shape.height, (by + 1) * mip); ++y) {
        for (std::int64_t x = bx * mip; x < std::min(shape.width, (bx + 1) * mip); ++x) {
            const auto value = double(float(source.at(x, y, plane.channel, plane.stokes)));
            if (!std::isfinite(value)) continue;
            sum += value;
            ++count;
        }
    }
    return count > 0 ? sum / double(count) : none;
}

struct Vector {
    double intensity = none, angle = none;
};

Vector by_the_rule(const MemorySource& source, std::int64_t bx, std::int64_t by, const VectorFieldSpec& spec) {
    Vector computed, taken, result;
    if (spec.computes()) {
        const double q = mean_of(source, bx, by, spec.mip, spec.q), u = mean_of(source, bx, by, spec.mip, spec.u);
        double square = q * q + u * u;
        if (spec.debiasing) square -= (spec.q_error * spec.q_error + spec.u_error * spec.u_error) / 2;
        const double pi = square >= 0 ? std::sqrt(square) : none;
        const double i = spec.needs_i() ? mean_of(source, bx, by, spec.mip, spec.i) : none;
        computed = {spec.fractional ? 100 * pi / i : pi, 0.5 * std::atan2(u, q) * 180 / std::numbers::pi};
        if (std::isnan(q) || std::isnan(u)) computed.angle = none;
        if (spec.threshold && !((spec.threshold_on_pi ? pi : i) >= *spec.threshold)) computed = {};
    }
    if (spec.takes_plane()) {
        const double value = mean_of(source, bx, by, spec.mip, spec.plane);
        if (!spec.threshold || value >= *spec.threshold) taken = {value, value};
    }
    if (spec.intensity != VectorComponent::none) result.intensity = spec.intensity == VectorComponent::plane ? taken.intensity : computed.intensity;
    if (spec.angle != VectorComponent::none) result.angle = spec.angle == VectorComponent::plane ? taken.angle : computed.angle;
    return result;
}

/// Equal but for rounding. Where a difference decides (root, threshold), the last digit of a sum may decide otherwise.
bool close(double expected, float value, double scale) {
    if (std::isnan(expected) || !std::isfinite(expected)) return std::isnan(value);
    return std::abs(expected - double(value)) <= 1e-6 * std::max(std::abs(expected), scale);
}

std::vector<VectorTile> compute(const ImageSource& source, const VectorFieldSpec& spec, int threads = 2, const std::optional<Rect>& view = {}) {
    std::vector<VectorTile> tiles;
    const auto places = vector_tiles(source.shape(), spec.mip, view);
    while (tiles.size() < places.size()) {
        auto some = compute_vector_tiles(source, spec, std::span(places).subspan(tiles.size()), threads, {});
        REQUIRE(!some.empty());
        std::move(some.begin(), some.end(), std::back_inserter(tiles));
    }
    return tiles;
}

/// Moderate values: whether a sum reaches a threshold doesn't depend on its last digits then.
void fill(MemorySource& source, std::uint64_t seed, double blanks) {
    std::mt19937_64 random(seed);
    for (double& pixel : source.pixels) pixel = odd_value(random, blanks, false);
}

void compare(const MemorySource& source, const VectorFieldSpec& spec, int threads) {
    const auto places = vector_tiles(source.shape(), spec.mip);
    const auto tiles = compute(source, spec, threads);
    REQUIRE(tiles.size() == places.size());
    std::size_t wrong = 0;
    for (std::size_t t = 0; t < tiles.size(); ++t) {
        const auto& tile = tiles[t];
        REQUIRE(tile.place == places[t]);
        const auto size = std::size_t(tile.place.width) * std::size_t(tile.place.height);
        REQUIRE(tile.intensity.size() == (spec.intensity == VectorComponent::none ? 0 : size));
        REQUIRE(tile.angle.size() == (spec.angle == VectorComponent::none ? 0 : size));
        for (std::int64_t y = 0; y < tile.place.height; ++y) {
            for (std::int64_t x = 0; x < tile.place.width; ++x) {
                const auto expected = by_the_rule(source, tile.place.x * 256 + x, tile.place.y * 256 + y, spec);
                const auto at = std::size_t(y * tile.place.width + x);
                if (!tile.intensity.empty()) wrong += close(expected.intensity, tile.intensity[at], 1e-3) ? 0 : 1;
                if (!tile.angle.empty()) wrong += close(expected.angle, tile.angle[at], 1) ? 0 : 1;
            }
        }
    }
    CHECK(wrong == 0);
}

} // namespace

TEST_CASE("tiles of a vector overlay cover the plane, those in view first") {
    const ImageShape shape{3000, 1700, 1, 1};
    CHECK(vector_tile_count(shape, 1) == 12 * 7);
    CHECK(vector_tiles(shape, 3).size() == 4 * 3);
    CHECK(vector_tiles(shape, 3)[5] == VectorTilePlace{1, 1, 256, 256});
    CHECK(vector_tiles(shape, 3)[11] == VectorTilePlace{3, 2, 1000 - 768, 567 - 512});
    CHECK(vector_tiles(shape, 1'000'000).size() == 1);
    CHECK(vector_tiles(shape, 1'000'000)[0] == VectorTilePlace{0, 0, 1, 1});
    CHECK_THROWS_AS(vector_tiles(shape, 0), std::invalid_argument);

    const auto in_view = vector_tiles(shape, 2, Rect{512, 512, 1024, 513});
    CHECK(in_view[0] == VectorTilePlace{1, 1, 256, 256});
    CHECK(in_view[1] == VectorTilePlace{0, 0, 256, 256});
    CHECK(vector_tiles(shape, 2, Rect{511, 511, 513, 513})[3] == VectorTilePlace{1, 1, 256, 256});
    CHECK(vector_tiles(shape, 2, Rect{-5000, -5000, 50000, 50000}) == vector_tiles(shape, 2));
    CHECK(vector_tiles(shape, 2, Rect{600, 600, 600, 700}) == vector_tiles(shape, 2)); // nothing in view

    // ceil(log2(12 / mip))
    CHECK(vector_tile_layer(shape, 1) == 4);
    CHECK(vector_tile_layer(shape, 2) == 3);
    CHECK(vector_tile_layer(shape, 3) == 2);
    CHECK(vector_tile_layer(shape, 5) == 2);
    CHECK(vector_tile_layer(shape, 12) == 0);
    CHECK(vector_tile_layer(shape, 4'000'000'000) == 0);
}

TEST_CASE("vectors are made of block means") {
    const std::uint64_t seed = cubelink::test::random_seed();
    CAPTURE(seed);
    std::mt19937_64 random(seed);
    const auto any = [&](auto... of) {
        const std::array list{of...};
        return list[random() % list.size()];
    };
    for (int round = 0; round < cubelink::test::effort(60); ++round) {
        CAPTURE(round);
        const ImageShape shape{1 + std::int64_t(random() % 900), 1 + std::int64_t(random() % 700), 1 + std::int64_t(random() % 2), 4};
        MemorySource source(shape, false, random() % 3 != 0);
        if (random() % 2 == 0) source.set_stored_block({any(1, 64, 1000), any(1, 37, 64)});
        fill(source, random(), any(0.0, 0.1, 0.9));
        VectorFieldSpec spec;
        spec.mip = any(1, 2, 3, 4, 5, 7, 8, 16, 33, 100, 1000, 4'000'000);
        spec.intensity = any(VectorComponent::none, VectorComponent::plane, VectorComponent::computed, VectorComponent::computed);
        spec.angle = any(VectorComponent::none, VectorComponent::plane, VectorComponent::computed, VectorComponent::computed);
        const auto channel = std::int32_t(random() % std::uint64_t(shape.depth));
        spec.plane = {channel, std::int32_t(random() % 4)};
        spec.i = {channel, 0};
        spec.q = {channel, 1};
        spec.u = {channel, 2};
        spec.fractional = random() % 2 == 0;
        spec.debiasing = random() % 2 == 0;
        spec.q_error = 0.11;
        spec.u_error = 0.07;
        if (random() % 2 == 0) spec.threshold = any(-0.5, 0.05, 0.3);
        spec.threshold_on_pi = random() % 2 == 0;
        compare(source, spec, int(1 + random() % 4));
    }
}

TEST_CASE("blocks that are larger than what is read at once") {
    // More than a million pixels in a block, and rows that are longer than a piece.
    MemorySource tall({700, 5000, 1, 3});
    fill(tall, 1, 0.2);
    VectorFieldSpec spec;
    spec.intensity = spec.angle = VectorComponent::computed;
    spec.fractional = true;
    spec.i = {0, 0};
    spec.q = {0, 1};
    spec.u = {0, 2};
    for (const std::int64_t mip : {600, 3000, 100'000}) {
        spec.mip = mip;
        compare(tall, spec, 3);
    }
    MemorySource wide({600'000, 7, 1, 3});
    fill(wide, 2, 0.2);
    for (const std::int64_t mip : {1171, 2000, 250'000, 1'000'000}) {
        spec.mip = mip;
        compare(wide, spec, 3);
    }
}

TEST_CASE("the number of threads changes no bit") {
    MemorySource source({1500, 1100, 1, 3});
    fill_odd(source, 3, 0.1);
    VectorFieldSpec spec;
    spec.intensity = spec.angle = VectorComponent::computed;
    spec.q = {0, 1};
    spec.u = {0, 2};
    for (const std::int64_t mip : {1, 3, 700, 2000}) {
        spec.mip = mip;
        const auto one = compute(source, spec, 1), four = compute(source, spec, 4);
        REQUIRE(one.size() == four.size());
        for (std::size_t i = 0; i < one.size(); ++i) {
            CHECK(std::equal(one[i].intensity.begin(), one[i].intensity.end(), four[i].intensity.begin(), same<float>));
            CHECK(std::equal(one[i].angle.begin(), one[i].angle.end(), four[i].angle.begin(), same<float>));
        }
    }
}

TEST_CASE("a plane of angles is averaged through its parts") {
    const auto base = std::make_shared<MemorySource>(ImageShape{50, 40, 1, 3});
    fill(*base, 4, 0.3);
    const PolarizationSource source(base, {1, 2, 3});
    VectorFieldSpec spec;
    spec.mip = 3;
    spec.angle = VectorComponent::plane;
    spec.plane = {0, 17};
    const auto tile = compute(source, spec).at(0);
    for (std::int64_t by = 0; by < 14; ++by) {
        for (std::int64_t bx = 0; bx < 17; ++bx) {
            double u = 0, q = 0;
            int count = 0;
            for (std::int64_t y = 3 * by; y < std::min<std::int64_t>(40, 3 * by + 3); ++y) {
                for (std::int64_t x = 3 * bx; x < std::min<std::int64_t>(50, 3 * bx + 3); ++x) {
                    if (!std::isfinite(base->at(x, y, 0, 1)) || !std::isfinite(base->at(x, y, 0, 2))) continue;
                    q += base->at(x, y, 0, 1);
                    u += base->at(x, y, 0, 2);
                    ++count;
                }
            }
            CHECK(close(count > 0 ? 0.5 * std::atan2(u, q) * 180 / std::numbers::pi : none, tile.angle[std::size_t(by * 17 + bx)], 1));
        }
    }
}

TEST_CASE("a vector overlay ends soon when it is cancelled, and holds little") {
    class Watched : public MemorySource {
    public:
        Watched() : MemorySource({2000, 2000, 1, 3}) {}
        void read(const Rect& rect, PlaneId plane, std::span<float> out, int threads, const CancelToken& cancel) const override {
            MemorySource::read(rect, plane, out, threads, cancel);
            if (on_read) on_read();
        }
        std::function<void()> on_read;
    } source;
    fill(source, 5, 0);
    VectorFieldSpec spec;
    spec.mip = 1;
    spec.intensity = spec.angle = VectorComponent::computed;
    spec.q = {0, 1};
    spec.u = {0, 2};
    const CancelToken cancel;
    source.on_read = [&] { cancel.cancel(); };
    CHECK_THROWS_AS(compute_vector_tiles(source, spec, vector_tiles(source.shape(), 1), 1, cancel), Cancelled);
    CHECK(source.pixels_read <= 1 << 17);
    CHECK(vector_field_bytes(source, spec, 2) < (std::size_t{64} << 20));
    for (const std::int64_t mip : {1, 2, 16, 17, 64, 1000, 1'000'000}) {
        // Of an image that need not be there.
        class Huge : public MemorySource {
        public:
            Huge() : MemorySource({1, 1, 1, 3}) {}
            const ImageShape& shape() const override { return huge_; }
            ImageShape huge_{200'000, 200'000, 1, 3};
        } huge;
        spec.mip = mip;
        CHECK(vector_field_bytes(huge, spec, 16) < (std::size_t{512} << 20));
    }
}
