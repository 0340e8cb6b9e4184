// Products that are computed together, and live ones, which follow a drag.

#include "tests/server/products/fake_environment.hpp"

#include <doctest/doctest.h>

#include <functional>
#include <stdexcept>
#include <utility>

using namespace cubelink::server;
using namespace cubelink::server::test;
using cubelink::pubsub::Audience;

namespace {

struct Named : ProductPart {
    explicit Named(std::string of) : name(std::move(of)) {}
    const std::string name;
};

/// A product of a region, in a state, that is computed with all others of its kind. `compute` gets the names of what is computed at once.
Product in_common(std::int32_t region, std::int64_t state, const std::function<void(std::span<const JointRun>)>& compute) {
    Product one;
    one.region_id = region;
    one.input = {0, state};
    one.live = true;
    one.topic = "t";
    one.audience = Audience::required_by({1});
    one.together = "all";
    one.its_part = std::make_shared<Named>(std::to_string(region) + "." + std::to_string(state));
    one.compute_together = compute;
    return one;
}
const std::string& name_of(const JointRun& one) { return static_cast<const Named&>(*one.product->its_part).name; }

struct Boards : FakeEnvironment {
    explicit Boards(std::chrono::milliseconds live_interval = std::chrono::milliseconds(0))
        : board(*this, {"spectra"}, std::chrono::milliseconds(250), live_interval) {
        board.add_image(1, 0);
    }
    void list(std::int32_t region, std::vector<Product> products) {
        ProductBoard::Update update;
        update.image = 1;
        update.kinds.push_back({0, std::move(products), region});
        board.update(std::move(update));
    }
    ProductBoard board;
};

} // namespace

TEST_CASE("products that wait together are computed by one call, whenever they became due") {
    Boards boards;
    std::vector<std::string> calls;
    const auto compute = [&](std::span<const JointRun> runs) {
        calls.emplace_back();
        for (const auto& one : runs) {
            calls.back() += name_of(one) + " ";
            publish_text(*one.run, name_of(one));
        }
    };
    for (std::int32_t region = 1; region <= 3; ++region) boards.list(region, {in_common(region, 0, compute)});
    boards.list(2, {in_common(2, 1, compute)}); // moved meanwhile
    boards.list(3, {});                         // removed
    CHECK(boards.posted.size() == 1);
    boards.run_all();
    CHECK(calls == std::vector<std::string>{"1.0 2.1 "});
    CHECK(boards.taken() == "1.0 2.1");
    CHECK(boards.board.unfinished() == 0);

    // Others join what waits, and a plane is complete when they are there.
    boards.list(1, {in_common(1, 1, compute)});
    ProductBoard::Update shown;
    shown.image = 1;
    shown.kinds.push_back({0, {in_common(2, 1, compute), in_common(4, 0, compute)}, {}});
    shown.kinds.back().products.insert(shown.kinds.back().products.begin(), in_common(1, 1, compute));
    shown.new_plane = true;
    boards.board.update(std::move(shown));
    CHECK(boards.posted.size() == 1);
    int complete = 0;
    boards.board.when_complete(boards.board.plane(1), [&] { ++complete; });
    CHECK(complete == 0);
    boards.run_all();
    CHECK(complete == 1);
    CHECK(boards.taken() == "1.1 4.0");
    boards.list(1, {});
    boards.list(4, {});

    // Moved again and again while it waits: no job and no item for each.
    for (std::int64_t state = 2; state < 500; ++state) boards.list(2, {in_common(2, state, compute)});
    for (std::int32_t region = 10; region < 500; ++region) {
        boards.list(region, {in_common(region, 0, compute)});
        boards.list(region, {});
    }
    CHECK(boards.posted.size() == 1);
    boards.run_all();
    CHECK(boards.taken() == "2.499");
    CHECK(boards.board.unfinished() == 0);
}

TEST_CASE("a live product: what is computed ends before its newest state begins") {
    Boards boards;
    std::vector<std::string> begun;
    std::function<void()> meanwhile;
    std::function<void(std::span<const JointRun>)> compute = [&](std::span<const JointRun> runs) {
        for (const auto& one : runs) {
            begun.push_back(name_of(one));
            CHECK_FALSE(one.run->superseded());
            if (const auto now = std::exchange(meanwhile, nullptr)) now();
            publish_text(*one.run, name_of(one) + (one.run->superseded() ? "old" : ""));
        }
    };
    boards.list(1, {in_common(1, 0, compute)});
    meanwhile = [&] {
        for (const std::int64_t state : {1, 2, 3}) {
            boards.list(1, {in_common(1, state, compute)});
            boards.run_one(); // another thread finds that it has to wait
        }
    };
    boards.run_all();
    CHECK(begun == std::vector<std::string>{"1.0", "1.3"});
    CHECK(boards.taken() == "1.0old 1.3");
    CHECK(boards.board.unfinished() == 0);

    SUBCASE("it is removed") {
        boards.list(1, {in_common(1, 4, compute)});
        meanwhile = [&] {
            boards.list(1, {in_common(1, 5, compute)});
            boards.run_one();
            boards.list(1, {});
        };
        boards.run_all();
        CHECK(boards.taken().empty());
    }
    SUBCASE("its image is closed") {
        boards.list(1, {in_common(1, 4, compute)});
        meanwhile = [&] {
            boards.list(1, {in_common(1, 5, compute)});
            boards.board.abandon(0);
        };
        boards.run_all();
        CHECK(boards.taken().empty());
    }
    SUBCASE("something else has changed too, such as the stokes") {
        boards.list(1, {in_common(1, 4, compute)});
        meanwhile = [&] {
            boards.list(1, {in_common(1, 5, compute)});
            auto other = in_common(1, 6, compute);
            other.input.front() = 1;
            boards.list(1, {other});
        };
        boards.run_all();
        CHECK(boards.taken() == "1.6");
    }
    SUBCASE("it fails") {
        boards.list(1, {in_common(1, 4, compute)});
        meanwhile = [&] {
            boards.list(1, {in_common(1, 5, compute)});
            boards.run_one();
            throw std::runtime_error("failed");
        };
        boards.run_all();
        CHECK(boards.taken() == "1.5");
    }
    CHECK(boards.board.unfinished() == 0);
}

TEST_CASE("a live product of which something has just been published: the newest state begins at once") {
    Boards boards(std::chrono::hours(1));
    std::function<void()> meanwhile;
    std::function<void(std::span<const JointRun>)> compute = [&](std::span<const JointRun> runs) {
        if (const auto now = std::exchange(meanwhile, nullptr)) now();
        publish_text(*runs.front().run, name_of(runs.front()));
    };
    boards.list(1, {in_common(1, 0, compute)});
    boards.run_all();
    boards.list(1, {in_common(1, 1, compute)});
    meanwhile = [&] {
        boards.list(1, {in_common(1, 2, compute)});
        boards.run_one();
    };
    boards.run_all();
    CHECK(boards.taken() == "1.0 1.2");
}

TEST_CASE("one that is over before the others") {
    Boards boards;
    std::function<void(std::span<const JointRun>)> compute = [&](std::span<const JointRun> runs) {
        if (runs.size() < 2) return publish_text(*runs.front().run, name_of(runs.front()));
        boards.list(1, {in_common(1, 1, compute)});
        boards.run_one();
        publish_text(*runs[0].run, name_of(runs[0]));
        runs[0].end(true);
        boards.run_one(); // its newest state is computed while the others are
        publish_text(*runs[1].run, name_of(runs[1]));
        runs[1].end(true);
    };
    boards.list(1, {in_common(1, 0, compute)});
    boards.list(2, {in_common(2, 0, compute)});
    boards.run_all();
    CHECK(boards.taken() == "1.0 1.1 2.0");
    CHECK(boards.board.unfinished() == 0);
}
