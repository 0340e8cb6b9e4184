#include "server/session/channel_maps.hpp"

#include <doctest/doctest.h>

#include <memory>
#include <string>

using cubelink::server::ChannelMaps;

namespace {

constexpr std::uint64_t page = 7;
constexpr std::int32_t file = 3;

struct Fixture {
    ChannelMaps maps;
    std::string begun;
    void request(std::int32_t channel) {
        maps.request(page, file, channel, [this, channel] { begun += std::to_string(channel) + " "; });
    }
};

} // namespace

TEST_CASE_FIXTURE(Fixture, "what is shown: a range of channels, and tiles") {
    CHECK(!maps.shows(page, file, 4));
    maps.show(page, file, {2, 5, {9, 1}});
    CHECK(maps.shows(page, file, 2));
    CHECK(maps.shows(page, file, 5));
    CHECK(!maps.shows(page, file, 6));
    CHECK(!maps.shows(page, file + 1, 4));
    CHECK(!maps.shows(page + 1, file, 4));
    CHECK(maps.shows_tile(page, file, 1));
    CHECK(!maps.shows_tile(page, file, 2));
    maps.show(page, file, {2, 5, {}});
    CHECK(maps.shows_tile(page, file, 2));
    maps.leave(page, file);
    CHECK(!maps.shows(page, file, 4));
    CHECK(!maps.shows_tile(page, file, 1));
}

TEST_CASE_FIXTURE(Fixture, "clients that don't answer are not waited for") {
    maps.show(page, file, {0, 99, {}});
    for (std::int32_t channel = 0; channel < 20; ++channel) request(channel);
    CHECK(begun == "0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 ");
    for (std::int32_t channel = 0; channel < 20; ++channel) maps.ended(page, file, channel, true);
    maps.answered(page, file, 5); // it does after all
    begun.clear();
    for (std::int32_t channel = 20; channel < 40; ++channel) request(channel);
    CHECK(begun == "20 21 22 23 24 25 26 27 ");
}

TEST_CASE_FIXTURE(Fixture, "so many sets at once, those that follow when earlier ones have been answered or given up") {
    maps.answered(page, file, 0); // of an ordinary view
    maps.show(page, file, {0, 99, {}});
    for (std::int32_t channel = 0; channel < 12; ++channel) request(channel);
    CHECK(begun == "0 1 2 3 4 5 6 7 ");
    begun.clear();
    maps.ended(page, file, 3, true);
    CHECK(begun.empty());
    maps.answered(page, file, 4); // not sent yet
    CHECK(begun.empty());
    maps.answered(page, file, 3);
    CHECK(begun == "8 ");
    maps.ended(page, file, 0, false); // given up: nobody answers
    CHECK(begun == "8 9 ");
    // Another view: what waits of other channels is never made.
    maps.show(page, file, {11, 20, {}});
    maps.ended(page, file, 1, false);
    CHECK(begun == "8 9 11 ");
    request(12);
    maps.leave(page, file);
    maps.ended(page, file, 2, false);
    CHECK(begun == "8 9 11 ");
}

TEST_CASE_FIXTURE(Fixture, "what is forgotten is released, and may be asked about") {
    maps.answered(page, file, 0);
    maps.show(page, file, {0, 99, {}});
    auto held = std::make_shared<int>(0);
    const std::weak_ptr<int> alive = held;
    const auto fill = [&](std::shared_ptr<int> what) {
        for (std::int32_t channel = 0; channel < 9; ++channel) maps.request(page, file, channel, [this, what] { maps.shows(page, file, 0); });
    };
    fill(std::move(held));
    CHECK(!alive.expired());
    maps.forget_connection(page);
    CHECK(alive.expired());
    maps.ended(page, file, 0, true);
    CHECK(!maps.shows(page, file, 0));
    maps.forget_file(file);
    maps.clear();
}
