#include "rpc/hello.hpp"
#include "rpc/secret.hpp"

#include <algorithm>
#include <cctype>
#include <doctest/doctest.h>
#include <set>

using namespace cubelink::rpc;

namespace {

Hello make_hello() {
    return Hello([](std::string_view secret) { return equal_in_constant_time("right", secret); });
}

Request request(std::string id, std::string method, Array args = {}) {
    return {std::move(id), std::move(method), std::move(args), {}, nullptr};
}

Request hello_with(Value secret) { return request("system:c0:0", "wslink.hello", {Map{{"secret", std::move(secret)}}}); }

void check_error(const std::optional<Reply>& reply, int code, std::string_view message) {
    REQUIRE(reply);
    REQUIRE(reply->error);
    CHECK(reply->error->code == code);
    CHECK(reply->error->message == message);
    if (message != "Authentication failed") CHECK(reply->error->data.is_null()); // that one says why
}

} // namespace

TEST_CASE("The right secret lets a client in and tells it its id") {
    Hello hello = make_hello();
    CHECK_FALSE(hello.authenticated());
    const auto first = hello.receive(hello_with("right"), 4194304);
    REQUIRE(first);
    CHECK(first->id == "system:c0:0");
    CHECK(first->result->value() == Value(Map{{"clientID", hello.client_id()}, {"maxMsgSize", 4194304}}));
    CHECK(hello.authenticated());
    CHECK(hello.client_id().size() == 33);
    CHECK(hello.client_id()[0] == 'c');
    CHECK(std::all_of(hello.client_id().begin(), hello.client_id().end(), [](unsigned char c) { return std::isalpha(c); }));

    // Again, and as generation 1 hears it.
    CHECK(hello.receive(hello_with("right"), 0)->result->value() == Value(Map{{"clientID", hello.client_id()}}));
    // A wrong one later changes nothing.
    check_error(hello.receive(hello_with("wrong"), 0), -32000, "Authentication failed");
    CHECK(hello.authenticated());
    CHECK_FALSE(hello.receive(request("rpc:c:1", "m"), 0));
}

TEST_CASE("Wrong and missing secrets are counted") {
    Hello hello = make_hello();
    const Array without[] = {{}, {1}, {Map{}}, {Map{{"secret", 5}}}, {Map{{"secret", nullptr}}}, {"right"}, {Array{"right"}}};
    unsigned count = 0;
    for (const Array& args : without) {
        check_error(hello.receive(request("system:c0:0", "wslink.hello", args), 1), -32000, "Authentication failed");
        CHECK(hello.wrong_secrets() == ++count);
    }
    for (const char* secret : {"", "wrong", "righ", "rightright", "right "})
        check_error(hello.receive(hello_with(secret), 1), -32000, "Authentication failed");
    CHECK(hello.wrong_secrets() == count + 5);
    CHECK_FALSE(hello.authenticated());
    CHECK(hello.receive(hello_with("right"), 0)->result);
}

TEST_CASE("A wrong secret and a missing one are told apart") {
    Hello hello = make_hello();
    const auto why = [&](const Array& args) { return std::string(*hello.receive(request("system:c0:0", "wslink.hello", args), 1)->error->data.get_if<Map>()->find("exception")->get_if<std::string>()); };
    for (const Array& args : {Array{}, Array{1}, Array{Map{}}, Array{Map{{"secret", nullptr}}}, Array{Map{{"secret", ""}}}, Array{"right"}}) CHECK(why(args) == "a secret is needed, and none was given");
    for (const Array& args : {Array{Map{{"secret", "wrong"}}}, Array{Map{{"secret", "righ"}}}, Array{Map{{"secret", 5}}}}) CHECK(why(args) == "the secret is wrong");
}

TEST_CASE("What may not come before hello, and what never may") {
    Hello hello = make_hello();
    check_error(hello.receive(request("rpc:c:1", "wslink.hello"), 0), -32000, "Unauthorized: Skip message processing");
    check_error(hello.receive(request("", "m"), 0), -32000, "Unauthorized: Skip message processing");
    check_error(hello.receive(request("system:c0:1", "other"), 0), -32601, "Unknown system method called");
    CHECK(hello.wrong_secrets() == 0);
    hello.receive(hello_with("right"), 0);
    check_error(hello.receive(request("system:c0:1", "other"), 0), -32601, "Unknown system method called");
    // wslink.hello under an ordinary id goes to the registry, which knows no such method.
    CHECK_FALSE(hello.receive(request("rpc:c:1", "wslink.hello"), 0));
}

TEST_CASE("A server without a secret accepts every hello") {
    Hello hello(nullptr);
    check_error(hello.receive(request("rpc:c:1", "m"), 0), -32000, "Unauthorized: Skip message processing");
    CHECK(hello.receive(request("system:c0:0", "wslink.hello"), 0)->result);
    CHECK(hello.authenticated());
}

TEST_CASE("Secrets: comparison and random letters") {
    CHECK(equal_in_constant_time("", ""));
    CHECK_FALSE(equal_in_constant_time("", "a"));
    CHECK_FALSE(equal_in_constant_time("", std::string_view("\0", 1)));
    CHECK_FALSE(equal_in_constant_time("a", ""));
    CHECK_FALSE(equal_in_constant_time("ab", "abab"));
    CHECK_FALSE(equal_in_constant_time("abab", "ab"));
    CHECK(equal_in_constant_time("secret", "secret"));
    CHECK_FALSE(equal_in_constant_time("secret", "secreT"));
    std::set<std::string> seen;
    std::set<char> letters;
    for (int i = 0; i < 1000; ++i) {
        const std::string text = random_letters(32);
        REQUIRE(text.size() == 32);
        seen.insert(text);
        letters.insert(text.begin(), text.end());
    }
    CHECK(seen.size() == 1000);
    CHECK(letters.size() == 52);
}
