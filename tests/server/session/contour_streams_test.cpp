// What is known of the contours that connections have been sent.

#include "server/session/contour_streams.hpp"

#include <doctest/doctest.h>

using namespace cubelink::server;
using Levels = std::vector<double>;

TEST_CASE("contour streams: levels are left, then open, then neither") {
    ContourStreams streams;
    CHECK(streams.begin(1, {.number = 5, .left_levels = {1, 2, 3}}).number == 0);
    streams.sent(1, 5, 1, false);
    streams.sent(1, 5, 2, true); // its only chunk
    streams.sent(1, 4, 3, false); // of an older set
    auto before = streams.begin(1, {.number = 6, .left_levels = {1}});
    CHECK(before.number == 5);
    CHECK(before.begun);
    CHECK(before.open_levels == Levels{1});
    CHECK(before.left_levels == Levels{3});
    before = streams.begin(1, {.number = 7, .left_levels = {1, 2}});
    CHECK(!before.begun);
    streams.sent(1, 7, 1, false);
    streams.sent(1, 7, 1, true);
    before = streams.begin(1, {.number = 8});
    CHECK(before.open_levels.empty());
    CHECK(before.left_levels == Levels{2});
}

TEST_CASE("contour streams: a connection that has left is forgotten") {
    ContourStreams streams;
    streams.begin(1, {.number = 5, .left_levels = {1}});
    streams.turn_off(1, {3, 0});
    streams.turn_off(2, {3, 0});
    CHECK(streams.is_off_since(1, {3, 0}));
    streams.forget(1);
    CHECK(!streams.is_off_since(1, {3, 0}));
    CHECK(streams.is_off_since(2, {3, 0}));
    streams.sent(1, 5, 1, false); // on its way still
    CHECK(streams.begin(1, {.number = 6}).number == 0);
}
