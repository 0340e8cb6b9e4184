// Contours: known lines, the same lines however the plane is divided, chunks, stopping and memory.

#include "imaging/analysis/contour.hpp"
#include "imaging/analysis/contour_encoding.hpp"
#include "imaging/analysis/contour_kernels.hpp"
#include "imaging/source/memory_image.hpp"
#include "tests/imaging/pixels/test_sources.hpp"
#include "tests/support/effort.hpp"
#include "tests/support/random_seed.hpp"

#include <doctest/doctest.h>

#include <array>
#include <cfloat>
#include <cstring>
#include <memory>
#include <map>
#include <mutex>
#include <set>

using namespace cubelink::imaging;
using namespace cubelink::imaging::test;

namespace {

using Line = std::vector<float>;
using Lines = std::vector<Line>; // of a level, in the order in which they came

constexpr std::size_t plenty = std::size_t(1) << 28;

std::vector<SimdLevel> simd_levels() {
    std::vector<SimdLevel> all{SimdLevel::plain};
    if (simd_level() >= SimdLevel::avx2) all.push_back(SimdLevel::avx2);
    if (simd_level() >= SimdLevel::avx512) all.push_back(SimdLevel::avx512);
    return all;
}

/// Rows from the bottom up.
using SourcePtr = std::unique_ptr<MemorySource>;

SourcePtr source_of(std::int64_t width, std::vector<double> pixels) {
    auto source = std::make_unique<MemorySource>(ImageShape{width, std::int64_t(pixels.size()) / width, 1, 1});
    source->pixels = std::move(pixels);
    return source;
}

void split(const ContourChunk& chunk, Lines& out) {
    for (std::size_t i = 0; i < chunk.starts.size(); ++i) {
        const auto end = i + 1 < chunk.starts.size() ? std::size_t(chunk.starts[i + 1]) : chunk.vertices.size();
        out.emplace_back(chunk.vertices.begin() + chunk.starts[i], chunk.vertices.begin() + std::ptrdiff_t(end));
    }
}

std::vector<Lines> contours(const ImageSource& source, ContourSpec spec, int threads = 1, std::size_t memory = plenty) {
    BudgetCache budget(memory);
    std::vector<Lines> all(spec.levels.size());
    std::mutex mutex;
    Contouring contouring(source, {}, std::move(spec), budget);
    const bool done = contouring.advance(threads, {}, [&](ContourChunk&& chunk) {
        const std::lock_guard lock(mutex);
        split(chunk, all[chunk.level]);
        return true;
    });
    CHECK(done);
    return all;
}

ContourSpec at(std::vector<double> levels) {
    ContourSpec spec;
    spec.levels = std::move(levels);
    return spec;
}

/// Values that meet levels exactly, blanks, and extremes.
SourcePtr random_source(std::mt19937_64& random) {
    const auto side = [&] { return random() % 5 == 0 ? 1 + std::int64_t(random() % 3) : 1 + std::int64_t(random() % 150); };
    auto source = std::make_unique<MemorySource>(ImageShape{side(), side(), 1, 1});
    const double blanks = std::array{0.0, 0.02, 0.5}[random() % 3];
    const bool plateaus = random() % 2 == 0;
    std::uniform_real_distribution<double> uniform(0, 1);
    for (double& value : source->pixels) {
        value = plateaus ? double(random() % 4) : uniform(random);
        if (uniform(random) >= blanks) continue;
        value = std::array<double, 5>{std::nan(""), HUGE_VAL, -HUGE_VAL, FLT_MAX, -FLT_MAX}[random() % 5];
    }
    return source;
}

/// Segments between neighbouring vertices.
std::multiset<std::array<float, 4>> segments(const Lines& lines) {
    std::multiset<std::array<float, 4>> all;
    for (const auto& line : lines)
        for (std::size_t i = 2; i < line.size(); i += 2) all.insert({line[i - 2], line[i - 1], line[i], line[i + 1]});
    return all;
}

} // namespace

TEST_CASE("a peak is one closed line, with the high side on its right") {
    const auto peak = source_of(3, {0, 0, 0, 0, 4, 0, 0, 0, 0});
    const auto lines = contours(*peak, at({1, 2}));
    // Clockwise, from its first upward crossing; coordinates are pixels + 0.5.
    CHECK(lines[0] == Lines{{0.75f, 1.5f, 1.5f, 2.25f, 2.25f, 1.5f, 1.5f, 0.75f, 0.75f, 1.5f}});
    CHECK(lines[1] == Lines{{1.0f, 1.5f, 1.5f, 2.0f, 2.0f, 1.5f, 1.5f, 1.0f, 1.0f, 1.5f}});
}

TEST_CASE("open lines begin and end at the border, at the place that is interpolated") {
    // One line for each border that it begins at, in the order row 0, last column, last row, column 0.
    CHECK(contours(*source_of(2, {0, 4, 0, 4}), at({1}))[0] == Lines{{0.75f, 0.5f, 0.75f, 1.5f}});
    CHECK(contours(*source_of(2, {0, 0, 4, 4}), at({1}))[0] == Lines{{1.5f, 0.75f, 0.5f, 0.75f}});
    CHECK(contours(*source_of(2, {4, 0, 4, 0}), at({1}))[0] == Lines{{1.25f, 1.5f, 1.25f, 0.5f}});
    CHECK(contours(*source_of(2, {4, 4, 0, 0}), at({1}))[0] == Lines{{0.5f, 1.25f, 1.5f, 1.25f}});
    const auto corners = contours(*source_of(3, {4, 0, 4, 0, 0, 0, 4, 0, 4}), at({1}))[0];
    CHECK(corners == Lines{{1.75f, 0.5f, 2.5f, 1.25f}, {2.5f, 1.75f, 1.75f, 2.5f}, {1.25f, 2.5f, 0.5f, 1.75f}, {0.5f, 1.25f, 1.25f, 0.5f}});
}

TEST_CASE("a value that is equal to the level is on its high side") {
    CHECK(contours(*source_of(3, {1, 1, 1, 1, 1, 1, 1, 1, 1}), at({1}))[0].empty());
    CHECK(contours(*source_of(3, {0, 0, 0, 0, 1, 0, 0, 0, 0}), at({1}))[0] == Lines{Line(10, 1.5f)});
    // A level between two neighbouring floats, and levels that no float32 reaches.
    const double between = (1.0 + double(std::nextafter(1.0f, 2.0f))) / 2;
    CHECK(contours(*source_of(2, {1, 1, 1, 1}), at({between, 1e300, -1e300})) == std::vector<Lines>(3));
    CHECK(contours(*source_of(2, {0, FLT_MAX, 0, FLT_MAX}), at({double(FLT_MAX), 1e39}))[0].size() == 1);
}

TEST_CASE("blanks are as low as values get") {
    for (const double blank : {std::nan(""), HUGE_VAL, -HUGE_VAL, -double(FLT_MAX)})
        CHECK(contours(*source_of(3, {3, 3, 3, 3, blank, 3, 3, 3, 3}), at({1}))[0] ==
              Lines{{2.5f, 1.5f, 1.5f, 2.5f, 0.5f, 1.5f, 1.5f, 0.5f, 2.5f, 1.5f}});
}

TEST_CASE("planes without cells have no lines, and each level still ends") {
    for (const auto& shape : {ImageShape{1, 1, 1, 1}, ImageShape{1, 9, 1, 1}, ImageShape{9, 1, 1, 1}}) {
        MemorySource source(shape);
        BudgetCache budget(plenty);
        Contouring contouring(source, {}, at({-1, 0, 1}), budget);
        std::mutex mutex;
        std::set<std::size_t> ended;
        CHECK(contouring.advance(2, {}, [&](ContourChunk&& chunk) {
            CHECK(chunk.progress == 1);
            CHECK(chunk.vertices.empty());
            const std::lock_guard lock(mutex);
            ended.insert(chunk.level);
            return true;
        }));
        CHECK(ended.size() == 3);
    }
}

TEST_CASE("the lines do not depend on how the plane is divided") {
    const std::uint64_t seed = cubelink::test::random_seed();
    CAPTURE(seed);
    std::mt19937_64 random(seed);
    for (int round = 0; round < cubelink::test::effort(150); ++round) {
        const auto made = random_source(random);
        const MemorySource& source = *made;
        auto spec = at({0.5, 1, 2.5});
        spec.smoothing = static_cast<Smoothing>(random() % 3);
        spec.factor = int(random() % 5);
        spec.band_pixels = std::size_t(1) << 30;
        if (random() % 3 == 0) { // within some rectangle with a hole
            std::vector<PixelRun> runs;
            const auto w = source.shape().width, h = source.shape().height;
            for (std::int64_t y = h / 5; y < h; ++y) {
                if (w > 20 && y % 7 == 3) {
                    runs.push_back({y, 1, 9});
                    runs.push_back({y, 13, w - 2});
                } else if (w > 3) {
                    runs.push_back({y, 0, w - 1});
                }
            }
            spec.within = std::make_shared<const PixelMask>(std::move(runs));
        }
        // 16 rows at least are a band unless it is too large.
        auto serial = spec;
        const auto expected = contours(source, serial);
        spec.band_pixels = std::size_t(source.shape().width) * (1 + random() % 4);
        const auto h = std::int64_t(source.shape().height);
        if (random() % 2 == 0) spec.first = Rect{0, std::int64_t(random()) % h, 5, h};
        const auto divided = contours(source, spec, 1 + int(random() % 4));
        CAPTURE(round);
        for (std::size_t level = 0; level < expected.size(); ++level) {
            auto a = expected[level], b = divided[level];
            if (spec.first) { // lines that are given out first come first
                std::sort(a.begin(), a.end());
                std::sort(b.begin(), b.end());
            }
            CHECK(a == b);
        }
    }
}

TEST_CASE("within a region, lines end where it does") {
    MemorySource source({8, 8, 1, 1});
    for (std::int64_t y = 0; y < 8; ++y)
        for (std::int64_t x = 0; x < 8; ++x) source.at(x, y) = double(x);
    auto spec = at({3.5});
    std::vector<PixelRun> runs;
    for (std::int64_t y = 2; y < 6; ++y) runs.push_back({y, 2, 6});
    spec.within = std::make_shared<const PixelMask>(std::move(runs));
    CHECK(contours(source, spec)[0] == Lines{{4, 2.5f, 4, 3.5f, 4, 4.5f, 4, 5.5f}});
    spec.within = std::make_shared<const PixelMask>();
    CHECK(contours(source, spec)[0].empty());
}

TEST_CASE("chunks: larger than asked for by no more than their last line, and the level's last one ends it") {
    std::mt19937_64 random(5);
    MemorySource source({300, 300, 1, 1});
    for (double& value : source.pixels) value = double(random() % 1000);
    BudgetCache budget(plenty);
    auto spec = at({500, 700});
    spec.chunk_vertices = 1000;
    spec.band_pixels = 3000;
    std::mutex mutex;
    std::map<std::size_t, std::vector<ContourChunk>> chunks;
    Contouring contouring(source, {}, spec, budget);
    CHECK(contouring.advance(3, {}, [&](ContourChunk&& chunk) {
        const std::lock_guard lock(mutex);
        chunks[chunk.level].push_back(std::move(chunk));
        return true;
    }));
    REQUIRE(chunks.size() == 2);
    for (const auto& [level, list] : chunks) {
        CHECK(list.size() > 10);
        for (std::size_t i = 0; i < list.size(); ++i) {
            const auto& chunk = list[i];
            const bool last = i + 1 == list.size();
            CHECK((chunk.progress == 1) == last);
            if (last) {
                CHECK(chunk.vertices.size() <= 2000);
                continue;
            }
            CHECK(chunk.progress > 0);
            CHECK(chunk.progress <= 0.99);
            CHECK(chunk.vertices.size() > 2000);
            // Without one of its lines it is not larger.
            std::size_t longest = 0;
            for (std::size_t k = 0; k < chunk.starts.size(); ++k)
                longest = std::max(longest, (k + 1 < chunk.starts.size() ? std::size_t(chunk.starts[k + 1]) : chunk.vertices.size()) - std::size_t(chunk.starts[k]));
            CHECK(chunk.vertices.size() - longest <= 2000);
        }
    }
}

TEST_CASE("what is in view comes first") {
    std::mt19937_64 random(6);
    MemorySource source({64, 2048, 1, 1});
    for (std::int64_t y = 0; y < 2048; ++y) // separate peaks, none beside another
        for (std::int64_t x = 0; x < 64; ++x) source.at(x, y) = x % 4 == 2 && y % 4 == 2 ? 1 + double(random() % 100) : 0;
    auto spec = at({0.5});
    spec.band_pixels = 64 * 16;
    spec.first = Rect{0, 1000, 64, 1100};
    BudgetCache budget(plenty);
    Contouring contouring(source, {}, spec, budget);
    std::vector<ContourChunk> chunks;
    CHECK(contouring.advance(1, {}, [&](ContourChunk&& chunk) {
        chunks.push_back(std::move(chunk));
        return true;
    }));
    REQUIRE(chunks.size() == 2);
    Lines first, rest;
    split(chunks[0], first);
    split(chunks[1], rest);
    CHECK(first.size() + rest.size() == 16 * 512);
    CHECK(first.size() <= 16 * 40);
    CHECK(first.size() >= 16 * 25);
    for (const auto& line : first) CHECK((line[1] > 950 && line[1] < 1150));
    for (const auto& line : rest) CHECK(!(line[1] > 1001 && line[1] < 1099));
}

TEST_CASE("a sink that has no room stops it, and it goes on without loss") {
    std::mt19937_64 random(7);
    MemorySource source({200, 300, 1, 1});
    for (double& value : source.pixels) value = double(random() % 1000);
    auto spec = at({});
    for (int i = 0; i < 20; ++i) spec.levels.push_back(40 * i + 0.5);
    const auto expected = contours(source, spec);
    const auto allowance = plenty / 16;
    spec.chunk_vertices = 500;
    spec.band_pixels = 200 * 8;
    BudgetCache budget(plenty);
    Contouring contouring(source, {}, spec, budget);
    std::vector<Lines> all(spec.levels.size());
    std::mutex mutex;
    std::set<std::size_t> ended;
    int calls = 1;
    while (!contouring.advance(2, {}, [&](ContourChunk&& chunk) {
        const std::lock_guard lock(mutex);
        CHECK(!ended.contains(chunk.level));
        if (chunk.progress == 1) ended.insert(chunk.level);
        split(chunk, all[chunk.level]);
        return random() % 3 != 0;
    })) {
        REQUIRE(++calls < 100000);
        // What it would need to go on is free meanwhile, so that it is no burden while a client does not read.
        CHECK(budget.statistics().used < allowance / 4);
    }
    CHECK(budget.statistics().used == 0);
    CHECK(calls > 20);
    CHECK(ended.size() == spec.levels.size());
    for (std::size_t level = 0; level < all.size(); ++level) {
        auto a = expected[level], b = all[level];
        std::sort(a.begin(), a.end());
        std::sort(b.begin(), b.end());
        CHECK(a == b);
    }
}

TEST_CASE("cancelled, and an error of the sink") {
    MemorySource source({500, 500, 1, 1});
    for (std::size_t i = 0; i < source.pixels.size(); ++i) source.pixels[i] = double(i % 7);
    BudgetCache budget(plenty);
    const CancelToken cancel;
    auto spec = at({1, 2, 3});
    spec.chunk_vertices = 100;
    {
        Contouring contouring(source, {}, spec, budget);
        CHECK_THROWS_AS(contouring.advance(2, cancel, [&](ContourChunk&&) {
            cancel.cancel();
            return true;
        }), Cancelled);
    }
    {
        Contouring contouring(source, {}, spec, budget);
        CHECK_THROWS_AS(contouring.advance(2, {}, [](ContourChunk&&) -> bool { throw std::runtime_error("full"); }), std::runtime_error);
    }
    CHECK(budget.statistics().used == 0);
    {
        // What the sink needs is taken with the rest, and all of it comes back.
        spec.sink_bytes = std::size_t(1) << 20;
        Contouring contouring(source, {}, spec, budget);
        CHECK(budget.statistics().used == 0);
        CHECK(contouring.advance(2, {}, [&](ContourChunk&&) {
            CHECK(budget.statistics().used > plenty / 16 + spec.sink_bytes);
            return true;
        }));
        CHECK(contouring.has_traced_all());
        CHECK(budget.statistics().used == 0);
    }
    spec.smoothing = Smoothing::gaussian;
    spec.factor = max_gaussian_factor + 1;
    CHECK_THROWS_AS(Contouring(source, {}, spec, budget), std::invalid_argument);
}

TEST_CASE("with little memory, lines over several bands come in parts, and none is missing") {
    // A level of noise around which lines are long, and a spiral.
    MemorySource source({1500, 1200, 1, 1});
    std::mt19937_64 random(8);
    for (double& value : source.pixels) value = double(random() % 1000);
    auto spec = at({420, 500, 530});
    const auto whole = contours(source, spec);
    spec.band_pixels = 1500 * 3;
    const std::size_t memory = std::size_t(16) << 20; // an allowance of 1 MiB
    const auto parts = contours(source, spec, 2, memory);
    bool divided = false;
    for (std::size_t level = 0; level < whole.size(); ++level) {
        divided = divided || parts[level].size() > whole[level].size();
        CHECK(segments(parts[level]) == segments(whole[level]));
    }
    CHECK(divided);
}

TEST_CASE("kernels: each instruction set gives the same bits") {
    const std::uint64_t seed = cubelink::test::random_seed();
    CAPTURE(seed);
    std::mt19937_64 random(seed);
    for (int round = 0; round < cubelink::test::effort(200); ++round) {
        const std::size_t n = random() % 400, taps = 1 + random() % 12;
        std::vector<float> values(n * taps), weights(taps), vertices(2 * n);
        for (float& value : values) value = random() % 9 == 0 ? std::numeric_limits<float>::quiet_NaN() : float(odd_value(random, 0.0));
        for (float& weight : weights) weight = float(1 + random() % 100) / 100;
        for (float& vertex : vertices) vertex = float(random() % 3000000) / 100;
        std::vector<const float*> rows(taps, nullptr);
        for (std::size_t k = 0; k < taps; ++k) rows[k] = values.data() + k * n;
        const auto blank_free = [&] {
            auto copy = values;
            for (float& value : copy)
                if (!std::isfinite(value)) value = -FLT_MAX;
            return copy;
        }();
        std::vector<std::vector<std::uint64_t>> bits;
        std::vector<std::vector<float>> means;
        std::vector<std::vector<double>> sums;
        std::vector<std::vector<std::int32_t>> quantized;
        for (const auto simd : simd_levels()) {
            bits.emplace_back((n + 63) / 64);
            kernels::at_least(blank_free.data(), n, 0.5f, bits.back().data(), simd);
            means.emplace_back(2 * n);
            kernels::weighted_mean_of_finite(rows.data(), weights.data(), taps, n, means.back().data(), simd);
            std::vector<const float*> finite_rows(taps, nullptr);
            for (std::size_t k = 0; k < taps; ++k) finite_rows[k] = blank_free.data() + k * n;
            kernels::weighted_mean(finite_rows.data(), weights.data(), taps, 3.5f, n, means.back().data() + n, simd);
            sums.emplace_back(2 * n);
            kernels::add_finite(values.data(), n, sums.back().data(), sums.back().data() + n, simd);
            quantized.emplace_back(2 * n);
            kernels::quantize_vertices(vertices.data(), 2 * n, float(1 + round % 32), quantized.back().data(), simd);
        }
        for (std::size_t i = 0; i < n; ++i) CHECK((bits[0][i / 64] >> i % 64 & 1) == (blank_free[i] >= 0.5f));
        for (std::size_t k = 1; k < bits.size(); ++k) {
            CHECK(bits[k] == bits[0]);
            const auto same = [](const auto& a, const auto& b) { return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof a[0]) == 0); };
            CHECK(same(means[k], means[0]));
            CHECK(same(sums[k], sums[0]));
            CHECK(quantized[k] == quantized[0]);
        }
    }
}

TEST_CASE("encoding: as it stands without compression, and never beyond 32 bits") {
    VertexEncoder encoder;
    const std::vector<float> vertices{0.5f, 1.25f, 2, 3};
    const auto raw = encoder.encode(vertices, 4, 4, 0, {});
    CHECK(raw.decimation == 0);
    REQUIRE(raw.data.size() == 16);
    CHECK(std::memcmp(raw.data.data(), vertices.data(), 16) == 0);
    CHECK(encoder.encode(vertices, 4, 0, 1, {}).decimation == 1);
    CHECK(encoder.encode(vertices, 4, 99, 1, {}).decimation == 32);
    CHECK(encoder.encode(vertices, 4, -5, 99, {}).decimation == 1);
    const auto wide = encoder.encode(std::vector<float>{1e9f, 0}, 1e9, 32, 3, {});
    CHECK(wide.decimation == 2);
    CHECK(encoder.encode({}, 4, 4, 8, {}).decimation == 4);

    // An encoder that was stopped is as good as new.
    const std::vector<float> many(100000, 7.25f);
    const auto expected = VertexEncoder().encode(many, 8, 4, 8, {});
    const CancelToken cancel;
    cancel.cancel();
    CHECK_THROWS_AS(encoder.encode(many, 8, 4, 8, cancel), Cancelled);
    CHECK(encoder.encode(many, 8, 4, 8, {}).data == expected.data);
}
