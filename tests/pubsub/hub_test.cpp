#include "pubsub/reply_first.hpp"
#include "pubsub/hub.hpp"
#include "pubsub/receiver.hpp"
#include "tests/pubsub/support.hpp"

#include <doctest/doctest.h>

#include <thread>

using namespace cubelink::pubsub;
using namespace cubelink::pubsub::test;
using cubelink::rpc::body;
using cubelink::rpc::Bytes;
using cubelink::rpc::Map;
using cubelink::rpc::Publication;
using cubelink::rpc::Value;

namespace {

struct Client {
    std::atomic<int> woken{0};
    std::shared_ptr<TopicDialect> dialect;
    std::shared_ptr<Receiver> receiver;
    Client(std::uint64_t id, const std::shared_ptr<OutboxBudget>& budget, std::shared_ptr<TopicDialect> its) : dialect(std::move(its)) {
        receiver = std::make_shared<Receiver>(id, std::make_unique<Outbox>(1 << 24, budget), [this] { ++woken; });
        receiver->set_dialect(dialect);
    }
    std::string heard() { return taken(receiver->outbox()); }
};

struct Fixture {
    std::shared_ptr<OutboxBudget> budget = std::make_shared<OutboxBudget>(1 << 30);
    std::shared_ptr<TopicDialect> dialect = std::make_shared<TopicDialect>(), other = std::make_shared<TopicDialect>(2);
    Client a{1, budget, dialect}, b{2, budget, dialect}, c{3, budget, other};
    std::string events;
    Hub hub;
    Fixture() {
        hub.on_subscribed = [this](std::uint64_t receiver) { events += "+" + std::to_string(receiver); };
    }
    void publish(GroupId group, const std::string& topic, Value value = {}, const Audience& audience = {}) {
        hub.publish(group, std::make_shared<const Publication>(topic, body(std::move(value))), {}, audience);
    }
};

} // namespace

TEST_CASE_FIXTURE(Fixture, "a publication goes to its group, and is encoded once for a dialect") {
    hub.attach(1, a.receiver);
    hub.attach(1, b.receiver);
    hub.attach(2, c.receiver);
    publish(1, "x");
    CHECK(a.heard() == "x");
    CHECK(b.heard() == "x");
    CHECK(c.heard().empty());
    CHECK(a.woken == 1);
    CHECK(dialect->encoded == 1);
    hub.attach(1, c.receiver); // moves it
    publish(1, "y");
    publish(2, "z");
    CHECK(c.heard() == "y");
    CHECK(dialect->encoded == 2);
    CHECK(other->encoded == 1);
    hub.detach(a.receiver->id());
    hub.detach(77);
    publish(1, "w");
    CHECK(a.heard() == "y");
    CHECK(b.heard() == "y w");
}

TEST_CASE_FIXTURE(Fixture, "what a thread publishes in a call waits for its answer, and nothing else does") {
    hub.attach(1, a.receiver);
    {
        const ReplyFirst outer;
        publish(1, "first");
        {
            const ReplyFirst inner;
            publish(1, "second");
            ReplyFirst::release(inner.number() + 1); // some other call's answer
            CHECK(a.heard().empty());
            std::thread([&] {
                ReplyFirst::release(inner.number());
                publish(1, "elsewhere");
            }).join();
            CHECK(a.heard() == "elsewhere");
            ReplyFirst::release(inner.number());
            CHECK(a.heard() == "second");
            publish(1, "third"); // after the answer
            CHECK(a.heard() == "third");
        }
        CHECK(a.heard().empty());
        publish(1, "fourth");
    } // ends without an answer
    CHECK(a.heard() == "first fourth");
}

TEST_CASE_FIXTURE(Fixture, "what waits for an answer has a bound: then it goes ahead, in its order") {
    hub.attach(1, a.receiver);
    const ReplyFirst hold;
    const auto half = Bytes::take(std::string(ReplyFirst::most_bytes / 2, 'x'));
    publish(1, "first", half);
    CHECK(a.heard().empty());
    publish(1, "second", half);
    CHECK(a.heard() == "first second");
    publish(1, "third");
    CHECK(a.heard() == "third");
}

TEST_CASE_FIXTURE(Fixture, "views") {
    hub.attach(1, a.receiver);
    hub.attach(1, b.receiver);
    publish(1, "tile", {}, Audience::view_of(1));
    CHECK(a.heard() == "tile");
    CHECK(b.heard().empty());
    CHECK(hub.anyone_listens(1, "tile", Audience::view_of(1)));
    CHECK_FALSE(hub.anyone_listens(1, "tile", Audience::view_of(99)));
    hub.subscribe(2, "tile", Map{{"view", "any"}});
    CHECK(hub.anyone_listens(1, "tile", Audience::view_of(99)));
    publish(1, "tile", {}, Audience::view_of(1));
    CHECK(b.heard() == "tile");
}

TEST_CASE_FIXTURE(Fixture, "what is required goes to those who required it, and to those who subscribed to it by name") {
    for (const auto& receiver : {a.receiver, b.receiver, c.receiver}) hub.attach(1, receiver);
    publish(1, "p", {}, Audience::required_by({1, 3}));
    CHECK(a.heard() == "p");
    CHECK(b.heard().empty());
    CHECK(c.heard() == "p");
    CHECK_FALSE(hub.anyone_listens(1, "p", Audience::required_by({})));
    CHECK_FALSE(hub.anyone_listens(1, "p", Audience::required_by({99})));
    hub.subscribe(2, "p"); // by name: hears it whoever required it
    hub.subscribe(3, "q"); // has chosen another topic
    publish(1, "p", {}, Audience::required_by({1, 3}));
    CHECK(a.heard() == "p");
    CHECK(b.heard() == "p");
    CHECK(c.heard().empty());
    CHECK(hub.anyone_listens(1, "p", Audience::required_by({99})));
    CHECK(dialect->encoded == 2); // once for each publication
}

TEST_CASE_FIXTURE(Fixture, "everyone but some") {
    hub.attach(1, a.receiver);
    hub.attach(1, b.receiver);
    publish(1, "v", {}, Audience::all_except({1}));
    CHECK(a.heard().empty());
    CHECK(b.heard() == "v");
    CHECK_FALSE(hub.anyone_listens(1, "v", Audience::all_except({1, 2})));
    hub.subscribe(1, "v"); // also by name not
    publish(1, "v", {}, Audience::all_except({1}));
    CHECK(a.heard().empty());
}

TEST_CASE_FIXTURE(Fixture, "anyone_listens follows subscriptions") {
    CHECK_FALSE(hub.anyone_listens(1, "x"));
    hub.attach(1, a.receiver);
    CHECK(hub.anyone_listens(1, "x"));
    hub.subscribe(1, "y");
    CHECK_FALSE(hub.anyone_listens(1, "x"));
    CHECK(hub.anyone_listens(1, "y"));
    CHECK(hub.unsubscribe(1, "y"));
    CHECK_FALSE(hub.unsubscribe(1, "y"));
    CHECK_FALSE(hub.anyone_listens(1, "y"));
}

TEST_CASE_FIXTURE(Fixture, "each further subscription is reported") {
    hub.attach(1, a.receiver);
    hub.attach(1, b.receiver);
    hub.subscribe(1, "t");
    CHECK(events == "+1");
    hub.subscribe(1, "t"); // the same again
    CHECK(events == "+1");
    hub.subscribe(1, "t", Map{{"x", 1}});
    hub.subscribe(2, "t");
    CHECK(events == "+1+1+2");
    hub.unsubscribe(1, "t");
    hub.subscribe(77, "t"); // not attached
    CHECK(events == "+1+1+2");
}

TEST_CASE_FIXTURE(Fixture, "a wrong filter changes nothing") {
    hub.attach(1, a.receiver);
    CHECK_THROWS_AS(hub.subscribe(1, "t", 3), cubelink::rpc::BadArguments);
    CHECK(events.empty());
    CHECK(hub.anyone_listens(1, "x"));
    CHECK(hub.subscriptions(1) == Value(cubelink::rpc::Array{}));
}

TEST_CASE_FIXTURE(Fixture, "publications are counted by topic, with a bound on topics") {
    for (int i = 0; i < 300; ++i) publish(1, "t" + std::to_string(i));
    publish(1, "t0");
    const auto counts = hub.publications_by_topic();
    CHECK(counts.size() == 201);
    std::uint64_t sum = 0;
    for (const auto& [topic, count] : counts) sum += count;
    CHECK(sum == 301);
}

TEST_CASE_FIXTURE(Fixture, "publishing, subscribing and attaching at the same time") {
    hub.on_subscribed = [](std::uint64_t) {};
    hub.attach(1, a.receiver);
    std::thread publisher([&] {
        for (int i = 0; i < 5000; ++i) publish(1, i % 2 ? "x" : "y", Map{{"n", i}});
    });
    std::thread subscriber([&] {
        for (int i = 0; i < 1000; ++i) {
            hub.subscribe(1, "x", Map{{"n", i}});
            hub.anyone_listens(1, "x");
            hub.unsubscribe(1, "x");
        }
    });
    std::thread mover([&] {
        for (int i = 0; i < 1000; ++i) {
            hub.attach(1 + static_cast<GroupId>(i) % 2, b.receiver);
            hub.detach(2);
        }
    });
    publisher.join();
    subscriber.join();
    mover.join();
    CHECK_FALSE(a.receiver->outbox().overflowed());
}

TEST_CASE("what a call publishes waits for an answer that is encoded later") {
    for (const bool encoded_first : {false, true}) {
        Hub hub;
        const auto budget = std::make_shared<OutboxBudget>(1 << 28);
        Client client(1, budget, std::make_shared<TopicDialect>());
        hub.attach(1, client.receiver);
        const auto publish = [&](const char* topic) { hub.publish(1, std::make_shared<const Publication>(topic, body(1))); };
        std::shared_ptr<ReplyFirst::EncodedLater> later;
        {
            const ReplyFirst call;
            publish("a");
            later = ReplyFirst::encode_later(call.number());
            REQUIRE(later);
            publish("b");
            if (encoded_first) {
                std::thread([&] { later->encoded(); }).join();
                CHECK(client.heard().empty()); // the call goes on, and so does the order of what it publishes
            }
        }
        if (!encoded_first) {
            CHECK(client.heard().empty());
            later->encoded();
        }
        CHECK(client.heard() == "a b");
        CHECK_FALSE(ReplyFirst::encode_later(1));
    }
}
