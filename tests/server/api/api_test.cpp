#include "server/api/api.hpp"

#include "server/net/http/json_body.hpp"
#include "server/store/store.hpp"
#include "server/store/store_worker.hpp"

#include <doctest/doctest.h>

#include <future>

using namespace cubelink::server;
using cubelink::transport::HttpRequest;
using cubelink::transport::HttpResponse;
using nlohmann::json;

std::string_view HttpRequest::header(std::string_view name) const { // the transport's own is not linked here
    for (const auto& [key, value] : headers)
        if (key == name) return value;
    return "";
}

namespace {

struct Fixture {
    std::unique_ptr<Store> store = Store::in_memory();
    StoreWorker worker;
    HttpApiOptions options;
    std::unique_ptr<HttpApi> api;

    explicit Fixture(HttpApiOptions with = {}) : options(std::move(with)), api(std::make_unique<HttpApi>(options, *store, worker)) {}

    HttpResponse ask(const std::string& method, const std::string& path, const std::string& body = "", const std::string& type = "application/json",
                     std::optional<Identity> who = Identity{}, const std::string& origin = "") {
        HttpRequest request;
        request.method = method;
        request.body = body;
        if (!type.empty()) request.headers.emplace_back("content-type", type);
        if (!origin.empty()) request.headers.emplace_back("origin", origin);
        std::promise<HttpResponse> promise;
        auto answer = promise.get_future();
        api->handle(std::move(request), path, who, [&](HttpResponse&& response) { promise.set_value(std::move(response)); });
        return answer.get();
    }
    json good(const std::string& method, const std::string& path, const std::string& body = "") {
        const auto response = ask(method, path, body);
        CHECK_MESSAGE(response.status == 200, response.body);
        const auto answer = json::parse(response.body);
        CHECK(answer["success"] == true);
        return answer;
    }
    int status(const std::string& method, const std::string& path, const std::string& body = "") {
        const auto response = ask(method, path, body);
        CHECK(json::parse(response.body)["success"] == (response.status == 200));
        return response.status;
    }
};

std::string header_of(const HttpResponse& response, std::string_view name) {
    for (const auto& [key, value] : response.headers)
        if (key == name) return value;
    return "";
}

} // namespace

TEST_CASE("preferences are merged, read and deleted") {
    Fixture f;
    CHECK(f.good("GET", "/database/preferences")["preferences"] == json{{"version", 2}});
    f.good("PUT", "/database/preferences", R"({"theme":"dark","nested":{"a":[1,null]}})");
    f.good("PUT", "/database/preferences", R"({"theme":"light"})");
    CHECK(f.good("GET", "/database/preferences")["preferences"] == json::parse(R"({"version":2,"theme":"light","nested":{"a":[1,null]}})"));
    f.good("DELETE", "/database/preferences", R"({"keys":["theme","absent"]})");
    CHECK_FALSE(f.good("GET", "/database/preferences")["preferences"].contains("theme"));
    CHECK(f.status("DELETE", "/database/preferences", R"({"keys":"theme"})") == 400);
    CHECK(f.status("POST", "/database/preferences", "{}") == 405);
    CHECK(f.status("GET", "/database/layout") == 405);
    CHECK(header_of(f.ask("GET", "/database/layout"), "Allow") == "PUT, DELETE");
}

TEST_CASE("layouts, snippets and workspaces") {
    Fixture f;
    f.good("PUT", "/database/layout", R"({"layoutName":"wide","layout":{"a":1}})");
    f.good("PUT", "/database/snippet", R"({"snippetName":"hello","snippet":{"code":"1"}})");
    CHECK(f.good("GET", "/database/layouts")["layouts"] == json{{"wide", {{"a", 1}}}});
    CHECK(f.good("GET", "/database/snippets")["snippets"] == json{{"hello", {{"code", "1"}}}});
    f.good("DELETE", "/database/layout", R"({"layoutName":"wide"})");
    CHECK(f.status("DELETE", "/database/layout", R"({"layoutName":"wide"})") == 404);
    CHECK(f.good("GET", "/database/layouts")["layouts"] == json::object());

    const auto saved = f.good("PUT", "/database/workspace", R"({"workspaceName":"w 1","workspace":{"files":[]}})");
    CHECK(f.good("GET", "/database/workspace/w 1")["workspace"] == json{{"files", json::array()}});
    const auto listed = f.good("GET", "/database/list/workspaces")["workspaces"];
    REQUIRE(listed.size() == 1);
    CHECK(listed[0]["name"] == "w 1");
    CHECK(listed[0]["date"].get<std::int64_t>() > 1700000000);
    const auto key = f.good("POST", "/database/share/workspace/" + saved["workspace"]["id"].get<std::string>())["shareKey"].get<std::string>();
    CHECK(f.good("GET", "/database/workspace/key/" + key)["workspace"] == json{{"files", json::array()}});
    CHECK(f.status("GET", "/database/workspace/absent") == 404);
    CHECK(f.status("GET", "/database/workspace/key/absent") == 404);
    CHECK(f.status("POST", "/database/share/workspace/77") == 404);
}

TEST_CASE("what one user keeps is nothing to another") {
    Fixture f;
    f.ask("PUT", "/database/layout", R"({"layoutName":"l","layout":{}})", "application/json", Identity{"ann", {}});
    CHECK(json::parse(f.ask("GET", "/database/layouts", "", "", Identity{"bob", {}}).body)["layouts"].empty());
    CHECK(json::parse(f.ask("GET", "/database/layouts", "", "", Identity{"ann", {}}).body)["layouts"].size() == 1);
}

TEST_CASE("malformed requests are refused") {
    Fixture f;
    CHECK(f.status("PUT", "/database/preferences", "{") == 400);
    CHECK(f.status("PUT", "/database/preferences", "[1]") == 400);
    CHECK(f.status("PUT", "/database/preferences", "\"\xff\"") == 400);
    CHECK(f.status("PUT", "/database/preferences", std::string(100000, '[')) == 400);
    CHECK(f.status("PUT", "/database/layout", R"({"layoutName":"","layout":{}})") == 400);
    CHECK(f.status("PUT", "/database/layout", R"({"layoutName":"a","layout":[]})") == 400);
    CHECK(f.status("PUT", "/database/layout", R"({"layout":{}})") == 400);
    CHECK(f.status("GET", "/database/nothing") == 404);
    CHECK(f.status("GET", "") == 404);
    CHECK(f.ask("PUT", "/database/preferences", "a=1", "application/x-www-form-urlencoded").status == 415);
    CHECK(f.ask("PUT", "/database/preferences", "{}", "application/json; charset=utf-8").status == 200);
    CHECK(f.ask("GET", "/database/preferences", "", "", std::nullopt).status == 403);
}

TEST_CASE("CORS only for origins that are allowed") {
    HttpApiOptions options;
    options.allow_origins = {"https://good.example"};
    Fixture f(options);
    CHECK(header_of(f.ask("OPTIONS", "/database/layout", "", "", std::nullopt, "https://good.example"), "Access-Control-Allow-Origin") == "https://good.example");
    CHECK(header_of(f.ask("OPTIONS", "/database/layout", "", "", std::nullopt, "https://bad.example"), "Access-Control-Allow-Origin") == "");
    CHECK(header_of(f.ask("GET", "/database/layouts", "", "", Identity{}, "https://good.example"), "Access-Control-Allow-Origin") == "https://good.example");
}

TEST_CASE("scripting is off unless it is turned on, and checks what it is given") {
    const std::string action = R"({"session_id":7,"path":"a.b","action":"go","parameters":[1,{"macroTarget":"x"}],"async":false})";
    CHECK(Fixture().status("POST", "/scripting/action", action) == 501);
    HttpApiOptions options;
    options.scripting = true;
    ScriptingAction seen;
    options.on_scripting = [&](const ScriptingAction& asked, const Identity&, cubelink::transport::HttpReply reply) {
        seen = asked;
        reply(api_failure(404, "nobody"));
    };
    Fixture f(options);
    CHECK(f.status("POST", "/scripting/action", action) == 404);
    CHECK(seen.session_id == 7);
    CHECK(seen.path == "a.b");
    CHECK(json::parse(seen.parameters) == json::parse(R"([1,{"macroTarget":"x"}])"));
    CHECK(f.status("POST", "/scripting/action", "{}") == 400);
    CHECK(f.status("POST", "/scripting/action", R"({"session_id":"7","path":"","action":"a","parameters":[]})") == 400);
    CHECK(f.status("POST", "/scripting/action", R"({"session_id":-7,"path":"","action":"a","parameters":[]})") == 404);
    CHECK(f.status("POST", "/scripting/action", R"({"session_id":7,"path":"","action":"a","parameters":{}})") == 400);
    CHECK(f.status("GET", "/scripting/action") == 405);
}

TEST_CASE("an origin is the same in every spelling; cookies only for those that are named") {
    HttpApiOptions options;
    options.allow_origins = {"*", "https://Good.example:443/"};
    Fixture f(options);
    const auto good = f.ask("GET", "/database/layouts", "", "", Identity{}, "https://good.example");
    CHECK(header_of(good, "Access-Control-Allow-Origin") == "https://good.example");
    CHECK(header_of(good, "Access-Control-Allow-Credentials") == "true");
    const auto other = f.ask("GET", "/database/layouts", "", "", Identity{}, "https://other.example");
    CHECK(header_of(other, "Access-Control-Allow-Origin") == "https://other.example");
    CHECK(header_of(other, "Access-Control-Allow-Credentials") == "");
    options.allow_origins = {"not an origin"};
    CHECK_THROWS_AS(Fixture{options}, std::invalid_argument);
}

TEST_CASE("a page of an allowed origin may read why its scripting request was refused") {
    HttpApiOptions options;
    options.allow_origins = {"https://good.example"};
    options.scripting = true;
    Fixture f(options);
    const auto refused = f.ask("POST", "/scripting/action", "{}", "application/json", Identity{}, "https://good.example");
    CHECK(refused.status == 400);
    CHECK(header_of(refused, "Access-Control-Allow-Origin") == "https://good.example");
}
