#include "rpc/values/small_vector.hpp"

#include <doctest/doctest.h>

#include <memory>
#include <random>
#include <string>
#include <vector>

using cubelink::rpc::SmallVector;

TEST_CASE("SmallVector is a vector, whatever is done to it") {
    std::mt19937 source(7);
    for (int round = 0; round < 200; ++round) {
        SmallVector<std::string> list;
        std::vector<std::string> vector;
        for (int step = 0; step < 8; ++step) {
            switch (source() % 5) {
            case 0:
            case 1:
                list.push_back(std::to_string(step));
                vector.push_back(std::to_string(step));
                break;
            case 2: {
                const auto size = source() % 4;
                list.resize(size);
                vector.resize(size);
                break;
            }
            case 3: list.reserve(source() % 4); break;
            default: {
                auto other = std::move(list);
                const auto copy = other;
                list = copy;
            }
            }
            REQUIRE(std::vector<std::string>(list.begin(), list.end()) == vector);
            REQUIRE(list.size() == vector.size());
            REQUIRE(list.empty() == vector.empty());
            if (!vector.empty()) {
                REQUIRE(list.front() == vector.front());
                REQUIRE(list.back() == vector.back());
            }
        }
    }
}

TEST_CASE("SmallVector lets go of what has been moved out of it") {
    auto shared = std::make_shared<int>(1);
    SmallVector<std::shared_ptr<int>> list{shared};
    auto other = std::move(list);
    CHECK(list.empty());
    CHECK(shared.use_count() == 2);
    other.push_back(nullptr);
    CHECK(shared.use_count() == 2);
    other.resize(0);
    CHECK(shared.use_count() == 1);
}
