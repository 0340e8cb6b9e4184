#include "pubsub/subscription.hpp"

#include <doctest/doctest.h>

using namespace cubelink::pubsub;
using namespace cubelink::rpc;

namespace {

bool accepts(const Subscription& subscription, const std::string& topic, Value value = {}, Address address = Address::addressed) {
    const Publication publication(topic, body(std::move(value)));
    const Fields fields(publication);
    return subscription.accepts(topic, address, fields);
}

class Counting final : public Body {
public:
    Value value() const override {
        ++made;
        return Map{{"file_id", 1}};
    }
    mutable int made = 0;
};

} // namespace

TEST_CASE("everything is heard until the first subscription, and only what was subscribed to from then on") {
    Subscription subscription;
    CHECK(accepts(subscription, "a"));
    CHECK_FALSE(accepts(subscription, "a", {}, Address::if_any_view)); // but for other connections' views
    CHECK_FALSE(subscription.unsubscribe("a"));      // which does not make it selective
    CHECK(accepts(subscription, "a"));
    subscription.subscribe("a", {});
    CHECK(accepts(subscription, "a"));
    CHECK_FALSE(accepts(subscription, "b"));
    CHECK(subscription.unsubscribe("a"));
    CHECK_FALSE(accepts(subscription, "a"));
    CHECK(subscription.selective());
}

TEST_CASE("filters compare fields, numbers by value") {
    Subscription subscription;
    subscription.subscribe("t", Map{{"file_id", 1.0}, {"name", "x"}});
    CHECK(accepts(subscription, "t", Map{{"file_id", 1}, {"name", "x"}, {"more", 3}}));
    CHECK_FALSE(accepts(subscription, "t", Map{{"file_id", 2}, {"name", "x"}}));
    CHECK_FALSE(accepts(subscription, "t", Map{{"file_id", 1}}));
    CHECK_FALSE(accepts(subscription, "t", "no map"));
    // A second subscription adds to the first.
    subscription.subscribe("t", Map{{"file_id", 2}});
    CHECK(accepts(subscription, "t", Map{{"file_id", 2}}));
    CHECK(accepts(subscription, "t", Map{{"file_id", 1}, {"name", "x"}}));
    // camelCase finds the ICD's names; nested values compare whole.
    subscription.subscribe("c", Map{{"regionId", 3}});
    CHECK(accepts(subscription, "c", Map{{"region_id", 3}}));
    subscription.subscribe("n", Map{{"bounds", Map{{"x", 1}, {"y", Array{1, 2.0}}}}});
    CHECK(accepts(subscription, "n", Map{{"bounds", Map{{"y", Array{1.0, 2}}, {"x", 1}}}}));
    CHECK_FALSE(accepts(subscription, "n", Map{{"bounds", Map{{"y", Array{1, 3}}, {"x", 1}}}}));
}

TEST_CASE("other views are heard by those who ask for them") {
    Subscription subscription;
    subscription.subscribe("tiles", Map{{"view", "any"}, {"file_id", 0}});
    CHECK(accepts(subscription, "tiles", Map{{"file_id", 0}}, Address::if_any_view));
    CHECK(accepts(subscription, "tiles", Map{{"file_id", 0}}, Address::if_named));
    CHECK_FALSE(accepts(subscription, "tiles", Map{{"file_id", 1}}, Address::if_any_view));
    CHECK(subscription.may_accept("tiles", Address::if_any_view));
    CHECK_FALSE(subscription.may_accept("other", Address::addressed));
}

TEST_CASE("how a publication concerns a connection decides what a subscription to its topic does") {
    Subscription all, named, any_view;
    named.subscribe("t", {});
    any_view.subscribe("t", Map{{"view", "any"}});
    using enum Address;
    const auto received = [](const Subscription& subscription) {
        std::string list;
        for (const auto address : {addressed, if_named, if_any_view, excluded}) {
            CHECK(accepts(subscription, "t", {}, address) == subscription.may_accept("t", address));
            list += accepts(subscription, "t", {}, address) ? '1' : '0';
        }
        return list;
    };
    CHECK(received(all) == "1000");
    CHECK(received(named) == "1100");
    CHECK(received(any_view) == "1110");
}

TEST_CASE("wrong subscriptions are refused and change nothing") {
    Subscription subscription;
    CHECK_THROWS_AS(subscription.subscribe("", {}), BadArguments);
    CHECK_THROWS_AS(subscription.subscribe("t", 3), BadArguments);
    CHECK_THROWS_AS(subscription.subscribe("t", Map{{"view", "all"}}), BadArguments);
    CHECK_FALSE(subscription.selective());
    for (std::size_t i = 0; i < Subscription::limit; ++i) subscription.subscribe("t" + std::to_string(i), {});
    CHECK_THROWS_AS(subscription.subscribe("one more", {}), BadArguments);
    CHECK_NOTHROW(subscription.subscribe("t0", Map{})); // known already
}

TEST_CASE("filters are bounded: they are kept, and compared with each publication") {
    Subscription subscription;
    const std::size_t limit = Subscription::filter_limit;
    CHECK_THROWS_AS(subscription.subscribe("t", Map{{"a", std::string(limit, 'x')}}), BadArguments);
    CHECK_THROWS_AS(subscription.subscribe("t", Map{{"a", Bytes::copy(std::string(limit, 'x'))}}), BadArguments);
    CHECK_THROWS_AS(subscription.subscribe("t", Map{{"a", Array(limit, Value(1))}}), BadArguments);
    CHECK_THROWS_AS(subscription.subscribe("t", Map{{std::string(limit, 'x'), 1}}), BadArguments);
    CHECK_THROWS_AS(subscription.subscribe("t", Map{{"a", Array(100, Value(Array(100, Value())))}}), BadArguments);
    CHECK_FALSE(subscription.selective());
    CHECK_NOTHROW(subscription.subscribe("t", Map{{"a", std::string(limit / 2, 'x')}}));
}

TEST_CASE("list tells topics and filters in their order") {
    Subscription subscription;
    subscription.subscribe("b", {});
    subscription.subscribe("a", Map{{"x", 1}});
    subscription.subscribe("b", Map{});
    CHECK(subscription.list() == Value(Array{Map{{"topic", "b"}, {"filter", Map{}}}, Map{{"topic", "a"}, {"filter", Map{{"x", 1}}}}}));
    CHECK(subscription.size() == 2);
}

TEST_CASE("the body is made into a map once, and only if a filter looks at it") {
    const auto counting = std::make_shared<const Counting>();
    const Publication publication("t", counting);
    Subscription plain, filtered;
    plain.subscribe("t", {});
    filtered.subscribe("t", Map{{"file_id", 1}});
    const Fields fields(publication);
    CHECK(plain.accepts("t", Address::addressed, fields));
    CHECK(counting->made == 0);
    CHECK(filtered.accepts("t", Address::addressed, fields));
    CHECK(filtered.accepts("t", Address::addressed, fields));
    CHECK(counting->made == 1);
}
