#include "tests/server/products/fake_environment.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <random>
#include <thread>

using namespace cubelink::server;
using namespace cubelink::server::test;
using cubelink::pubsub::Audience;

namespace {

constexpr std::uint64_t image = 7;
constexpr std::int32_t file_id = 3;

struct Fixture {
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
    auto make = [](std::int64_t input, std::chrono::milliseconds pause) {
        auto made = product(std::to_string(input), input);
        made.quick = true;
        made.compute = [input, pause](ProductRun& run) {
            std::this_thread::sleep_for(pause);
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

/// Runs jobs by several threads, and checks what is published.
class ThreadedEnvironment final : public ProductBoard::Environment {
public:
    ThreadedEnvironment() {
        for (int i = 0; i < 3; ++i) threads_.emplace_back([this] { work(); });
    }
    ~ThreadedEnvironment() override { stop(); }
    void stop() {
        {
            const std::lock_guard lock(mutex_);
            stopping_ = true;
        }
        wake_.notify_all();
        for (auto& thread : threads_)
            if (thread.joinable()) thread.join();
        jobs_.clear();
    }
    void post(JobClass, std::uint64_t, std::function<void(const JobContext&)> work) override {
        {
            const std::lock_guard lock(mutex_);
            jobs_.push_back(std::move(work));
        }
        wake_.notify_one();
    }
    bool anyone_listens(const std::string&, const Audience&) override { return true; }
    void publish(const cubelink::rpc::PublicationPtr& publication, const cubelink::pubsub::Delivery&, const Audience&) override {
        const auto input = std::stoll(publication->topic());
        if (input < newest.load()) ++stale;
        if (abandoned.load()) ++after_abandon;
        ++count;
    }
    void warn(const std::string&, const std::string&) override {}
    bool has_room(const Audience&, std::size_t) override { return true; }
    void when_room(const Audience&, std::size_t, std::function<void()> ready) override { ready(); }

    std::atomic<std::int64_t> newest{0};
    std::atomic<bool> abandoned{false};
    std::atomic<int> stale{0}, after_abandon{0}, count{0};

private:
    void work() {
        std::unique_lock lock(mutex_);
        for (;;) {
            wake_.wait(lock, [&] { return stopping_ || !jobs_.empty(); });
            if (jobs_.empty()) return;
            auto job = std::move(jobs_.front());
            jobs_.pop_front();
            lock.unlock();
            job(JobContext{{}, 1});
            job = nullptr;
            lock.lock();
        }
    }
    std::mutex mutex_;
    std::condition_variable wake_;
    std::deque<std::function<void(const JobContext&)>> jobs_;
    bool stopping_ = false;
    std::vector<std::thread> threads_;
};

} // namespace

TEST_CASE("many threads: nothing stale, nothing after abandoning, every waiter called once") {
    for (int round = 0; round < 20; ++round) {
        ThreadedEnvironment environment;
        ProductBoard board(environment, {"plane", "cursor"}, std::chrono::milliseconds(0));
        board.add_image(image, file_id);
        std::atomic<int> called{0};
        int waiters = 0;
        for (std::int64_t input = 1; input <= 300; ++input) {
            std::vector<ProductBoard::KindUpdate> list;
            for (std::size_t kind = 0; kind < 2; ++kind) {
                ProductBoard::KindUpdate of_kind{kind, {}};
                for (const auto rank : {Rank::histogram, Rank::separate}) {
                    Product product;
                    product.part = rank == Rank::separate ? "s" : "";
                    product.input = {input};
                    product.rank = rank;
                    product.topic = "t";
                    product.compute = [input](ProductRun& run) {
                        publish_text(run, std::to_string(input));
                        run.progress();
                        publish_text(run, std::to_string(input));
                    };
                    of_kind.products.push_back(std::move(product));
                }
                list.push_back(std::move(of_kind));
            }
            board.update({image, std::move(list), {}, true, true});
            environment.newest = input; // whatever is older can't be published any more
            board.when_settled(board.plane(image), Rank::histogram, [&] { ++called; });
            board.when_computed(board.plane(image), Rank::separate, [&] { ++called; });
            waiters += 2;
        }
        board.abandon(-1);
        environment.abandoned = true;
        CHECK(called == waiters);
        environment.stop();
        CHECK(environment.stale == 0);
        CHECK(environment.after_abandon == 0);
        CHECK(board.unfinished() == 0);
    }
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
