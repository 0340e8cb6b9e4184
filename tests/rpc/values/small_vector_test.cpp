#include "rpc/values/small_map.hpp"

#include <doctest/doctest.h>

#include <memory>
#include <random>
#include <string>
#include <vector>

using cubelink::rpc::Few;

TEST_CASE("Few is a vector, whatever is done to it") {
    std::mt19937 source(7);
    for (int round = 0; round < 200; ++round) {
        Few<std::string> few;
        std::vector<std::string> vector;
        for (int step = 0; step < 8; ++step) {
            switch (source() % 5) {
            case 0:
            case 1:
                few.push_back(std::to_string(step));
                vector.push_back(std::to_string(step));
                break;
            case 2: {
                const auto size = source() % 4;
                few.resize(size);
                vector.resize(size);
                break;
            }
            case 3: few.reserve(source() % 4); break;
            default: {
                auto other = std::move(few);
                const auto copy = other;
                few = copy;
            }
            }
            REQUIRE(std::vector<std::string>(few.begin(), few.end()) == vector);
            REQUIRE(few.size() == vector.size());
            REQUIRE(few.empty() == vector.empty());
            if (!vector.empty()) {
                REQUIRE(few.front() == vector.front());
                REQUIRE(few.back() == vector.back());
            }
        }
    }
}

TEST_CASE("Few lets go of what has been moved out of it") {
    auto shared = std::make_shared<int>(1);
    Few<std::shared_ptr<int>> few{shared};
    auto other = std::move(few);
    CHECK(few.empty());
    CHECK(shared.use_count() == 2);
    other.push_back(nullptr);
    CHECK(shared.use_count() == 2);
    other.resize(0);
    CHECK(shared.use_count() == 1);
}
