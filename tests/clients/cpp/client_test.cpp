// The C++ client against the wslink example server: calls, errors, attachments, topics, and lost connections.

#include "clients/cpp/address.hpp"
#include "clients/cpp/client.hpp"
#include "tests/clients/cpp/server_process.hpp"

#include <doctest/doctest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <thread>

using cubelink::client::Address;
using cubelink::client::AuthenticationError;
using cubelink::client::Client;
using cubelink::client::ConnectionLost;
using cubelink::rpc::Array;
using cubelink::rpc::Bytes;
using cubelink::rpc::CallError;
using cubelink::rpc::Map;
using cubelink::rpc::Value;

// An exception in a future is shared by threads and counted in libstdc++, where ThreadSanitizer sees nothing: it takes the end of the exception in one
// thread for a race with its use in another, which came before.
extern "C" const char* __tsan_default_suppressions();
extern "C" const char* __tsan_default_suppressions() { return "race:std::__exception_ptr::exception_ptr::_M_release\n"; }

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
    Client client(server.url(), server.secret(), {patience});
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
        CHECK_THROWS_AS(Client(server.url(), "wrong", {patience}), CallError);
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

TEST_CASE("calls with callbacks") {
    ServerProcess server(example_program(), {});
    std::promise<Value> result, failure;
    Client client(server.url(), server.secret(), {patience});
    client.call("bench.echo", {Map{{"a", 1}}}, {}, [&](Value value, std::exception_ptr error) {
        if (error) result.set_exception(error);
        else result.set_value(std::move(value));
        throw std::runtime_error("a callback's mistake");
    });
    CHECK(result.get_future().get() == Value(Map{{"a", 1}}));
    client.call("no.such.method", {}, {}, [&](Value value, std::exception_ptr error) {
        CHECK(value.is_null());
        failure.set_exception(error);
    });
    CHECK(code_of(failure.get_future()) == -32601);
}

TEST_CASE("addresses of servers") {
    ::unsetenv("CUBELINK_AUTHKEY");
    const auto parsed = [](const char* url) {
        const auto address = Address::parse(url);
        return std::array{address.web_socket, address.page, address.secret};
    };
    using Parts = std::array<std::string, 3>;
    CHECK(parsed("http://localhost:1234/?token=ab%2Bc%20d") == Parts{"ws://localhost:1234/ws", "http://localhost:1234/", "ab+c d"});
    CHECK(parsed("http://localhost:1234") == Parts{"ws://localhost:1234/ws", "http://localhost:1234/", ""});
    CHECK(parsed("https://[::1]:1/sky/?a=b&token=x#here") == Parts{"wss://[::1]:1/sky/ws", "https://[::1]:1/sky/", "x"});
    CHECK(parsed("wss://host/sky/ws") == Parts{"wss://host/sky/ws", "https://host/sky/", ""});
    CHECK(parsed("ws://host/elsewhere")[0] == "ws://host/elsewhere");
    CHECK(Address::parse("http://host/?token=x", "y").secret == "y");
    ::setenv("CUBELINK_AUTHKEY", "z", 1);
    CHECK(parsed("ws://host/ws")[2] == "z");
    CHECK(parsed("http://host/?token=x")[2] == "x");
    ::unsetenv("CUBELINK_AUTHKEY");
    for (const char* bad : {"", "nonsense", "ftp://host/", "http://", "http:///x", "ws://?token=x", "http://user@host/", "http://a b/"})
        CHECK_THROWS_AS(Address::parse(bad), std::invalid_argument);
    try {
        Address::parse("ftp://host/?token=hush");
    } catch (const std::invalid_argument& error) {
        CHECK(std::string(error.what()).find("hush") == std::string::npos);
    }
}

TEST_CASE("a missing and a wrong secret read differently") {
    ServerProcess server(example_program(), {});
    const auto words = [&](const char* secret) -> std::string {
        try {
            Client client(server.url(), secret, {patience});
        } catch (const AuthenticationError& error) {
            return error.what();
        }
        return "accepted";
    };
    CHECK(words("").find("none was given") != std::string::npos);
    CHECK(words("wrong").find("refused") != std::string::npos);
}

TEST_CASE("a lost connection is made again") {
    auto server = std::make_unique<ServerProcess>(example_program(), std::vector<std::string>{});
    const auto port = server->port();
    // What callbacks use outlives the client.
    Inbox subscribed, listened;
    std::mutex mutex;
    std::condition_variable changed;
    std::vector<Client::State> states;
    std::atomic<int> restored{0};
    Client client("http://127.0.0.1:" + port + "/?token=a+secret+of%20the%20tests", "", {patience, patience});
    client.listen("listened.topic", listened.callback());
    client.subscribe("test.topic", subscribed.callback());
    client.on_state([&](Client::State state, const std::string&) {
        const std::lock_guard lock(mutex);
        states.push_back(state);
        changed.notify_all();
    });
    const auto wait_for_states = [&](std::size_t count) {
        std::unique_lock lock(mutex);
        changed.wait_for(lock, patience, [&] { return states.size() >= count; });
        return states;
    };
    client.on_restore([&] { restored += client.call("bench.echo", {1}).get() == Value(1); }); // its calls pass the ones that wait

    auto under_way = client.call("bench.sleep", {100'000});
    server->kill();
    CHECK_THROWS_AS(under_way.get(), ConnectionLost);
    CHECK(wait_for_states(1).at(0) == Client::State::interrupted);
    auto meanwhile = client.call("bench.echo", {"later"});
    auto unwanted = client.start("bench.echo", {"never sent"});
    client.cancel(unwanted.id);
    CHECK_THROWS_WITH_AS(unwanted.answer.get(), "cancelled", CallError);
    CHECK(meanwhile.wait_for(std::chrono::milliseconds(300)) == std::future_status::timeout);
    server.reset();
    server = std::make_unique<ServerProcess>(example_program(), std::vector<std::string>{"--port", port});
    REQUIRE(meanwhile.wait_for(patience) == std::future_status::ready);
    CHECK(meanwhile.get() == Value("later"));
    CHECK(restored == 1);
    CHECK(wait_for_states(2) == std::vector{Client::State::interrupted, Client::State::connected});
    client.call("bench.pubval", {"test.topic", "subscribed"}).get();
    client.call("bench.pubval", {"listened.topic", "listened"}).get();
    CHECK(subscribed.wait_for(1).at(0) == Value("subscribed"));
    CHECK(listened.wait_for(1).at(0) == Value("listened"));

    // Destroyed while it tries again: what waits fails, and nothing hangs.
    std::future<Value> left;
    {
        Client another(server->url(), server->secret(), {patience, patience});
        server->kill();
        left = another.call("bench.sleep", {100'000});
    }
    CHECK_THROWS_AS(left.get(), ConnectionLost);
}

TEST_CASE("a client that is closed") {
    ServerProcess server(example_program(), {});
    Client client(server.url(), server.secret(), {patience, patience});
    auto waiting = client.call("bench.sleep", {100'000});
    std::thread closer([&] { client.close(); });
    CHECK_THROWS_AS(waiting.get(), ConnectionLost);
    closer.join();
    CHECK_THROWS_AS(client.call("bench.none").get(), ConnectionLost);
    client.close();
}

TEST_CASE("the tries to connect again come to an end") {
    using namespace std::chrono_literals;
    auto server = std::make_unique<ServerProcess>(example_program(), std::vector<std::string>{});
    std::promise<std::string> lost;
    Client client(server->url(), server->secret(), {patience, 500ms});
    client.on_lost([&](const std::string& why) { lost.set_value(why); });
    server->kill();
    auto why = lost.get_future();
    REQUIRE(why.wait_for(patience) == std::future_status::ready);
    CHECK(why.get() != "");
    CHECK_THROWS_AS(client.call("bench.none").get(), ConnectionLost);
}

TEST_CASE("lost connections of the C++ client") {
    CHECK_THROWS_AS(Client("ws://127.0.0.1:1/ws", "x"), ConnectionLost);
    CHECK_THROWS_AS(Client("ftp://127.0.0.1/", "x"), std::invalid_argument);
    CHECK_THROWS_AS(Client("nonsense", "x"), std::invalid_argument);

    ServerProcess server(example_program(), {});
    CHECK_THROWS_AS(Client(server.url() + "/elsewhere", "x", {patience}), ConnectionLost);
    Client client(server.url(), server.secret(), {patience, std::chrono::seconds(0)});
    auto waiting = client.call("bench.sleep", {100'000});
    server.kill();
    CHECK_THROWS_AS(waiting.get(), ConnectionLost);
    CHECK_THROWS_AS(client.call("bench.none").get(), ConnectionLost);

    std::future<Value> left;
    ServerProcess another(example_program(), {});
    {
        Client short_lived(another.url(), another.secret(), {patience});
        left = short_lived.call("bench.sleep", {100'000});
    }
    CHECK_THROWS_AS(left.get(), ConnectionLost);
}
