// Numbers of whole images: against plain loops, for any number of threads, computed once, cancelled.

#include "expression_samples.hpp"
#include "imaging/expressions/reductions.hpp"
#include "imaging/pixels/polarization.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <thread>
#include <vector>

using namespace cubelink::imaging;

namespace {

double number(samples::Images& images, const std::string& text, int threads) {
    const auto graph = images.compile("one*(" + text + ")");
    BudgetCache budget(std::size_t(1) << 30);
    const ExpressionImage image(images.compile("one*double(" + text + ")"), &budget, threads);
    std::vector<double> value(1);
    image.read64({0, 0, 1, 1}, {}, value, threads, {});
    return value[0];
}

} // namespace

TEST_CASE("numbers of whole images") {
    samples::Images images;
    images.add("one", {1, 1, 1, 1}, "", true).pixels = {1};
    for (const bool direct : {true, false}) {
        auto& cube = images.add("cube", {300, 200, 3, 2}, "", true, direct);
        test::fill_odd(cube, 7, 0.1, false);
        std::vector<double> finite;
        for (const double x : cube.pixels)
            if (std::isfinite(x)) finite.push_back(x);
        std::sort(finite.begin(), finite.end());
        const double n = double(finite.size());
        double sum = 0, squares = 0, deviations = 0;
        int above = 0;
        for (const double x : finite) sum += x;
        for (const double x : finite) {
            squares += (x - sum / n) * (x - sum / n);
            deviations += std::abs(x - sum / n);
            above += x > 0.5;
        }
        const auto fractile = [&](double f) {
            const double place = f * (n - 1);
            const auto k = std::min(finite.size() - 2, std::size_t(place));
            return finite[k] + (place - double(k)) * (finite[k + 1] - finite[k]);
        };
        const std::vector<std::pair<std::string, double>> cases{
            {"min(cube)", finite.front()},
            {"max(cube)", finite.back()},
            {"nelements(cube)", n},
            {"count(cube)", n},
            {"sum(cube)", sum},
            {"mean(cube)", sum / n},
            {"variance(cube)", squares / (n - 1)},
            {"stddev(cube)", std::sqrt(squares / (n - 1))},
            {"avdev(cube)", deviations / n},
            {"median(cube)", fractile(0.5)},
            {"fractile(cube,0.9)", fractile(0.9)},
            {"fractilerange(cube,0.1)", fractile(0.9) - fractile(0.1)},
            {"fractilerange(cube,0.1,0.3)", fractile(0.3) - fractile(0.1)},
            {"ntrue(abs(cube)<1e30 && cube>0.5)", above},
            {"nelements(cube[cube>0.5 && cube<1e30])", above},
            {"float(any(cube[abs(cube)<1e30]>4))", finite.back() > 4},
            {"float(all(cube[abs(cube)<1e30]<100))", 1},
            {"median(cube[cube>mean(cube)])",
             finite[std::size_t(std::upper_bound(finite.begin(), finite.end(), sum / n) - finite.begin()) +
                    std::size_t(finite.end() - std::upper_bound(finite.begin(), finite.end(), sum / n)) / 2]},
            {"nelements(3)", 1},
            {"mean(3)", 3},
            {"median(3)", 3},
        };
        for (const auto& one : cases) {
            const std::string& text = one.first;
            const double expected = one.second;
            INFO(text);
            const double once = number(images, text, 1);
            if (text.find("mean(cube)]") == std::string::npos) CHECK(once == doctest::Approx(expected).epsilon(1e-9));
            CHECK(number(images, text, 3) == once);
        }
    }
}

TEST_CASE("numbers are computed once, at the first read, and until then nothing is promised") {
    samples::Images images;
    auto& source = images.add("a", {100, 100, 1, 1});
    const auto image = images.image("a - mean(a) + stddev(a) - min(a) + max(a)");
    CHECK(source.pixels_read == 0);
    CHECK(!image->capabilities().random_access);
    CHECK(image->capabilities().whole_planes_only);
    std::vector<std::jthread> threads;
    std::atomic<int> done{0};
    for (int n = 0; n < 4; ++n)
        threads.emplace_back([&] {
            std::vector<float> pixel(1);
            image->read({0, 0, 1, 1}, {}, pixel, 1, {});
            ++done;
        });
    threads.clear();
    CHECK(done == 4);
    CHECK(source.pixels_read == 100 * 100 + 4); // one pass for all four numbers
    CHECK(image->capabilities().random_access);
    CHECK(images.image("a*2")->capabilities().random_access);
}

TEST_CASE("a cancelled computation is taken up again") {
    samples::Images images;
    images.add("a", {100, 100, 1, 1}).pixels.assign(10000, 2.0);
    const auto image = images.image("a - mean(a)");
    const CancelToken cancelled;
    cancelled.cancel();
    std::vector<float> pixel(1);
    CHECK_THROWS_AS(image->read({0, 0, 1, 1}, {}, pixel, 1, cancelled), Cancelled);
    image->prepare(2, {});
    image->read({0, 0, 1, 1}, {}, pixel, 1, {});
    CHECK(pixel[0] == 0);
}

TEST_CASE("progress") {
    samples::Images images;
    images.add("a", {100, 100, 3, 1});
    const auto image = images.image("a - mean(a) + median(a) + avdev(a)");
    double last = 0;
    bool ascending = true;
    image->prepare(2, {}, [&](double part) {
        ascending = ascending && part >= last && part <= 1;
        last = part;
    });
    CHECK(ascending);
    CHECK(last == 1);
}

TEST_CASE("computed polarizations of an expression") {
    samples::Images images;
    auto& a = images.add("a", {2, 1, 1, 4});
    a.pixels = {10, 20, 3, 5, 4, 12, 0, 0}; // I, Q, U, V
    const PolarizationSource source(images.image("a*2"), {1, 2, 3, 4});
    std::vector<float> linear(2);
    source.read({0, 0, 2, 1}, {0, 14}, linear, 1, {});
    CHECK(linear == std::vector<float>{10, 26});
}
