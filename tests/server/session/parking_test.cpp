#include "server/session/parking.hpp"

#include <doctest/doctest.h>

using cubelink::server::Parking;

TEST_CASE("what is parked is owned by the parking, and given back once") {
    const auto parking = std::make_shared<Parking>();
    auto what = std::make_shared<int>(3);
    const std::weak_ptr<int> weak = what;
    const auto place = Parking::park(parking, what), again = Parking::park(parking, what);
    what.reset();
    CHECK_FALSE(weak.expired());
    CHECK(place->take() == weak.lock());
    CHECK_FALSE(weak.expired()); // it is there twice
    CHECK_FALSE(place->take());
    CHECK(again->take() == weak.lock());
    CHECK(weak.expired());
}

TEST_CASE("when the parking is closed, all of it goes, and nothing more is kept") {
    const auto parking = std::make_shared<Parking>();
    auto what = std::make_shared<int>(3);
    const std::weak_ptr<int> weak = what;
    const auto place = Parking::park(parking, what);
    parking->close();
    CHECK_FALSE(place->take());
    const auto late = Parking::park(parking, what);
    what.reset();
    CHECK(weak.expired());
    CHECK_FALSE(late->take());
}

TEST_CASE("a place that is destroyed lets go, and one without a parking has nothing") {
    auto parking = std::make_shared<Parking>();
    auto what = std::make_shared<int>(3);
    const std::weak_ptr<int> weak = what;
    auto place = Parking::park(parking, std::move(what));
    place.reset(); // the connection has ended
    CHECK(weak.expired());
    place = Parking::park(parking, std::make_shared<int>(4));
    parking.reset(); // the object has gone
    CHECK_FALSE(place->take());
}

TEST_CASE("what is parked may itself be what uses the parking when it goes") {
    struct Waiting {
        std::shared_ptr<Parking> parking;
        ~Waiting() { Parking::park(parking, std::make_shared<int>(1)); }
    };
    const auto parking = std::make_shared<Parking>();
    const auto place = Parking::park(parking, std::make_shared<Waiting>(Waiting{parking}));
    parking->close();
    CHECK_FALSE(place->take());
}
