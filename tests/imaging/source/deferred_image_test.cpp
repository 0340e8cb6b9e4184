#include "imaging/source/deferred_image.hpp"
#include "imaging/source/memory_image.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

using namespace cubelink::imaging;

namespace {

std::shared_ptr<const ImageSource> ramp(const ImageShape& shape, BudgetCache& budget, const std::string& scratch = {}) {
    auto image = std::make_shared<MemoryImage>(shape, budget, CancelToken(), scratch);
    for (std::int32_t channel = 0; channel < shape.depth; ++channel) {
        const auto plane = image->plane({channel, 0});
        std::iota(plane.begin(), plane.end(), static_cast<float>(channel * 1000));
    }
    return image;
}

} // namespace

TEST_CASE("Deferred image: computed at the first read, once, whoever reads") {
    BudgetCache budget(64 << 20);
    const ImageShape shape{20, 10, 3, 1};
    std::atomic<int> computed{0};
    const DeferredImage image(shape, budget, [&](int, const CancelToken&) {
        ++computed;
        return ramp(shape, budget);
    });
    CHECK(!image.capabilities().random_access);
    image.check_unchanged();
    CHECK(computed == 0);
    std::vector<std::thread> threads;
    for (int i = 0; i < 8; ++i)
        threads.emplace_back([&] {
            std::vector<float> row(20);
            image.read({0, 1, 20, 2}, {2, 0}, row, 1, {});
            if (row[3] != 2023) computed = 100;
        });
    for (auto& thread : threads) thread.join();
    CHECK(computed == 1);
    CHECK(image.capabilities().random_access);
    std::vector<float> spectrum(3);
    image.read_spectrum(1, 0, 0, 0, spectrum, {});
    CHECK(spectrum == std::vector<float>{1, 1001, 2001});
}

TEST_CASE("Deferred image: a failure is told, and it is tried again") {
    BudgetCache budget(64 << 20);
    const ImageShape shape{4, 4, 1, 1};
    int calls = 0;
    const DeferredImage image(shape, budget, [&](int, const CancelToken& cancel) -> std::shared_ptr<const ImageSource> {
        cancel.throw_if_cancelled();
        if (++calls == 1) throw ImageError("not today");
        return ramp(shape, budget);
    });
    std::vector<float> pixels(16);
    CancelToken cancelled;
    cancelled.cancel();
    CHECK_THROWS_AS(image.read({0, 0, 4, 4}, {}, pixels, 1, cancelled), Cancelled);
    CHECK_THROWS_AS(image.read({0, 0, 4, 4}, {}, pixels, 1, {}), ImageError);
    image.read({0, 0, 4, 4}, {}, pixels, 1, {});
    CHECK(pixels[5] == 5);
}

TEST_CASE("Memory image: what is large against the budget lies on the scratch disk") {
    BudgetCache budget(4 << 20);
    const ImageShape shape{512, 512, 4, 1};                       // 4 MiB: more than an eighth
    const auto image = ramp(shape, budget, "/tmp");
    CHECK(budget.statistics().used == 0);
    std::vector<float> row(512);
    image->read({0, 7, 512, 8}, {3, 0}, row, 1, {});
    CHECK(row[2] == 3000 + 7 * 512 + 2);
    image->check_unchanged();
    const auto small = ramp({64, 64, 1, 1}, budget, "/tmp");
    CHECK(budget.statistics().used == 64 * 64 * 4);
    CHECK_THROWS_AS(ramp(shape, budget, "/nowhere/at/all"), ImageError);
    CHECK_THROWS_AS(ramp({4096, 4096, 1024, 64}, budget, "/tmp"), ImageError); // 4 TiB: the disk has no room
}
