#include "imaging/pixels/polarization.hpp"
#include "imaging/pixels/pyramid_cache.hpp"
#include "imaging/source/memory_image.hpp"

#include <cmath>
#include <doctest/doctest.h>
#include <stdexcept>

using namespace cubelink::imaging;

namespace {

float value(std::int64_t x, std::int64_t y, std::int64_t channel, std::int64_t stokes) { return static_cast<float>(x + 10 * y + 100 * channel + 1000 * stokes); }

std::shared_ptr<MemoryImage> filled(BudgetCache& budget, const ImageShape& shape = {7, 5, 4, 3}) {
    auto image = std::make_shared<MemoryImage>(shape, budget);
    for (std::int32_t stokes = 0; stokes < shape.stokes; ++stokes) {
        for (std::int32_t channel = 0; channel < shape.depth; ++channel) {
            const auto pixels = image->plane({channel, stokes});
            for (std::int64_t i = 0; i < shape.plane_size(); ++i) pixels[static_cast<std::size_t>(i)] = value(i % shape.width, i / shape.width, channel, stokes);
        }
    }
    return image;
}

/// By planes, as any source can.
class ByPlanes final : public ImageSource {
public:
    explicit ByPlanes(std::shared_ptr<const ImageSource> base) : base_(std::move(base)) {}
    const ImageShape& shape() const override { return base_->shape(); }
    PixelType stored_type() const override { return base_->stored_type(); }
    const Capabilities& capabilities() const override { return base_->capabilities(); }
    const ImageIdentity& identity() const override { return base_->identity(); }
    void read(const Rect& rect, PlaneId plane, std::span<float> out, int threads, const CancelToken& cancel) const override {
        base_->read(rect, plane, out, threads, cancel);
    }
    void read64(const Rect& rect, PlaneId plane, std::span<double> out, int threads, const CancelToken& cancel) const override {
        base_->read64(rect, plane, out, threads, cancel);
    }
    void read_spectrum(std::int64_t x, std::int64_t y, std::int32_t stokes, std::int32_t from, std::span<float> out, const CancelToken& cancel) const override {
        base_->read_spectrum(x, y, stokes, from, out, cancel);
    }
    void check_unchanged() const override {}

private:
    std::shared_ptr<const ImageSource> base_;
};

} // namespace

TEST_CASE("an image in memory: pixels, spectra, boxes, masks") {
    BudgetCache budget(1 << 20);
    const auto image = filled(budget);
    const ByPlanes plain(image);
    for (const ImageSource* source : {static_cast<const ImageSource*>(image.get()), static_cast<const ImageSource*>(&plain)}) {
        std::vector<double> wide(6);
        source->read64({2, 1, 5, 3}, {3, 2}, wide, 1, {});
        CHECK(wide == std::vector<double>{2312, 2313, 2314, 2322, 2323, 2324});
        std::vector<float> spectrum(3);
        source->read_spectrum(6, 4, 1, 1, spectrum, {});
        CHECK(spectrum == std::vector<float>{1146, 1246, 1346});
        std::vector<float> box(8);
        source->read_box({0, 0, 2, 2}, {2, 4}, 0, box, 2, {});
        CHECK(box == std::vector<float>{200, 201, 210, 211, 300, 301, 310, 311});
        const PixelMask mask(std::vector<PixelRun>{{0, 5, 7}, {4, 0, 1}, {4, 3, 4}});
        std::vector<float> masked(8);
        source->read_masked(mask, {0, 2}, 1, masked, 2, {});
        CHECK(masked == std::vector<float>{1005, 1006, 1040, 1043, 1105, 1106, 1140, 1143});
        source->read_masked(mask, {2, 2}, 1, {}, 1, {});

        CHECK_THROWS_AS(source->read_box({0, 0, 2, 2}, {2, 5}, 0, std::span(box), 1, {}), std::out_of_range);
        CHECK_THROWS_AS(source->read_box({0, 0, 2, 2}, {3, 2}, 0, {}, 1, {}), std::out_of_range);
        CHECK_THROWS_AS(source->read_box({0, 0, 8, 2}, {0, 1}, 0, std::span(box), 1, {}), std::out_of_range);
        CHECK_THROWS_AS(source->read_masked(mask, {0, 1}, 3, std::span(masked).first(4), 1, {}), std::out_of_range);
        CHECK_THROWS_AS(source->read_masked(mask, {0, 2}, 0, std::span(masked).first(4), 1, {}), std::out_of_range);
        CHECK_THROWS_AS(source->read_masked(PixelMask(std::vector<PixelRun>{{5, 0, 1}}), {0, 1}, 0, std::span(masked).first(1), 1, {}), std::out_of_range);
        CHECK_THROWS_AS(source->read_int64({0, 0, 1, 1}, {}, {}, 1, {}), std::logic_error);
        const CancelToken cancel;
        cancel.cancel();
        CHECK_THROWS_AS(source->read_box({0, 0, 2, 2}, {2, 4}, 0, box, 2, cancel), Cancelled);
        CHECK_THROWS_AS(source->read_masked(mask, {0, 2}, 1, masked, 2, cancel), Cancelled);
    }
}

TEST_CASE("boxes and masks of computed polarizations") {
    BudgetCache budget(1 << 20);
    const auto image = filled(budget);
    const PolarizationSource source(image, {1, 2, 3});
    const auto expected = [](std::int64_t x, std::int64_t y, std::int64_t channel) {
        return static_cast<float>(std::hypot(static_cast<double>(value(x, y, channel, 1)), static_cast<double>(value(x, y, channel, 2))));
    };
    std::vector<float> box(4), masked(2);
    source.read_box({1, 1, 3, 2}, {0, 2}, 14, box, 1, {});
    for (std::size_t i = 0; i < 4; ++i) CHECK(box[i] == doctest::Approx(expected(1 + static_cast<std::int64_t>(i % 2), 1, static_cast<std::int64_t>(i / 2))));
    source.read_masked(PixelMask(std::vector<PixelRun>{{3, 6, 7}}), {2, 4}, 14, masked, 1, {});
    CHECK(masked[0] == doctest::Approx(expected(6, 3, 2)));
    CHECK(masked[1] == doctest::Approx(expected(6, 3, 3)));
    CHECK_THROWS_AS(source.read_box({0, 0, 1, 1}, {0, 1}, 13, std::span(box).first(1), 1, {}), std::out_of_range); // there is no V
    CHECK(source.angle_parts({1, 17})->u == PlaneId{1, 2});
    CHECK_FALSE(source.angle_parts({1, 14}));
    CHECK_FALSE(image->angle_parts({1, 0}));
}

TEST_CASE("each image in memory has an identity of its own, and takes its part of the budget") {
    BudgetCache budget(1 << 20, 50);
    auto one = filled(budget), two = filled(budget);
    CHECK(one->identity() != two->identity());
    CHECK(one->identity().is_computed());
    CHECK(one->identity() != ImageIdentity());
    CHECK(budget.statistics().used == 2 * 7 * 5 * 4 * 3 * sizeof(float));
    const auto pyramid = cached_pyramid(budget, *one, 0, {}, 1, {});
    CHECK(cached_pyramid(budget, *one, 0, {}, 1, {}) == pyramid);
    CHECK(cached_pyramid(budget, *two, 0, {}, 1, {}) != pyramid);
    CHECK(budget.statistics().entries == 2);
    one.reset(); // nobody can ask for it any more
    CHECK(budget.statistics().entries == 1);

    CHECK_THROWS_AS(MemoryImage({1024, 1024, 1, 1}, budget), OverBudget);
    CHECK_THROWS_AS(MemoryImage({0, 1, 1, 1}, budget), std::invalid_argument);
    CHECK_THROWS_AS(MemoryImage({INT64_MAX / 2, 5, 1, 1}, budget), std::invalid_argument);
}
