#include "rpc/json/json_dialect.hpp"
#include "rpc/msgpack/msgpack_dialect.hpp"
#include "tests/rpc/fixtures.hpp"

#include <atomic>
#include <doctest/doctest.h>
#include <thread>

using namespace cubelink::rpc;

namespace {

struct CountedBody : Body {
    explicit CountedBody(std::atomic<int>& count) : count(count) {}
    Value value() const override {
        ++count;
        return Map{{"x", 1}};
    }
    std::atomic<int>& count;
};

struct HopelessBody : Body {
    Value value() const override { throw CallError(code::result_not_encodable, "cannot"); }
};

} // namespace

TEST_CASE("Publications count") {
    const Publication first("a.topic", body(1)), second("b", body(2));
    CHECK(first.id().starts_with("publish:a.topic:"));
    CHECK(second.id().starts_with("publish:b:"));
    CHECK(std::stoull(second.id().substr(10)) == std::stoull(first.id().substr(16)) + 1);
    CHECK(test::join(first.encoded_for(*make_json_dialect())->frames[0]) == R"({"wslink":"1.0","id":")" + first.id() + R"(","result":1})");
}

TEST_CASE("A publication is encoded once for each dialect, whichever threads ask") {
    for (int round = 0; round < 50; ++round) {
        std::atomic<int> count{0};
        const Publication publication("t", std::make_shared<CountedBody>(count));
        std::vector<std::thread> threads;
        std::vector<EncodedPtr> got(4);
        for (int i = 0; i < 4; ++i)
            threads.emplace_back([&, i] {
                const auto dialect = i % 2 ? make_json_dialect() : make_msgpack_dialect();
                got[static_cast<std::size_t>(i)] = publication.encoded_for(*dialect);
            });
        for (auto& thread : threads) thread.join();
        CHECK(count == 2);
        CHECK(got[0] == got[2]);
        CHECK(got[1] == got[3]);
        CHECK(got[0] != got[1]);
        CHECK(got[0]->bytes == got[0]->frames[0].size());
    }
}

TEST_CASE("What a dialect cannot say is not published") {
    const auto json = make_json_dialect(), msgpack = make_msgpack_dialect();
    const Publication extension("t", body(Extension{5, Bytes::copy("x")}));
    CHECK(extension.encoded_for(*json) == nullptr);
    CHECK(extension.encoded_for(*json) == nullptr);
    CHECK(extension.encoded_for(*msgpack) != nullptr);
    const Publication hopeless("t", std::make_shared<HopelessBody>());
    CHECK(hopeless.encoded_for(*json) == nullptr);
    CHECK(hopeless.encoded_for(*msgpack) == nullptr);
    const Publication nothing("t", nullptr);
    CHECK(test::join(nothing.encoded_for(*json)->frames[0]).ends_with(R"("result":null})"));
}
