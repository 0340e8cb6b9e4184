#include "server/tasks/frame_sequence.hpp"

#include <cmath>
#include <doctest/doctest.h>
#include <limits>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

using namespace cubelink::server;

namespace {

FrameRange channels(int first, int last, int start, int delta, bool looping = true, bool reverse = false) {
    FrameRange range;
    range.first = {first, 0};
    range.last = {last, 0};
    range.start = {start, 0};
    range.delta = {delta, 0};
    range.looping = looping;
    range.reverse = reverse;
    return range;
}

/// The first so many channels of the sequence, "|" where it ends.
std::string shown(const FrameRange& range, int count) {
    FrameSequence frames(range);
    std::string text;
    for (int i = 0; i < count; ++i) {
        text += (i > 0 ? " " : "") + std::to_string(range.delta.channel == 0 ? frames.current().stokes : frames.current().channel);
        const bool more = frames.has_next();
        CHECK(frames.advance() == more);
        if (!more) return text + " |";
    }
    return text;
}

} // namespace

TEST_CASE("an animation steps, wraps, turns round and ends") {
    CHECK(shown(channels(2, 5, 2, 1), 10) == "2 3 4 5 2 3 4 5 2 3");
    CHECK(shown(channels(2, 5, 4, 1), 6) == "4 5 2 3 4 5");
    CHECK(shown(channels(0, 7, 1, 3), 7) == "1 4 7 0 3 6 0");
    CHECK(shown(channels(2, 5, 3, -1), 7) == "3 2 5 4 3 2 5");
    CHECK(shown(channels(0, 9, 0, 9), 5) == "0 9 0 9 0"); // blinking
    // The end frames come twice where it turns round.
    CHECK(shown(channels(0, 2, 0, 1, true, true), 9) == "0 1 2 2 1 0 0 1 2");
    CHECK(shown(channels(0, 5, 0, 2, false, true), 9) == "0 2 4 4 2 0 0 2 4");
    CHECK(shown(channels(0, 3, 2, -1, true, true), 9) == "2 1 0 0 1 2 3 3 2");
    CHECK(shown(channels(0, 3, 1, 1, false), 9) == "1 2 3 |");
    CHECK(shown(channels(0, 3, 1, -1, false), 9) == "1 0 |");
    CHECK(shown(channels(4, 4, 4, 1, false), 9) == "4 |");
    CHECK(shown(channels(4, 4, 4, 1), 4) == "4 4 4 4");
    CHECK(shown(channels(0, 9, 3, std::numeric_limits<int>::max()), 3) == "3 0 0");
    CHECK(shown(channels(0, 9, 3, std::numeric_limits<int>::min()), 3) == "3 9 9");
    // A start outside of the range.
    CHECK(shown(channels(3, 6, 0, 1), 3) == "3 4 5");
    CHECK(shown(channels(3, 6, 0, -1), 3) == "6 5 4");
    CHECK(shown(channels(3, 6, 99, 1), 3) == "3 4 5");
}

TEST_CASE("all short sequences: steps are of the asked length, or lead from one end to the other") {
    for (int first = 0; first < 3; ++first)
        for (int last = first; last < 6; ++last)
            for (int start = -1; start < 7; ++start)
                for (int delta = -7; delta <= 7; ++delta)
                    for (int flags = 0; flags < 4; ++flags) {
                        const bool looping = (flags & 1) != 0, reverse = (flags & 2) != 0;
                        const auto range = channels(first, last, start, delta, looping, reverse);
                        if (delta == 0) {
                            CHECK_THROWS_AS(FrameSequence{range}, std::invalid_argument);
                            continue;
                        }
                        CAPTURE(first);
                        CAPTURE(last);
                        CAPTURE(start);
                        CAPTURE(delta);
                        CAPTURE(flags);
                        FrameSequence frames(range);
                        int step = delta, at = frames.current().channel;
                        if (start >= first && start <= last) REQUIRE(at == start);
                        else REQUIRE(at == (delta > 0 ? first : last));
                        std::set<std::pair<int, int>> visited; // it comes back to itself or ends: no more states than places and directions
                        for (int count = 0; visited.insert({at, step}).second; ++count) {
                            REQUIRE(count <= 2 * (last - first + 1));
                            REQUIRE(at >= first);
                            REQUIRE(at <= last);
                            REQUIRE(frames.name() == at);
                            const bool inside = at + step >= first && at + step <= last;
                            REQUIRE(frames.has_next() == (inside || looping || reverse));
                            if (!frames.advance()) break;
                            const int next = frames.current().channel;
                            if (inside) {
                                REQUIRE(next == at + step);
                            } else if (reverse) {
                                REQUIRE(next == at);
                                step = -step;
                            } else {
                                REQUIRE(next == (step > 0 ? first : last));
                            }
                            at = next;
                        }
                    }
}

TEST_CASE("along stokes, frames are indices into a list") {
    FrameRange range;
    range.first = {7, 0};
    range.last = {7, 3};
    range.start = {7, 1};
    range.delta = {0, 1};
    range.looping = true;
    range.stokes_indices = {0, 2, 13, 17};
    FrameSequence frames(range);
    REQUIRE(frames.along_stokes());
    std::vector<int> stokes;
    for (int i = 0; i < 5; ++i, frames.advance()) {
        CHECK(frames.current().channel == 7);
        stokes.push_back(frames.stokes_of(frames.current()));
    }
    CHECK(stokes == std::vector{2, 13, 17, 0, 2});
    // The client names the stokes of the tiles that it has received; what is none of them is an index.
    CHECK(frames.current().stokes == 2);
    CHECK(frames.name() == 13);
    CHECK(frames.name_of({7, 13}) == 13);
    CHECK(frames.name_of({7, 2}) == 2);
    CHECK(frames.name_of({7, 1}) == 2);
    CHECK(frames.name_of({7, 3}) == 17);
    CHECK(frames.name_of({7, 99}) == 99);
    CHECK(frames.name_of({7, -1}) == -1);

    range.last = {7, 4};
    CHECK_THROWS_AS(FrameSequence{range}, std::invalid_argument);
    range.last = {7, 3};
    range.first = {7, -1};
    CHECK_THROWS_AS(FrameSequence{range}, std::invalid_argument);
    range.stokes_indices.clear(); // identity; what the image has is for others to check
    CHECK(FrameSequence(range).stokes_of({7, 14}) == 14);
    // Along channels the stokes of the start is an index, too.
    range = channels(0, 9, 0, 1);
    range.stokes_indices = {3, 1};
    range.start.stokes = 1;
    CHECK(FrameSequence(range).stokes_of(FrameSequence(range).current()) == 1);
    range.start.stokes = 2;
    CHECK_THROWS_AS(FrameSequence{range}, std::invalid_argument);
}

TEST_CASE("ranges that make no sense are refused") {
    CHECK_THROWS_AS(FrameSequence{channels(3, 2, 2, 1)}, std::invalid_argument);
    CHECK_THROWS_AS(FrameSequence{channels(0, 2, 2, 0)}, std::invalid_argument);
}

TEST_CASE("frames without acknowledgement are counted, whatever their names") {
    Unacknowledged frames;
    CHECK(frames.count() == 0);
    frames.received(3); // of nothing
    for (const int name : {0, 1, 2, 0, 1, 2, 0}) frames.sent(name);
    frames.take_first_for_granted();
    CHECK(frames.count() == 6);
    frames.received(7);
    CHECK(frames.count() == 6);
    frames.received(0); // the first, which was not counted
    CHECK(frames.count() == 6);
    frames.received(1); // of the first lap
    CHECK(frames.count() == 5);
    frames.received(0); // and what came before it
    CHECK(frames.count() == 3);
    frames.not_sent(2); // not the last
    CHECK(frames.count() == 3);
    frames.not_sent(0);
    CHECK(frames.count() == 2);
    frames.received(2);
    CHECK(frames.count() == 0);
    frames.not_sent(2); // acknowledged all the same
    frames.sent(4);
    CHECK(frames.count() == 1);

    Unacknowledged begun;
    begun.sent(5);
    begun.take_first_for_granted();
    CHECK(begun.count() == 0);
    begun.not_sent(5);
    begun.sent(6);
    CHECK(begun.count() == 1);
}

TEST_CASE("the flow window is a third of the frames of a second") {
    CHECK(flow_window(15) == 5);
    CHECK(flow_window(2) == 0);
    CHECK(flow_window(3) == 1);
}

TEST_CASE("the channels of a matched image are rounded and clamped") {
    const auto nan = std::numeric_limits<float>::quiet_NaN();
    const auto infinity = std::numeric_limits<float>::infinity();
    const std::vector<float> numbers{-3.f, 0.49f, 0.5f, 2.5f, nan, infinity, -infinity, 1e30f, 19.4f};
    const auto at = [&](int channel) { return matched_channel(numbers, 100, channel, 20); };
    CHECK(at(100) == 0);
    CHECK(at(101) == 0);
    CHECK(at(102) == 1);
    CHECK(at(103) == 3);
    CHECK_FALSE(at(104));
    CHECK_FALSE(at(105));
    CHECK_FALSE(at(106));
    CHECK(at(107) == 19);
    CHECK(at(108) == 19);
    CHECK_FALSE(at(109));
    CHECK_FALSE(at(99));
    CHECK_FALSE(matched_channel({}, 0, 0, 20));
    CHECK_FALSE(matched_channel(numbers, std::numeric_limits<int>::min(), std::numeric_limits<int>::max(), 20));
}
