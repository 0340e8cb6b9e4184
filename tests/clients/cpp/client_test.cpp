// The C++ client against the wslink example server: calls, errors, attachments, topics, and lost connections.

#include "clients/cpp/client.hpp"
#include "tests/clients/cpp/server_process.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <mutex>
#include <stdexcept>
#include <thread>

using cubelink::client::Client;
using cubelink::client::ConnectionLost;
using cubelink::rpc::Array;
using cubelink::rpc::Bytes;
using cubelink::rpc::CallError;
using cubelink::rpc::Map;
using cubelink::rpc::Value;

namespace {

std::string example_program() { return program("WSLINK_EXAMPLE", WSLINK_EXAMPLE); }

int code_of(std::future<Value> answer) {
    try {
        answer.get();
    } catch (const CallError& error) {
        return error.error().code;
    }
    return 0;
}

Bytes noise(std::size_t size) {
    std::string text(size, '\0');
    std::uint32_t state = 12345;
    for (auto& c : text) c = static_cast<char>((state = state * 1664525 + 1013904223) >> 24);
    return Bytes::take(std::move(text));
}

/// Messages as they come on the network thread.
class Inbox {
public:
    Client::Callback callback() {
        return [this](const Value& message) {
            const std::lock_guard lock(mutex_);
            messages_.push_back(message);
            news_.notify_all();
        };
    }
    std::vector<Value> wait_for(std::size_t count) {
        std::unique_lock lock(mutex_);
        news_.wait_for(lock, patience, [&] { return messages_.size() >= count; });
        return messages_;
    }

private:
    std::mutex mutex_;
    std::condition_variable news_;
    std::vector<Value> messages_;
};

} // namespace

TEST_CASE("calls of the C++ client") {
    ServerProcess server(example_program(), {});
    Client client(server.url(), server.secret(), patience);
    CHECK(client.client_id().size() == 33);

    SUBCASE("arguments and results") {
        CHECK(client.call("bench.args", {1, "b"}, Map{{"x", Array{1, Value(), 2.5}}}).get() ==
              Value(Map{{"args", Array{1, "b"}}, {"kwargs", Map{{"x", Array{1, Value(), 2.5}}}}}));
        CHECK(client.call("bench.kw", {1}, Map{{"c", 5}}).get() == Value(Array{1, 2, 5}));
        CHECK(client.call("bench.none").get().is_null());
        CHECK(client.call("bench.echo", {Value(std::uint64_t{1} << 63)}).get() == Value(std::uint64_t{1} << 63));
        const auto special = client.call("myprotocol.special").get();
        CHECK(std::isnan(*(*special.get_if<Array>())[1].get_if<double>()));
    }
    SUBCASE("errors have codes") {
        CHECK(code_of(client.call("no.such.method")) == -32601);
        CHECK(code_of(client.call("bench.raise", {"it broke"})) == -32001);
        CHECK(code_of(client.call("bench.unserializable")) == -32002);
        CHECK(code_of(client.call("bench.kw")) == -32602);
        CHECK_THROWS_AS(Client(server.url(), "wrong"), CallError);
    }
    SUBCASE("attachments, nested, empty and large") {
        const auto large = noise(20 << 20);
        const Value nested = Map{{"list", Array{Bytes::copy(std::string_view("\0\1", 2)), Bytes::copy(""), Map{{"deep", large}}}}, {"same", large}, {"text", "wslink_bin0"}};
        CHECK(client.call("bench.echo", Array{nested}).get() == nested);
        CHECK(client.call("bench.echo", {Client::add_attachment(Bytes::copy("abc"))}).get() == Value(Bytes::copy("abc")));
        CHECK(client.call("myprotocol.postbinary", {large}).get() == Value("received binary data of length " + std::to_string(large.size())));
    }
    SUBCASE("many threads, many calls") {
        std::atomic<int> wrong{0};
        std::vector<std::thread> threads;
        for (int t = 0; t < 4; ++t)
            threads.emplace_back([&, t] {
                std::vector<std::future<Value>> answers;
                for (int i = 0; i < 200; ++i) answers.push_back(client.call("bench.echo", {t * 1000 + i}));
                for (int i = 0; i < 200; ++i) wrong += answers[static_cast<std::size_t>(i)].get() != Value(t * 1000 + i);
            });
        for (auto& thread : threads) thread.join();
        CHECK(wrong == 0);
    }
    SUBCASE("topics") {
        Inbox listened, subscribed, other;
        client.listen("listened.topic", listened.callback());
        client.call("bench.pubval", {"listened.topic", "first"}).get();
        CHECK(listened.wait_for(1).at(0) == Value("first"));
        client.subscribe("test.topic", subscribed.callback());
        client.subscribe("other.topic", other.callback());
        client.call("bench.publish", {"test.topic", 1 << 20, 5}).get();
        const auto messages = subscribed.wait_for(5);
        REQUIRE(messages.size() == 5);
        CHECK(messages[4].get_if<Map>()->find("data")->get_if<Bytes>()->size() == 1 << 20);
        // What was listened to before the first subscription still comes.
        client.call("bench.pubval", {"listened.topic", "second"}).get();
        CHECK(listened.wait_for(2).size() == 2);
        // A listener that throws harms nobody else.
        Inbox after;
        client.subscribe("faulty.topic", [](const Value&) { throw std::runtime_error("a listener's mistake"); });
        client.subscribe("faulty.topic", after.callback());
        client.call("bench.pubval", {"faulty.topic", 1}).get();
        CHECK(after.wait_for(1).size() == 1);
        client.unsubscribe("test.topic");
        client.call("bench.publish", {"test.topic", 10, 1}).get();
        client.call("bench.none").get();
        CHECK(subscribed.wait_for(5).size() == 5);
        CHECK(other.wait_for(0).empty());
    }
}

TEST_CASE("lost connections of the C++ client") {
    CHECK_THROWS_AS(Client("ws://127.0.0.1:1/ws", "x"), ConnectionLost);
    CHECK_THROWS_AS(Client("http://127.0.0.1/", "x"), std::invalid_argument);
    CHECK_THROWS_AS(Client("nonsense", "x"), std::invalid_argument);

    ServerProcess server(example_program(), {});
    CHECK_THROWS_AS(Client(server.url() + "/elsewhere", "x", patience), ConnectionLost);
    Client client(server.url(), server.secret(), patience);
    auto waiting = client.call("bench.sleep", {100'000});
    server.kill();
    CHECK_THROWS_AS(waiting.get(), ConnectionLost);
    CHECK_THROWS_AS(client.call("bench.none").get(), ConnectionLost);

    std::future<Value> left;
    ServerProcess another(example_program(), {});
    {
        Client short_lived(another.url(), another.secret(), patience);
        left = short_lived.call("bench.sleep", {100'000});
    }
    CHECK_THROWS_AS(left.get(), ConnectionLost);
}
