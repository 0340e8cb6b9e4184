#include "rpc/method_registry.hpp"
#include "tests/support/effort.hpp"

#include <atomic>
#include <doctest/doctest.h>
#include <thread>

using namespace cubelink::rpc;

namespace {

CallPtr make_call(std::vector<Reply>& replies, std::string method, Array args = {}) {
    return std::make_shared<Call>(Request{"rpc:c:1", std::move(method), std::move(args), {}, nullptr}, nullptr,
                                  [&replies](Reply&& reply) { replies.push_back(std::move(reply)); });
}

} // namespace

TEST_CASE("The first answer counts") {
    std::vector<Reply> replies;
    auto call = make_call(replies, "m");
    call->answer(Value(1));
    call->answer(Value(2));
    call->fail(1, "late");
    call.reset();
    REQUIRE(replies.size() == 1);
    CHECK(replies[0].id == "rpc:c:1");
    CHECK(replies[0].method == "m");
    CHECK(replies[0].result->value() == Value(1));
    CHECK_FALSE(replies[0].error);
}

TEST_CASE("A call that nobody answers fails") {
    std::vector<Reply> replies;
    make_call(replies, "m").reset();
    REQUIRE(replies.size() == 1);
    REQUIRE(replies[0].error);
    CHECK(replies[0].error->code == code::method_failed);
    CHECK(replies[0].error->message == "Exception raised");
    CHECK(*replies[0].error->data.get_if<Map>()->find("method") == Value("m"));
}

TEST_CASE("Threads that answer at the same time give one answer") {
    for (int round = 0; round < cubelink::test::effort(200); ++round) {
        std::atomic<int> answers{0};
        auto call = std::make_shared<Call>(Request{"i", "m", {}, {}, nullptr}, nullptr, [&](Reply&&) { ++answers; });
        std::vector<std::thread> threads;
        for (int i = 0; i < 3; ++i) threads.emplace_back([call, i] { i == 0 ? call->fail(1, "x") : call->answer(Value(i)); });
        call.reset();
        for (auto& thread : threads) thread.join();
        CHECK(answers == 1);
    }
}

TEST_CASE("The registry answers unknown names and exceptions as wslink does") {
    MethodRegistry registry;
    registry.add_generic("throws", [](const CallPtr&) { throw std::runtime_error("no good"); });
    registry.add_generic("throws.int", [](const CallPtr&) { throw 7; });
    registry.add_generic("throws.code", [](const CallPtr&) { throw CallError(-5, "mine", Map{{"k", 1}}); });
    registry.add_generic("throws.bad", [](const CallPtr&) { throw BadArguments("x: wrong"); });
    registry.add_generic(
        "fine", [](const CallPtr& call) { call->answer(call->request().args[0]); }, AnswerOrder::when_done);
    CHECK_THROWS_AS(registry.add_generic("fine", [](const CallPtr&) {}), std::logic_error);
    CHECK(registry.names() == std::vector<std::string>{"fine", "throws", "throws.bad", "throws.code", "throws.int"});
    CHECK(registry.find("fine")->order == AnswerOrder::when_done);
    CHECK(registry.find("fin") == nullptr);

    std::vector<Reply> replies;
    for (const char* name : {"unknown", "throws", "throws.int", "throws.code", "throws.bad", "fine"})
        registry.dispatch(make_call(replies, name, {5}));
    REQUIRE(replies.size() == 6);
    CHECK(replies[0].error->code == -32601);
    CHECK(replies[0].error->message == "Unregistered method called");
    CHECK(replies[0].error->data == Value("unknown"));
    CHECK(replies[1].error->code == -32001);
    CHECK(replies[1].error->message == "Exception raised");
    CHECK(replies[1].error->data == Value(Map{{"method", "throws"}, {"exception", "no good"}}));
    CHECK(replies[2].error->code == -32001);
    CHECK(replies[3].error->code == -5);
    CHECK(replies[3].error->message == "mine");
    CHECK(replies[3].error->data == Value(Map{{"k", 1}}));
    CHECK(replies[4].error->code == -32602);
    CHECK(replies[4].error->message == "x: wrong");
    CHECK(replies[5].result->value() == Value(5));
}

TEST_CASE("A call leaves the order of answers if its connection lets it") {
    int asked = 0;
    bool room = false;
    Call call(
        Request{"rpc:c:1", "m", {}, {}, nullptr}, nullptr, [](Reply&&) {},
        [&] {
            ++asked;
            return room;
        });
    CHECK_FALSE(call.leave_order());
    room = true;
    CHECK(call.leave_order());
    CHECK(asked == 2);
    call.answer(Value(1));
    std::vector<Reply> replies;
    CHECK(make_call(replies, "m")->leave_order()); // it has no place in an order
}

TEST_CASE("A call that may be cancelled fails as cancelled, whatever it fails with") {
    std::vector<Reply> replies;
    auto call = make_call(replies, "long");
    CHECK_FALSE(call->cancel()); // not allowed
    call->allow_cancel();
    int first = 0, second = 0;
    call->on_cancel([&] { ++first; });
    call->on_cancel([&] { ++second; }); // the next who works on it
    CHECK(call->cancel());
    CHECK(call->cancelled());
    CHECK(first == 0);
    CHECK(second == 1);
    call->on_cancel([&] { ++first; }); // too late: at once
    CHECK(first == 1);
    call->fail(code::method_failed, "The file was closed.");
    REQUIRE(replies.size() == 1);
    REQUIRE(replies[0].error);
    CHECK(replies[0].error->code == code::method_failed);
    CHECK(replies[0].error->message == "cancelled");
    CHECK(replies[0].error->data == Value(Map{{"method", "long"}, {"exception", "Cancelled"}}));
    CHECK_FALSE(call->cancel());
}

TEST_CASE("A call that is done is not cancelled, and lets go of what would have stopped it") {
    std::vector<Reply> replies;
    auto call = make_call(replies, "long");
    call->allow_cancel();
    const auto held = std::make_shared<int>(0);
    call->on_cancel([held] { ++*held; });
    CHECK(held.use_count() == 2);
    call->answer(Value(1));
    CHECK(held.use_count() == 1);
    call->on_cancel([held] { ++*held; });
    CHECK(held.use_count() == 1);
    CHECK_FALSE(call->cancel());
    CHECK_FALSE(call->can_be_cancelled());
    CHECK(*held == 0);
}

TEST_CASE("Of a call that is cancelled while it gets what stops it and its answer, it is stopped at most once") {
    for (int round = 0; round < cubelink::test::effort(200); ++round) {
        std::atomic<int> answers{0}, stopped{0};
        std::atomic<bool> cancelled{false};
        const auto call = std::make_shared<Call>(Request{"i", "m", {}, {}, nullptr}, nullptr, [&](Reply&&) { ++answers; });
        call->allow_cancel();
        std::thread a([&] { cancelled = call->cancel(); });
        std::thread b([&] {
            call->on_cancel([&] { ++stopped; });
            call->answer(Value(1));
        });
        a.join();
        b.join();
        CHECK(answers == 1);
        CHECK(stopped <= 1);
        if (!cancelled) CHECK(stopped == 0);
    }
}
