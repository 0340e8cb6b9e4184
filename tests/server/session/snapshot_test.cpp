#include "server/session/snapshot.hpp"

#include "rpc/error.hpp"

#include <cmath>
#include <limits>
#include <random>

#include <doctest/doctest.h>

using namespace cubelink;
using namespace cubelink::server;

namespace {

std::string random_text(std::mt19937& random) {
    static const std::string pieces[] = {"a", "Ptotalz", "/", "..", "\"", "\\", "ä", "\xF0\x9F\x9A\x80", "\n", std::string(1, '\0'), " "};
    std::string text;
    for (auto n = random() % 6; n > 0; --n) text += pieces[random() % std::size(pieces)];
    return text;
}

std::int32_t random_int(std::mt19937& random) { return static_cast<std::int32_t>(random()); }

SavedImage random_image(std::mt19937& random) {
    SavedImage image;
    image.file_id = random_int(random);
    image.directory = random_text(random);
    image.file = random_text(random);
    image.hdu = random_text(random);
    image.support_aips_beam = random() % 2;
    image.plane = {random_int(random), random_int(random)};
    if (random() % 2) image.cursor = CursorPosition{static_cast<float>(random_int(random)) / 7.0f, -0.0f};
    for (auto n = random() % 3; n > 0; --n) {
        image.cursor_spatial.push_back({random_text(random), random_int(random), random_int(random), random_int(random)});
        image.cursor_spectral.push_back({random_text(random), {random_int(random), 3}});
        image.statistics.push_back({random_text(random), {}});
        HistogramRequirement histogram{random_text(random), random_int(random), random() % 2 == 0, random_int(random), random() % 2 == 0, 0, 0};
        histogram.min = -std::ldexp(static_cast<double>(random()), static_cast<int>(random() % 1000) - 500);
        histogram.max = std::numeric_limits<double>::max();
        image.histograms.push_back(histogram);
    }
    return image;
}

} // namespace

TEST_CASE("a snapshot comes back as it was") {
    std::mt19937 random(17);
    for (int round = 0; round < 300; ++round) {
        SavedSession saved;
        for (auto n = random() % 5; n > 0; --n) saved.images.push_back(random_image(random));
        saved.next_file_id = random_int(random);
        if (random() % 2) saved.cursor_file = random_int(random);
        const auto text = to_text(saved);
        const auto back = saved_session_of(text);
        CHECK(to_text(back) == text);
        REQUIRE(back.images.size() == saved.images.size());
        CHECK(back.next_file_id == saved.next_file_id);
        CHECK(back.cursor_file == saved.cursor_file);
        for (std::size_t i = 0; i < saved.images.size(); ++i) {
            const auto &one = saved.images[i], &other = back.images[i];
            CHECK(other.file_id == one.file_id);
            CHECK(other.directory == one.directory);
            CHECK(other.file == one.file);
            CHECK(other.hdu == one.hdu);
            CHECK(other.plane == one.plane);
            CHECK(other.cursor == one.cursor);
            REQUIRE(other.histograms.size() == one.histograms.size());
            for (std::size_t k = 0; k < one.histograms.size(); ++k) {
                CHECK(other.histograms[k].min == one.histograms[k].min);
                CHECK(other.histograms[k].max == one.histograms[k].max);
            }
        }
    }
}

TEST_CASE("what is no snapshot is refused, and nothing else happens") {
    for (const char* text : {"", "{", "[]", "null", "{}", R"({"version": 2, "images": [], "next_file_id": 0})", R"({"version": 1, "images": {}, "next_file_id": 0})",
                             R"({"version": 1, "images": [{}], "next_file_id": 0})", R"({"version": 1, "images": [], "next_file_id": "x"})",
                             R"({"version": 1, "images": [], "next_file_id": 99999999999})"})
        CHECK_THROWS_AS(saved_session_of(text), rpc::CallError);
    std::mt19937 random(3);
    for (int round = 0; round < 2000; ++round) {
        SavedSession saved;
        saved.images.push_back(random_image(random));
        auto text = to_text(saved);
        for (auto n = 1 + random() % 3; n > 0; --n) text[random() % text.size()] = "{}[],:\"0a"[random() % 9];
        try {
            saved_session_of(text);
        } catch (const rpc::CallError&) {}
    }
}
