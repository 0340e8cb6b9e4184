// Spectra of regions against plain loops, for one mask and for many at once.

#include "imaging/pixels/region_spectra.hpp"
#include "tests/imaging/pixels/test_sources.hpp"
#include "tests/support/effort.hpp"
#include "tests/support/random_seed.hpp"

#include <doctest/doctest.h>

#include <map>

using namespace cubelink::imaging;
using namespace cubelink::imaging::test;

namespace {

using Mask = std::shared_ptr<const PixelMask>;
constexpr double nan = std::numeric_limits<double>::quiet_NaN();

Mask random_mask(const ImageShape& shape, std::mt19937_64& random, std::int64_t largest) {
    const auto below = [&](std::int64_t n) { return static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(n)); };
    const std::int64_t width = 1 + below(std::min(largest, shape.width)), height = 1 + below(std::min(largest, shape.height));
    const std::int64_t x = below(shape.width - width + 1), y = below(shape.height - height + 1);
    const Rect rect{x, y, x + width, y + height};
    std::vector<std::uint8_t> selected(static_cast<std::size_t>(rect.size()));
    const auto dense = random() % 3;
    for (auto& one : selected) one = dense == 0 ? 1 : random() % 8 < (dense == 1 ? 7 : 2) ? 1 : 0;
    return std::make_shared<const PixelMask>(rect, selected);
}

/// One channel, by the formulas.
struct Plain {
    std::vector<double> finite;
    std::int64_t total = 0;

    void add(double value) {
        ++total;
        if (std::isfinite(value)) finite.push_back(value);
    }
    double sum() const {
        long double s = 0;
        for (const double v : finite) s += v;
        return static_cast<double>(s);
    }
    double statistic(StatsType type, double factor) const {
        const auto n = static_cast<double>(finite.size());
        if (type == StatsType::num_pixels) return n;
        if (type == StatsType::nan_count) return static_cast<double>(total) - n;
        if (finite.empty()) return nan;
        long double squares = 0, deviations = 0;
        for (const double v : finite) squares += static_cast<long double>(v) * v;
        const long double mean = static_cast<long double>(sum()) / n;
        for (const double v : finite) deviations += (v - mean) * (v - mean);
        const double low = *std::min_element(finite.begin(), finite.end()), high = *std::max_element(finite.begin(), finite.end());
        switch (type) {
        case StatsType::sum: return sum();
        case StatsType::flux_density: return sum() * factor;
        case StatsType::mean: return sum() / n;
        case StatsType::rms: return std::sqrt(static_cast<double>(squares) / n);
        case StatsType::sigma: return n < 2 ? nan : std::sqrt(static_cast<double>(deviations) / (n - 1));
        case StatsType::sum_sq: return static_cast<double>(squares);
        case StatsType::min: return low;
        case StatsType::max: return high;
        case StatsType::extrema: return std::abs(low) > std::abs(high) ? low : high;
        default: return nan;
        }
    }
};

FluxTerms terms_of(PlaneId plane) {
    FluxTerms terms;
    terms.unit = FluxUnit::per_beam;
    terms.beam_area_pixels = plane.channel % 5 == 3 ? nan : 1.5 + plane.channel + 100 * plane.stokes;
    return terms;
}

bool near(double a, double b, double scale) { return same(a, b) || std::abs(a - b) <= 1e-11 * scale; }

/// Every statistic of the mask in each channel.
std::size_t wrong_values(const MemorySource& base, const PolarizationSource& source, const RegionSpectra& spectra, std::size_t index, const PixelMask& mask) {
    std::size_t wrong = 0;
    const std::int32_t stokes = spectra.stokes();
    const bool computed = is_computed_stokes(stokes);
    std::map<StatsType, std::vector<double>> values;
    for (int type = 0; type <= 14; ++type)
        values[StatsType(type)] = region_spectrum(spectra, index, StatsType(type), terms_of);
    for (std::int32_t channel = 0; channel < spectra.depth(); ++channel) {
        Plain plain;
        std::array<Plain, 4> of_input;
        const auto inputs = computed ? source.inputs_of(Polarization(stokes)) : std::array<std::int32_t, 4>{-1, -1, -1, -1};
        for (const PixelRun& run : mask.runs()) {
            for (std::int64_t x = run.x0; x < run.x1; ++x) {
                if (!computed) {
                    plain.add(base.at(x, run.y, channel, stokes));
                    continue;
                }
                std::array<double, 4> v{};
                for (std::size_t k = 0; k < 4; ++k)
                    if (inputs[k] >= 0) of_input[k].add(v[k] = base.at(x, run.y, channel, inputs[k]));
                const double pixel = computed_polarization(Polarization(stokes), v[0], v[1], v[2], v[3]);
                plain.add(base.capabilities().prefers_double ? pixel : static_cast<double>(static_cast<float>(pixel)));
            }
        }
        double scale = 1;
        for (const double v : plain.finite) scale += std::abs(v) + v * v;
        for (const auto& [type, spectrum] : values) {
            double expected = nan;
            if (!computed || !is_combined(type)) {
                expected = plain.statistic(type, flux_factor(terms_of({channel, stokes})));
            } else {
                std::array<double, 4> v{};
                for (std::size_t k = 0; k < 4; ++k)
                    if (inputs[k] >= 0) v[k] = of_input[k].statistic(type, flux_factor(terms_of({channel, inputs[k]})));
                expected = computed_polarization(Polarization(stokes), v[0], v[1], v[2], v[3]);
            }
            if (spectrum.size() != static_cast<std::size_t>(spectra.depth())) ++wrong;
            else if (!near(spectrum[static_cast<std::size_t>(channel)], expected, std::max(scale, std::abs(expected)))) ++wrong;
        }
    }
    return wrong;
}

/// To the end, with a number of threads.
void finish(RegionSpectra& spectra, int threads) {
    while (!spectra.finished()) spectra.advance(threads, {});
}

} // namespace

TEST_CASE("every statistic of a region in each channel is that of a plain loop over its pixels") {
    const std::uint64_t seed = cubelink::test::random_seed();
    CAPTURE(seed);
    std::mt19937_64 random(seed);
    for (int round = 0; round < cubelink::test::effort(60); ++round) {
        CAPTURE(round);
        const auto length = [&](std::int64_t most) { return 1 + static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(most)); };
        const bool large = round % 10 == 9; // masks of more than one chunk
        const ImageShape shape{large ? 300 : length(40), large ? 280 : length(30), length(large ? 4 : 25), 4};
        const bool wide = random() % 2 != 0, direct = random() % 3 != 0;
        const auto base = std::make_shared<MemorySource>(shape, wide, direct);
        if (!direct && random() % 2 != 0) base->set_stored_block({shape.width, length(8)});
        fill_odd(*base, random(), 0.1, false);
        const PolarizationSource* source = nullptr;
        std::vector<int> order{1, 2, 3, 4};
        std::shuffle(order.begin(), order.end(), random);
        const auto shared = std::make_shared<const PolarizationSource>(base, order);
        source = shared.get();
        std::vector<Mask> masks;
        for (std::int64_t i = length(large ? 3 : 12); i > 0; --i) masks.push_back(random_mask(shape, random, large ? 300 : 15));
        masks.push_back(std::make_shared<const PixelMask>());
        RegionSpectraOptions options;
        options.first_slice = static_cast<std::int32_t>(length(12));
        if (random() % 2 != 0) options.slice_time = std::chrono::milliseconds(0); // a channel at a time
        for (const std::int32_t stokes : {static_cast<std::int32_t>(random() % 4), static_cast<std::int32_t>(13 + random() % 5)}) {
            CAPTURE(stokes);
            RegionSpectra spectra(shared, masks, stokes, options);
            CHECK(spectra.done() == 0);
            finish(spectra, 1 + round % 3);
            CHECK(spectra.done() == shape.depth);
            std::size_t wrong = 0;
            for (std::size_t i = 0; i < masks.size(); ++i) wrong += wrong_values(*base, *source, spectra, i, *masks[i]);
            CHECK(wrong == 0);
        }
    }
}

TEST_CASE("values depend neither on threads nor on slices nor on which masks are taken together") {
    const ImageShape shape{400, 300, 13, 2};
    const auto base = std::make_shared<MemorySource>(shape);
    fill_odd(*base, 5, 0.05);
    const auto source = std::make_shared<const PolarizationSource>(base, std::vector<int>{1, 2});
    std::mt19937_64 random(11);
    std::vector<Mask> masks;
    for (int i = 0; i < 30; ++i) masks.push_back(random_mask(shape, random, i % 10 == 0 ? 400 : 40));
    RegionSpectra together(source, masks, 1);
    finish(together, 1);
    RegionSpectraOptions slow;
    slow.first_slice = 3;
    slow.slice_time = std::chrono::milliseconds(0);
    RegionSpectra threaded(source, masks, 1, slow);
    finish(threaded, 4);
    std::size_t wrong = 0;
    for (std::size_t i = 0; i < masks.size(); ++i) {
        RegionSpectra alone(source, {masks[i]}, 1);
        finish(alone, 2);
        for (std::size_t channel = 0; channel < 13; ++channel) {
            const PlaneSummary &a = together.pixels(i)[channel], &b = threaded.pixels(i)[channel], &c = alone.pixels(0)[channel];
            for (const PlaneSummary& other : {b, c})
                if (a.count != other.count || a.total != other.total || !same(a.sum, other.sum) || !same(a.sum_sq, other.sum_sq) || !same(a.m2, other.m2) ||
                    !same(a.min, other.min) || !same(a.max, other.max))
                    ++wrong;
        }
    }
    CHECK(wrong == 0);
}

TEST_CASE("what is read is what is selected, and no more") {
    const ImageShape shape{200, 200, 50, 1};
    const auto base = std::make_shared<MemorySource>(shape);
    const auto source = std::make_shared<const PolarizationSource>(base, std::vector<int>{1});
    const std::vector<Mask> masks{std::make_shared<const PixelMask>(std::vector<PixelRun>{{3, 5, 9}, {100, 0, 200}}),
                                  std::make_shared<const PixelMask>(std::vector<PixelRun>{{3, 7, 8}})};
    RegionSpectra spectra(source, masks, 0);
    finish(spectra, 2);
    CHECK(base->pixels_read == 50 * 205);
}

TEST_CASE("a spectrum in the making: what is done is there, the rest is NaN, and it can be stopped and gone on with") {
    const ImageShape shape{20, 20, 40, 1};
    for (const bool direct : {true, false}) {
        const auto base = std::make_shared<MemorySource>(shape, false, direct);
        std::fill(base->pixels.begin(), base->pixels.end(), 2.0);
        const auto source = std::make_shared<const PolarizationSource>(base, std::vector<int>{});
        const std::vector<Mask> masks{std::make_shared<const PixelMask>(std::vector<PixelRun>{{3, 5, 9}}),
                                      std::make_shared<const PixelMask>(std::vector<PixelRun>{{7, 5, 6}})};
        RegionSpectraOptions options;
        options.first_slice = 10;
        options.slice_time = std::chrono::milliseconds(0);
        RegionSpectra spectra(source, masks, 0, options);
        CHECK(std::isnan(region_spectrum(spectra, 0, StatsType::num_pixels, {})[0]));
        spectra.advance(1, {});
        CHECK(spectra.done() == 10);
        CHECK_FALSE(spectra.finished());
        CancelToken cancelled;
        cancelled.cancel();
        CHECK_THROWS_AS(spectra.advance(1, cancelled), Cancelled);
        const auto sums = region_spectrum(spectra, 0, StatsType::sum, {});
        REQUIRE(sums.size() == 40);
        CHECK(sums[9] == 8);
        CHECK(std::isnan(sums[10]));
        spectra.drop(1);
        spectra.drop(1);
        finish(spectra, 1);
        CHECK(region_spectrum(spectra, 0, StatsType::sum, {})[39] == 8);
        CHECK(spectra.pixels(1)[9].count == 1);
        CHECK(spectra.pixels(1)[10].count == 0);
        spectra.drop(0);
        CHECK(spectra.finished());
    }
}

TEST_CASE("only what the statistics of a computed polarization need is read") {
    const ImageShape shape{20, 20, 5, 4};
    const auto base = std::make_shared<MemorySource>(shape);
    std::fill(base->pixels.begin(), base->pixels.end(), 3.0);
    const auto source = std::make_shared<const PolarizationSource>(base, std::vector<int>{1, 2, 3, 4});
    const std::vector<Mask> masks{std::make_shared<const PixelMask>(std::vector<PixelRun>{{3, 5, 9}})};
    RegionSpectraOptions options;
    options.pixels = false;
    RegionSpectra combined(source, masks, 14, options);
    finish(combined, 1);
    CHECK(base->pixels_read == 2 * 4 * 5); // Q and U
    CHECK(region_spectrum(combined, 0, StatsType::mean, {})[4] == doctest::Approx(std::sqrt(18.0)));
    CHECK(combined.pixels(0).empty());
    options = {};
    options.inputs = false;
    RegionSpectra pixels(source, masks, 15, options);
    finish(pixels, 1);
    CHECK(region_spectrum(pixels, 0, StatsType::max, {})[4] == doctest::Approx(100 * std::sqrt(3.0)));
    CHECK(pixels.input(0, 0).empty());
}

TEST_CASE("masks and stokes that the image does not have") {
    const ImageShape shape{20, 10, 5, 2};
    const auto base = std::make_shared<MemorySource>(shape);
    const auto source = std::make_shared<const PolarizationSource>(base, std::vector<int>{1, 2});
    const auto with = [&](std::vector<PixelRun> runs, std::int32_t stokes) { RegionSpectra(source, {std::make_shared<const PixelMask>(std::move(runs))}, stokes); };
    CHECK_NOTHROW(with({{9, 0, 20}}, 1));
    CHECK_THROWS_AS(with({{10, 0, 1}}, 0), std::out_of_range);
    CHECK_THROWS_AS(with({{0, -1, 1}}, 0), std::out_of_range);
    CHECK_THROWS_AS(with({{0, 19, 21}}, 0), std::out_of_range);
    CHECK_THROWS_AS(with({{0, 0, 1}}, 2), std::out_of_range);
    CHECK_THROWS_AS(with({{0, 0, 1}}, -1), std::out_of_range);
    CHECK_THROWS_AS(with({{0, 0, 1}}, 14), std::out_of_range); // no U
    CHECK_THROWS_AS(with({{0, 0, 1}}, 18), std::out_of_range);
}
