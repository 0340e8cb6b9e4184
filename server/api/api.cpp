#include "server/api/api.hpp"

#include "server/api/api_database.hpp"
#include "server/net/access/access.hpp"
#include "server/net/http/json_body.hpp"
#include "server/store/store.hpp"
#include "server/store/store_worker.hpp"

#include <algorithm>

namespace cubelink::server {

using nlohmann::json;
using transport::HttpReply;
using transport::HttpRequest;
using transport::HttpResponse;

namespace {

HttpResponse json_response(int status, const json& body) {
    HttpResponse response;
    response.status = status;
    response.headers = {{"Content-Type", "application/json"}, {"Cache-Control", "no-store"}, {"X-Content-Type-Options", "nosniff"}};
    response.body = body.dump();
    return response;
}

bool is_json(std::string_view content_type) {
    const auto type = content_type.substr(0, content_type.find(';'));
    static constexpr std::string_view wanted = "application/json";
    const auto end = type.find_last_not_of(" \t");
    return end != std::string_view::npos && std::equal(wanted.begin(), wanted.end(), type.begin(), type.begin() + static_cast<long>(end) + 1,
                                                       [](char a, char b) { return a == (b >= 'A' && b <= 'Z' ? b + 32 : b); });
}

HttpResponse wrong_method(const std::string& allow) {
    auto response = api_failure(405, "only " + allow);
    response.headers.emplace_back("Allow", allow);
    return response;
}

ScriptingAction scripting_action(const json& body) {
    const auto field = [&](const char* name, auto is_right, const char* what) -> const json& {
        const auto found = body.find(name);
        if (found == body.end() || !is_right(*found)) throw ApiError(400, std::string(name) + ": expected " + what);
        return *found;
    };
    const auto text = [](const json& value) { return value.is_string(); };
    ScriptingAction action;
    const auto& id = field("session_id", [](const json& v) { return v.is_number_integer(); }, "an integer");
    if (id.is_number_unsigned() ? id.get<std::uint64_t>() > UINT32_MAX : true)
        throw ApiError(404, "there is no such session");
    action.session_id = id.get<std::uint32_t>();
    action.path = field("path", text, "a string").get<std::string>();
    action.action = field("action", text, "a string").get<std::string>();
    action.parameters = field("parameters", [](const json& v) { return v.is_array(); }, "a list").dump();
    if (body.contains("async")) action.async = field("async", [](const json& v) { return v.is_boolean(); }, "true or false").get<bool>();
    if (body.contains("return_path") && !body["return_path"].is_null()) action.return_path = field("return_path", text, "a string").get<std::string>();
    return action;
}

} // namespace

HttpResponse api_failure(int status, const std::string& message) {
    HttpResponse response = json_response(status, {{"success", false}});
    // A message can quote what was sent: never let it break the answer.
    response.body = json{{"success", false}, {"message", message}}.dump(-1, ' ', false, json::error_handler_t::replace);
    return response;
}

struct HttpApi::Shared {
    HttpApiOptions options;
    Store& store;
    StoreWorker& worker;
    OriginList origins{options.allow_origins};

    /// Lets a page of an allowed origin read the answer.
    void add_cors(const HttpRequest& request, HttpResponse& response) const {
        const auto origin = request.header("origin");
        response.headers.emplace_back("Vary", "Origin");
        if (origin.empty()) return;
        const auto match = origins.match(origin);
        if (match == OriginList::Match::none) return;
        response.headers.emplace_back("Access-Control-Allow-Origin", std::string(origin));
        // Cookies only from origins that were named: "*" is for programs that bring their token themselves.
        if (match == OriginList::Match::named) response.headers.emplace_back("Access-Control-Allow-Credentials", "true");
        response.headers.emplace_back("Access-Control-Allow-Methods", "GET, POST, PUT, DELETE, OPTIONS");
        response.headers.emplace_back("Access-Control-Allow-Headers", "origin, content-type, accept, authorization, x-requested-with");
        response.headers.emplace_back("Access-Control-Max-Age", "600");
    }
};

HttpApi::HttpApi(HttpApiOptions options, Store& store, StoreWorker& worker)
    : shared_(std::make_shared<const Shared>(Shared{std::move(options), store, worker})) {}

void HttpApi::handle_config(const HttpRequest& request, const HttpReply& reply) const {
    if (request.method != "GET" && request.method != "HEAD") {
        auto response = wrong_method("GET, HEAD");
        shared_->add_cors(request, response);
        return reply(std::move(response));
    }
    auto response = json_response(200, {{"apiAddress", shared_->options.base_path + "/api"}});
    shared_->add_cors(request, response);
    reply(std::move(response));
}

void HttpApi::handle(HttpRequest&& request, const std::string& path, const std::optional<Identity>& identity, HttpReply reply) const {
    const auto& shared = *shared_;
    const auto answer = [shared = shared_, reply = std::move(reply)](const HttpRequest& asked, HttpResponse&& response) {
        shared->add_cors(asked, response);
        reply(std::move(response));
    };
    if (request.method == "OPTIONS") {
        HttpResponse response;
        response.status = 204;
        response.headers = {{"Allow", "GET, POST, PUT, DELETE, OPTIONS"}};
        return answer(request, std::move(response));
    }
    if (!identity) return answer(request, api_failure(403, tokens_of(request, shared.options.token_name).empty() ? "a token is needed, and none was given" : "the token is wrong"));

    json body;
    const bool bare = request.body.empty() && request.header("content-type").empty();
    if (request.method != "GET" && request.method != "HEAD" && !bare && !is_json(request.header("content-type")))
        return answer(request, api_failure(415, "the content type must be application/json"));
    if (request.method != "GET" && request.method != "HEAD" && !request.body.empty()) {
        std::string error;
        auto parsed = parse_json_body(request.body, error);
        if (!parsed) return answer(request, api_failure(400, error));
        if (!parsed->is_object()) return answer(request, api_failure(400, "the body must be a JSON object"));
        body = std::move(*parsed);
    }

    const auto asked = std::make_shared<const HttpRequest>(std::move(request));
    if (path == "/scripting/action") {
        if (asked->method != "POST") return answer(*asked, wrong_method("POST"));
        if (!shared.options.scripting) return answer(*asked, api_failure(501, "scripting is off; the server's option --scripting turns it on"));
        try {
            shared.options.on_scripting(scripting_action(body), *identity,
                                        [answer, asked](HttpResponse&& response) { answer(*asked, std::move(response)); });
        } catch (const ApiError& error) { answer(*asked, api_failure(error.status(), error.what())); }
        return;
    }

    shared.worker.post(
        lane_of_user(identity->user),
        [shared = shared_, answer, asked, path, user = identity->user, body = std::move(body)] {
            HttpResponse response;
            try {
                const auto method = asked->method == "HEAD" ? "GET" : asked->method;
                response = json_response(200, answer_database(shared->store, user, method, path, body));
            } catch (const ApiError& error) {
                response = error.allow().empty() ? api_failure(error.status(), error.what()) : wrong_method(error.allow());
            }
            answer(*asked, std::move(response));
        },
        [answer, asked](const std::exception& error) {
            answer(*asked, api_failure(dynamic_cast<const StoreFull*>(&error) ? 507 : 500, error.what()));
        });
}

} // namespace cubelink::server
