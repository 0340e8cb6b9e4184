#include "rpc/typed_method.hpp"

#include <cmath>
#include <doctest/doctest.h>
#include <thread>

using namespace cubelink::rpc;

namespace {

/// Calls a method and gives its result, or its error's message as a string that begins with the code.
Value call(const MethodRegistry& registry, std::string method, Array args = {}, Map kwargs = {}) {
    Value outcome = "unanswered";
    auto call =
        std::make_shared<Call>(Request{"i", std::move(method), std::move(args), std::move(kwargs), nullptr}, nullptr, [&](Reply&& reply) {
            if (reply.error)
                outcome = std::to_string(reply.error->code) + " " + reply.error->message;
            else
                outcome = reply.result ? reply.result->value() : Value();
        });
    registry.dispatch(call);
    return outcome;
}

int free_function(int a) { return a + 1; }

} // namespace

TEST_CASE("Parameters: defaults, names, keyword-only, rest") {
    MethodRegistry registry;
    registry.add("kw", {"a", {"b", 2}, keyword_only("c", 3)}, [](Value a, Value b, Value c) { return Array{a, b, c}; });
    registry.add("rest", {rest("args"), rest_keywords("kwargs")}, [](Array args, Map kwargs) {
        return Map{{"args", args}, {"kwargs", kwargs}};
    });
    registry.add("mixed", {"first", rest("more"), keyword_only("key"), rest_keywords("others")},
                 [](Value first, std::vector<int> more, std::string key, std::map<std::string, int> others) {
                     return Array{first, to_value(more), key, to_value(others)};
                 });
    registry.add("none", {}, [] {});
    registry.add("free", {"a"}, &free_function);

    CHECK(call(registry, "kw", {1}) == Value(Array{1, 2, 3}));
    CHECK(call(registry, "kw", {1, 5}, {{"c", 6}}) == Value(Array{1, 5, 6}));
    CHECK(call(registry, "kw", {}, {{"b", 8}, {"a", 7}}) == Value(Array{7, 8, 3}));
    CHECK(call(registry, "kw") == Value("-32602 a: missing"));
    CHECK(call(registry, "kw", {1, 2, 3}) == Value("-32602 args[2]: at most 2 positional arguments are taken, got 3"));
    CHECK(call(registry, "kw", {1}, {{"a", 2}}) == Value("-32602 a: given twice, by position and by name"));
    CHECK(call(registry, "kw", {1}, {{"d", 2}}) == Value("-32602 d: no such argument"));
    CHECK(call(registry, "rest", {1, "x"}, {{"k", true}}) == Value(Map{{"args", Array{1, "x"}}, {"kwargs", Map{{"k", true}}}}));
    CHECK(call(registry, "rest") == Value(Map{{"args", Array{}}, {"kwargs", Map{}}}));
    CHECK(call(registry, "rest", {}, {{"args", 1}}) == Value(Map{{"args", Array{}}, {"kwargs", Map{{"args", 1}}}}));
    CHECK(call(registry, "mixed", {0, 1, 2}, {{"key", "k"}, {"z", 9}}) == Value(Array{0, Array{1, 2}, "k", Map{{"z", 9}}}));
    CHECK(call(registry, "mixed", {0, 1, "x"}, {{"key", "k"}}) == Value("-32602 more[1]: expected an integer, got \"x\""));
    CHECK(call(registry, "mixed", {0}, {{"key", "k"}, {"z", "9"}}) == Value("-32602 others.z: expected an integer, got \"9\""));
    CHECK(call(registry, "mixed", {0}) == Value("-32602 key: missing"));
    CHECK(call(registry, "none").is_null());
    CHECK(call(registry, "none", {nullptr}) == Value("-32602 args[0]: at most 0 positional arguments are taken, got 1"));
    CHECK(call(registry, "free", {41}) == Value(42));
    CHECK(brief(call(registry, "kw", {1}, {{std::string(10000, 'n'), 2}}), 500).size() < 200);
}

TEST_CASE("A list of parameters that does not fit its function is a mistake found at once") {
    MethodRegistry registry;
    CHECK_THROWS_AS(registry.add("m", {"a"}, [] {}), std::logic_error);
    CHECK_THROWS_AS(registry.add("m", {"a", "a"}, [](int, int) {}), std::logic_error);
    CHECK_THROWS_AS(registry.add("m", {rest("a"), rest("b")}, [](Array, Array) {}), std::logic_error);
}

TEST_CASE("Types and the paths of what does not fit them") {
    MethodRegistry registry;
    registry.add("add", {"numbers"}, [](std::vector<double> numbers) {
        double sum = 0;
        for (double number : numbers) sum += number;
        return sum;
    });
    registry.add("nested", {"x"}, [](std::vector<std::map<std::string, std::vector<std::uint8_t>>> x) { return to_value(x.size()); });
    registry.add("u8", {"x"}, [](std::uint8_t x) { return x; });
    registry.add("i64", {"x"}, [](std::int64_t x) { return x; });
    registry.add("u64", {"x"}, [](std::uint64_t x) { return x; });
    registry.add("f32", {"x"}, [](float x) { return x; });
    registry.add("flag", {"x"}, [](bool x) { return x; });
    registry.add("text", {"x"}, [](const std::string& x) { return x; });
    registry.add("bytes", {"x"}, [](Bytes x) { return x.size(); });
    registry.add("maybe", {{"x", nullptr}}, [](std::optional<double> x) { return x ? Value(*x) : Value("nothing"); });

    CHECK(call(registry, "add", Array{Value(Array{1, 2.5})}) == Value(3.5));
    CHECK(call(registry, "add", Array{Value(Array{1, 2, 3, "a"})}) == Value("-32602 numbers[3]: expected a number, got \"a\""));
    CHECK(call(registry, "add", {5}) == Value("-32602 numbers: expected a list, got 5"));
    CHECK(std::isnan(*call(registry, "add", Array{Value(Array{1, nullptr})}).get_if<double>()));
    CHECK(call(registry, "nested", Array{Value(Array{Map{{"k", Array{1, 256}}}})}) ==
          Value("-32602 x[0].k[1]: expected an integer from 0 to 255, got 256"));
    CHECK(call(registry, "u8", {3.0}) == Value(3));
    CHECK(call(registry, "u8", {3.5}) == Value("-32602 x: expected an integer, got 3.5"));
    CHECK(call(registry, "u8", {-1}) == Value("-32602 x: expected an integer from 0 to 255, got -1"));
    CHECK(call(registry, "u8", {true}) == Value("-32602 x: expected an integer, got true"));
    CHECK(call(registry, "i64", {9007199254740992.0}) == Value(std::int64_t{1} << 53));
    CHECK(call(registry, "i64", {9007199254740994.0}) == Value("-32602 x: expected an integer, got 9007199254740994"));
    CHECK(call(registry, "i64", {std::nan("")}) == Value("-32602 x: expected an integer, got nan"));
    CHECK(call(registry, "i64", {nullptr}) == Value("-32602 x: expected an integer, got null"));
    CHECK(
        call(registry, "i64", {UINT64_MAX}).get_if<std::string>()->starts_with("-32602 x: expected an integer from -9223372036854775808"));
    CHECK(call(registry, "u64", {UINT64_MAX}) == Value(UINT64_MAX));
    CHECK(call(registry, "f32", {0.5}) == Value(0.5));
    CHECK(call(registry, "f32", {1e300}) == Value("-32602 x: expected a number within float's range, got 1e+300"));
    CHECK(call(registry, "f32", {INFINITY}) == Value(INFINITY));
    CHECK(call(registry, "flag", {1}) == Value("-32602 x: expected true or false, got 1"));
    CHECK(call(registry, "text", {Bytes::copy("abc")}) == Value("-32602 x: expected a string, got <3 bytes>"));
    CHECK(call(registry, "bytes", {Bytes::copy("abc")}) == Value(3));
    CHECK(call(registry, "bytes", {"abc"}) == Value("-32602 x: expected bytes, got \"abc\""));
    CHECK(call(registry, "maybe") == Value("nothing"));
    CHECK(call(registry, "maybe", {2}) == Value(2.0));
}

TEST_CASE("Answers: at once, through the call, later, as a body") {
    MethodRegistry registry;
    std::vector<Deferred<std::vector<int>>> owed;
    CallPtr kept;
    registry.add("by.call", {"x"}, [](const CallPtr& call, int x) { call->answer(Value(x)); });
    registry.add("by.reference", {"x"}, [](Call& call, int x) { call.fail(-7, std::to_string(x)); });
    registry.add("kept", {}, [&](const CallPtr& call) { kept = call; });
    registry.add("forgotten", {}, [](const CallPtr&) {});
    registry.add("both", {}, [](const CallPtr& call) { return call->request().method; });
    registry.add("owed", {}, [&] { return owed.emplace_back(); });
    registry.add("abandoned", {}, [] { return Deferred<void>(); });
    registry.add("done", {}, [] {
        Deferred<void> done;
        done.complete();
        return done;
    });
    registry.add("body", {}, [] { return body(7); });
    registry.add("throws", {}, []() -> int { throw CallError(-9, "mine"); });

    CHECK(call(registry, "by.call", {1}) == Value(1));
    CHECK(call(registry, "by.reference", {2}) == Value("-7 2"));
    CHECK(call(registry, "forgotten").get_if<std::string>()->starts_with("-32001 "));
    CHECK(call(registry, "both") == Value("both"));
    CHECK(call(registry, "abandoned").get_if<std::string>()->starts_with("-32001 "));
    CHECK(call(registry, "done").is_null());
    CHECK(call(registry, "body") == Value(7));
    CHECK(call(registry, "throws") == Value("-9 mine"));

    std::vector<Value> answers;
    const auto later = [&](const char* name) {
        registry.dispatch(std::make_shared<Call>(Request{"i", name, {}, {}, nullptr}, nullptr, [&](Reply&& reply) {
            answers.push_back(reply.error ? Value(reply.error->code) : reply.result->value());
        }));
    };
    later("kept");
    later("owed");
    later("owed");
    later("owed");
    CHECK(answers.empty());
    std::thread([&] { owed[0].complete({1, 2}); }).join();
    owed[0].complete({3});
    owed[1].fail(Error{-5, "no", {}});
    owed[2].fail(std::make_exception_ptr(std::runtime_error("no")));
    kept->answer(Value("late"));
    CHECK(answers == std::vector<Value>{Array{1, 2}, -5, -32001, "late"});
}
