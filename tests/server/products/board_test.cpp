#include "tests/server/products/fake_environment.hpp"
#include "tests/support/moved_clocks.hpp"

#include <doctest/doctest.h>

#include <chrono>

using namespace cubelink::server;
using namespace cubelink::server::test;
using cubelink::pubsub::Audience;

namespace {

constexpr std::uint64_t image = 7;
constexpr std::int32_t file_id = 3;

struct Fixture {
    cubelink::test::MovedClocks clocks;
    FakeEnvironment environment;
    ProductBoard board{environment, {"a", "b", "c"}, std::chrono::milliseconds(0)};
    Fixture() { board.add_image(image, file_id); }
    ~Fixture() { environment.posted.clear(); } // the board must outlive its jobs

    /// A product that publishes `text`.
    static Product product(const std::string& text, std::int64_t input, Rank rank = Rank::histogram) {
        Product made;
        made.input = {input};
        made.rank = rank;
        made.topic = "t";
        made.compute = [text](ProductRun& run) { publish_text(run, text); };
        return made;
    }
    void update(std::vector<ProductBoard::KindUpdate> kinds, bool new_plane = false, std::optional<ProductBoard::Update::Request> request = {}) {
        board.update({image, std::move(kinds), request, new_plane, new_plane});
    }
    static std::vector<ProductBoard::KindUpdate> of(std::size_t kind, std::vector<Product> products) {
        std::vector<ProductBoard::KindUpdate> list;
        list.push_back({kind, std::move(products)});
        return list;
    }
};

Product required(Product product, std::vector<std::uint64_t> by) {
    product.audience = Audience::required_by(std::move(by));
    return product;
}

} // namespace

TEST_CASE_FIXTURE(Fixture, "what stays as it is is not computed again, what has another input is") {
    update(of(0, {product("one", 1)}));
    environment.run_all();
    update(of(0, {product("same", 1)}));
    environment.run_all();
    CHECK(environment.taken() == "one");
    update(of(0, {product("two", 2)}));
    environment.run_all();
    CHECK(environment.taken() == "two");
    CHECK(board.unfinished() == 0);
}

TEST_CASE_FIXTURE(Fixture, "a thousand changes while no thread is free are one job, for the newest") {
    for (int i = 0; i < 1000; ++i) update(of(0, {product(std::to_string(i), i), product("", i, Rank::separate)}));
    for (int i = 0; i < 1000; ++i) {
        auto list = of(1, {product("p" + std::to_string(i), i, Rank::spatial_profile)});
        list.push_back({2, {}});
        auto spectrum = product("s" + std::to_string(i), i, Rank::separate);
        list.back().products.push_back(std::move(spectrum));
        update(std::move(list));
    }
    CHECK(environment.posted.size() <= 3);
    environment.run_all();
    const auto published = environment.taken();
    CHECK(published.find("p999 s999") != std::string::npos);
    CHECK(published.find("p998") == std::string::npos);
}

TEST_CASE_FIXTURE(Fixture, "a plane is complete when its separate products are there too, but for bulk and slow ones") {
    int called = 0;
    board.when_complete(board.plane(image), [&] { ++called; });
    CHECK(called == 1); // nothing follows from it
    auto bulk = product("bulk", 1, Rank::separate), slow = product("slow", 1);
    bulk.job_class = JobClass::bulk;
    slow.slow = true;
    auto list = of(0, {product("histogram", 1), std::move(slow)});
    list.back().products.back().part = "slow";
    list.push_back({1, {}});
    list.back().products.push_back(product("contours", 1, Rank::separate));
    list.push_back({2, {}});
    list.back().products.push_back(std::move(bulk));
    update(std::move(list), true);
    board.when_complete(board.plane(image), [&] { ++called; });
    REQUIRE(environment.run_one()); // the histogram and the slow one; then the separate ones are posted
    CHECK(called == 1);
    while (called < 2 && environment.run_one()) {}
    CHECK(called == 2);
    const auto published = environment.taken();
    CHECK(published.find("contours") != std::string::npos);
    environment.run_all();
    // Another plane makes them pointless.
    auto next = of(1, {product("contours", 2, Rank::separate)});
    update(std::move(next), true);
    board.when_complete(board.plane(image), [&] { ++called; });
    CHECK(called == 2);
    update(of(1, {product("contours", 3, Rank::separate)}), true);
    CHECK(called == 3);
}

TEST_CASE_FIXTURE(Fixture, "quick products are published before update() returns, in the order of their ranks") {
    auto spectrum = product("spectrum", 1, Rank::separate), profile = product("profile", 1, Rank::spatial_profile);
    spectrum.quick = profile.quick = true;
    auto list = of(0, {std::move(spectrum)});
    list.push_back({1, {}});
    list.back().products.push_back(std::move(profile));
    update(std::move(list));
    CHECK(environment.posted.empty());
    CHECK(environment.taken() == "profile spectrum");
}

TEST_CASE_FIXTURE(Fixture, "quick products that were not quick are computed by jobs, until they are again") {
    auto make = [this](std::int64_t input, std::chrono::milliseconds pause) {
        auto made = product(std::to_string(input), input);
        made.quick = true;
        made.compute = [this, input, pause](ProductRun& run) {
            clocks.now += pause.count();
            publish_text(run, std::to_string(input));
        };
        return made;
    };
    update(of(0, {make(1, std::chrono::milliseconds(50))}));
    CHECK(environment.taken() == "1");
    update(of(0, {make(2, {})}));
    CHECK(environment.taken().empty());
    environment.run_all();
    CHECK(environment.taken() == "2");
}

TEST_CASE_FIXTURE(Fixture, "each connection gets what it requires once, and again when it asks again") {
    update(of(0, {required(product("x", 1), {1})}));
    environment.run_all();
    REQUIRE(environment.published.size() == 1);
    CHECK(environment.published[0].audience == Audience::required_by({1}));
    update(of(0, {required(product("x", 1), {1, 2})}), false, ProductBoard::Update::Request{0, 2});
    environment.run_all();
    REQUIRE(environment.published.size() == 2);
    CHECK(environment.published[1].audience == Audience::required_by({2}));
    update(of(0, {required(product("x", 1), {1, 2})}), false, ProductBoard::Update::Request{0, 1});
    environment.run_all();
    REQUIRE(environment.published.size() == 3);
    CHECK(environment.published[2].audience == Audience::required_by({1}));
    update(of(0, {required(product("x", 1), {2})})); // the first has gone
    environment.run_all();
    CHECK(environment.published.size() == 3);
}

TEST_CASE_FIXTURE(Fixture, "two connections that join before it is computed share one publication") {
    update(of(0, {required(product("x", 1), {1})}));
    update(of(0, {required(product("x", 1), {1, 2})}), false, ProductBoard::Update::Request{0, 2});
    environment.run_all();
    REQUIRE(environment.published.size() == 1);
    CHECK(environment.published[0].audience == Audience::required_by({1, 2}));
}

TEST_CASE_FIXTURE(Fixture, "what nobody listens to is computed when somebody does") {
    environment.listeners.clear();
    update(of(0, {product("x", 1)}));
    CHECK(environment.posted.empty());
    CHECK(board.unfinished() == 0);
    environment.listeners = {2};
    update(of(0, {product("x", 1)}));
    environment.run_all();
    CHECK(environment.taken() == "x");
}

TEST_CASE_FIXTURE(Fixture, "an input that is kept counts when the requirement is set") {
    auto make = [](std::int64_t stokes) {
        auto made = required(product("stokes" + std::to_string(stokes), stokes), {1, 2});
        made.keep_input = true;
        return made;
    };
    update(of(0, {make(0)}));
    environment.run_all();
    update(of(0, {make(1)}));
    environment.run_all();
    CHECK(environment.taken() == "stokes0");
    update(of(0, {make(1)}), false, ProductBoard::Update::Request{0, 1});
    environment.run_all();
    CHECK(environment.taken() == "stokes1");
}

TEST_CASE_FIXTURE(Fixture, "a product that stands in for one that is withdrawn is computed, also again") {
    const auto value = [](bool stands_in, Audience audience) {
        auto made = product("value", 1);
        made.catches_up = false;
        made.stands_in = stands_in;
        made.audience = std::move(audience);
        return made;
    };
    const auto both = [](Product value, std::vector<Product> profiles) {
        auto kinds = of(0, {std::move(value)});
        kinds.push_back({1, std::move(profiles)});
        return kinds;
    };
    // Only connection 1 is there, and it requires profiles: nobody listens to the value.
    environment.listeners = {1};
    update(both(value(false, Audience::all_except({1})), {required(product("profile", 1), {1})}));
    CHECK(board.is_due(image, 1, 0));
    CHECK_FALSE(board.is_due(image, 0, 0));
    update(both(value(true, Audience()), {}));
    CHECK_FALSE(board.is_due(image, 1, 0));
    environment.run_all();
    CHECK(environment.taken() == "value");
    // Published already: to others.
    update(both(value(false, Audience()), {}));
    environment.run_all();
    CHECK(environment.taken().empty());
    update(both(value(true, Audience()), {}));
    environment.run_all();
    CHECK(environment.taken() == "value");
    CHECK_FALSE(board.is_due(image + 1, 0, 0));
    CHECK(board.unfinished() == 0);
}

TEST_CASE_FIXTURE(Fixture, "withdrawn before it was published") {
    int withdrawn = 0;
    auto make = [&] {
        auto made = product("x", 1, Rank::separate);
        made.on_withdrawn = [&] { ++withdrawn; };
        return made;
    };
    update(of(0, {make()}));
    update(of(0, {}));
    environment.run_all();
    CHECK(environment.taken().empty());
    CHECK(withdrawn == 1);
    update(of(0, {make()}));
    environment.run_all();
    update(of(0, {}));
    CHECK(withdrawn == 1);
    CHECK(environment.taken() == "x");
}

TEST_CASE_FIXTURE(Fixture, "waiters are called when what is ahead of them has been published, or its stopgap") {
    std::string log;
    const auto wait = [&](const char* name, Rank rank, bool computed) {
        const auto plane = board.plane(image);
        const auto callback = [&log, name] { log += name; };
        if (computed) board.when_computed(plane, rank, callback);
        else board.when_settled(plane, rank, callback);
    };
    auto slow = product("exact", 1, Rank::histogram);
    slow.slow = true;
    slow.stopgap = [&](ProductRun& run) {
        publish_text(run, "sample");
        log += "s";
    };
    slow.compute = [&](ProductRun& run) {
        publish_text(run, "exact");
        log += "e";
    };
    auto pyramid = product("", 1, Rank::pyramid);
    pyramid.slow = true;
    pyramid.compute = [&](ProductRun&) { log += "p"; };
    auto profile = product("profile", 1, Rank::spatial_profile);
    auto list = of(0, {std::move(slow)});
    list.push_back({1, {}});
    list.back().products.push_back(std::move(pyramid));
    list.push_back({2, {}});
    list.back().products.push_back(std::move(profile));
    update(std::move(list), true);
    wait("A", Rank::spatial_profile, false);
    wait("B", Rank::pyramid, true);
    wait("C", Rank::pyramid, false); // slow without a stopgap: nothing to wait for
    wait("D", Rank::separate, true);
    CHECK(log == "C");
    environment.run_all();
    CHECK(environment.taken() == "sample profile exact");
    CHECK(log == "CsApBeD");
    wait("E", Rank::separate, true);
    CHECK(log == "CsApBeDE");
}

TEST_CASE_FIXTURE(Fixture, "what is late is replaced by its stopgap, while the computation that all wait for goes on") {
    std::string log;
    auto pyramid = product("", 1, Rank::pyramid);
    pyramid.compute = [&](ProductRun& run) {
        log += "(";
        run.progress(); // the fixture's patience is 0
        run.progress();
        log += ")";
    };
    auto histogram = product("exact", 1, Rank::histogram);
    histogram.stopgap = [&](ProductRun& run) { publish_text(run, "sample"); };
    auto list = of(0, {std::move(pyramid)});
    list.push_back({1, {}});
    list.back().products.push_back(std::move(histogram));
    update(std::move(list), true);
    board.when_settled(board.plane(image), Rank::spatial_profile, [&] { log += "w"; });
    environment.run_all();
    CHECK(log == "(w)");
    CHECK(environment.taken() == "sample exact");
}

TEST_CASE_FIXTURE(Fixture, "views are newest until a new one, abandoning, or the end of the image") {
    CHECK_FALSE(board.is_newest(board.plane(99)));
    update(of(0, {product("x", 1)}), true);
    const auto plane = board.plane(image);
    CHECK(board.is_newest(plane));
    board.update({image, {}, {}, true, false}); // of a channel map
    CHECK(board.is_newest(plane));
    board.update({image, {}, {}, true, true});
    CHECK_FALSE(board.is_newest(plane));
    CHECK(board.is_newest(board.plane(image)));
    board.abandon(file_id);
    CHECK_FALSE(board.is_newest(board.plane(image)));
}

TEST_CASE_FIXTURE(Fixture, "waiters whose callbacks throw, and jobs that are dropped, keep nobody from being called") {
    update(of(0, {product("x", 1)}), true);
    int called = 0;
    board.when_settled(board.plane(image), Rank::separate, [] { throw std::runtime_error("a waiter's fault"); });
    board.when_settled(board.plane(image), Rank::separate, [&] { ++called; });
    environment.posted.clear();
    CHECK(called == 1);
    CHECK(board.unfinished() == 0);
    CHECK(environment.taken().empty());
}

TEST_CASE_FIXTURE(Fixture, "once abandoned, nothing is published: also what is being computed, and what becomes due later") {
    auto made = product("x", 1);
    made.compute = [&](ProductRun& run) {
        publish_text(run, "before");
        board.abandon(file_id);
        CHECK(run.cancel().cancelled());
        publish_text(run, "after");
        CHECK_THROWS(run.check());
    };
    update(of(0, {std::move(made)}), true);
    int called = 0;
    board.when_settled(board.plane(image), Rank::separate, [&] { ++called; });
    environment.run_all();
    update(of(0, {product("y", 2)}));
    environment.run_all();
    CHECK(environment.taken() == "before");
    CHECK(called == 1);
    board.remove_images(file_id);
    board.add_image(image + 1, file_id);
    board.update({image + 1, of(0, {product("z", 1)}), {}, true, true});
    environment.run_all();
    CHECK(environment.taken() == "z");
}

namespace {

/// Publishes `count` parts, one each time there is room; `alive` lives as long as its computation.
Product in_parts(std::uint64_t set, std::int64_t input, int count, std::shared_ptr<int> alive) {
    Product made;
    made.input = {input};
    made.topic = "t";
    made.audience = Audience::required_by({1});
    made.compute = [set, count, alive = std::move(alive)](ProductRun& run) {
        while (*alive < count) {
            if (!run.has_room(100)) return run.continue_when_room(100);
            ++*alive;
            const auto text = std::to_string(set) + "." + std::to_string(*alive);
            run.publish_part(std::make_shared<const cubelink::rpc::Publication>(text, cubelink::rpc::BodyPtr()), set, *alive == count);
        }
    };
    return made;
}

} // namespace

TEST_CASE_FIXTURE(Fixture, "parts wait for room, keep their set, and are a set of their own for each state") {
    environment.room = false;
    const auto first = std::make_shared<int>(0);
    update(of(0, {in_parts(5, 1, 3, first)}));
    environment.run_all();
    CHECK(environment.taken().empty());
    CHECK(board.unfinished() == 1);
    environment.make_room();
    environment.room = false;
    environment.run_all(); // there was room for a moment only
    CHECK(environment.waiting.size() == 1);
    environment.make_room();
    environment.run_all();
    REQUIRE(environment.published.size() == 3);
    for (const auto& part : environment.published) {
        CHECK(part.delivery.set_id == 5);
        CHECK(part.delivery.generation == 5);
        CHECK(part.delivery.set_key == environment.published.front().delivery.set_key);
        CHECK(part.delivery.set_end == (&part == &environment.published.back()));
    }
    CHECK(board.unfinished() == 0);
}

TEST_CASE_FIXTURE(Fixture, "what waits for room is given up with its state, and keeps nothing alive") {
    environment.room = false;
    auto first = std::make_shared<int>(0), second = std::make_shared<int>(0);
    const std::weak_ptr<int> first_alive = first, second_alive = second;
    update(of(0, {in_parts(5, 1, 3, std::move(first))}));
    environment.run_all();
    CHECK(!first_alive.expired());
    update(of(0, {in_parts(6, 2, 2, std::move(second))}));
    environment.run_all();
    CHECK(first_alive.expired());
    CHECK(environment.waiting.size() == 2);
    environment.make_room();
    environment.run_all();
    CHECK(environment.taken() == "6.1 6.2");

    environment.room = false;
    update(of(0, {in_parts(7, 3, 2, std::make_shared<int>(0))}));
    environment.run_all();
    board.abandon(file_id);
    CHECK(second_alive.expired());
    environment.make_room();
    environment.run_all();
    CHECK(environment.taken().empty());
    CHECK(board.unfinished() == 0);
}

TEST_CASE_FIXTURE(Fixture, "of what is live and waits for room, the newest state is published once there is some") {
    const auto live = [&](std::int64_t state, const std::function<void()>& meanwhile = {}) {
        auto made = required(product("", state, Rank::separate), {1});
        made.live = true;
        made.compute = [state, meanwhile](ProductRun& run) {
            if (meanwhile) meanwhile();
            if (run.superseded()) return;
            if (!run.has_room(100)) return run.continue_when_room(100);
            publish_text(run, std::to_string(state));
        };
        return made;
    };
    environment.room = false;
    for (std::int64_t state = 1; state <= 3; ++state) {
        update(of(0, {live(state)}));
        environment.run_all();
    }
    CHECK(environment.taken().empty());
    environment.make_room();
    environment.run_all();
    CHECK(environment.taken() == "3");
    CHECK(board.unfinished() == 0);

    // A newer state comes while one is computed that will find no room.
    environment.room = false;
    auto late = live(4);
    late.compute = [&, seen = false](ProductRun& run) mutable {
        if (!std::exchange(seen, true)) update(of(0, {live(5)}));
        run.continue_when_room(100);
    };
    update(of(0, {std::move(late)}));
    environment.run_all();
    environment.make_room();
    environment.run_all();
    CHECK(environment.taken() == "5");
    CHECK(board.unfinished() == 0);
}

TEST_CASE_FIXTURE(Fixture, "the plane that is shown keeps nothing of what followed from it and is over") {
    std::weak_ptr<int> alive[3];
    const auto make = [&](int number, std::shared_ptr<int> held) {
        alive[number] = held;
        auto made = in_parts(static_cast<std::uint64_t>(number) + 1, number, 2, std::move(held));
        made.rank = Rank::separate;
        return made;
    };
    update(of(1, {make(0, std::make_shared<int>(0))}), true);
    environment.run_all();
    CHECK(environment.taken() == "1.1 1.2");
    CHECK(alive[0].expired());
    int complete = 0;
    board.when_complete(board.plane(image), [&] { ++complete; });
    CHECK(complete == 1);

    // Given up while it waits for room.
    environment.room = false;
    update(of(1, {make(1, std::make_shared<int>(0))}), true);
    environment.run_all();
    CHECK(!alive[1].expired());
    update(of(1, {}));
    CHECK(alive[1].expired());
    board.when_complete(board.plane(image), [&] { ++complete; });
    CHECK(complete == 2);

    // Given up before it has begun.
    update(of(1, {make(2, std::make_shared<int>(0))}), true);
    CHECK(environment.posted.size() == 1);
    update(of(1, {}));
    environment.run_all();
    CHECK(alive[2].expired());
    CHECK(board.unfinished() == 0);
}

TEST_CASE_FIXTURE(Fixture, "a plane is complete when what is missing waits for clients that do not read") {
    environment.room = false;
    int called = 0;
    auto parts = in_parts(5, 1, 2, std::make_shared<int>(0));
    parts.rank = Rank::separate;
    auto list = of(1, {std::move(parts)});
    list.push_back({2, {}});
    list.back().products.push_back(product("other", 1, Rank::separate));
    update(std::move(list), true);
    board.when_complete(board.plane(image), [&] { ++called; });
    REQUIRE(environment.run_one()); // the parts, which wait for room
    CHECK(environment.waiting.size() == 1);
    CHECK(called == 0);
    REQUIRE(environment.run_one());
    CHECK(environment.taken() == "other");
    CHECK(called == 1);
    board.when_complete(board.plane(image), [&] { ++called; });
    CHECK(called == 2);
    environment.make_room();
    board.when_complete(board.plane(image), [&] { ++called; });
    environment.run_all();
    CHECK(called == 3);
    CHECK(environment.taken() == "5.1 5.2");
}

TEST_CASE_FIXTURE(Fixture, "what waits for a client that has gone goes on for the others") {
    environment.room = false;
    auto product = in_parts(5, 1, 2, std::make_shared<int>(0));
    product.audience = Audience::required_by({1, 2});
    update(of(0, {product}));
    environment.run_all();
    CHECK(board.unfinished() == 1);
    environment.waiting.clear(); // with the outbox of connection 1
    environment.room = true;
    environment.listeners = {2};
    product.audience = Audience::required_by({2});
    update(of(0, {std::move(product)}));
    environment.run_all();
    CHECK(environment.taken() == "5.1 5.2");
    CHECK(board.unfinished() == 0);
}

namespace {

Product of_region(std::int32_t region_id, Product product) {
    product.region_id = region_id;
    return product;
}

} // namespace

TEST_CASE_FIXTURE(Fixture, "an update of one region leaves the products of others as they are") {
    update(of(0, {of_region(1, product("one", 1)), of_region(2, product("two", 1)), of_region(3, product("three", 1))}));
    environment.run_all();
    CHECK(environment.taken() == "one two three");

    std::vector<ProductBoard::KindUpdate> only(1);
    only[0].region_id = 2;
    only[0].products.push_back(of_region(2, product("moved", 2)));
    update(std::move(only));
    environment.run_all();
    CHECK(environment.taken() == "moved");

    // Region 2 is removed while it is due; the others are still known as computed.
    std::vector<ProductBoard::KindUpdate> again(1), none(1);
    again[0].region_id = none[0].region_id = 2;
    again[0].products.push_back(of_region(2, product("never", 3)));
    update(std::move(again));
    CHECK(board.unfinished() == 1);
    update(std::move(none));
    CHECK(board.unfinished() == 0);
    update(of(0, {of_region(1, product("one", 1)), of_region(3, product("three", 1))}));
    environment.run_all();
    CHECK(environment.taken() == "");
}
