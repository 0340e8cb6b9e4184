#include "server/api/scripting_broker.hpp"

#include "platform/mutex.hpp"
#include "server/net/http/json_body.hpp"
#include "server/net/log.hpp"
#include "server/store/worker.hpp"

#include "rpc/icd/messages.hpp"

#include <algorithm>
#include <utility>
#include <vector>

namespace cubelink::server {

namespace {

const std::string topic = "carta.scripting.request";

/// {"success": …[, "message": …][, "response": …]}, or 500 if the page has sent something that is not JSON.
transport::HttpResponse http_response(const icd::ScriptingResponse& said) {
    nlohmann::json body{{"success", said.success()}};
    if (!said.message().empty()) body["message"] = said.message();
    if (!said.response().empty()) {
        std::string error;
        auto value = parse_json_body(said.response(), error);
        if (!value) return api_failure(500, "the response of the client cannot be read: " + error);
        body["response"] = std::move(*value);
    }
    transport::HttpResponse response;
    response.headers = {{"Content-Type", "application/json"}, {"Cache-Control", "no-store"}, {"X-Content-Type-Options", "nosniff"}};
    response.body = body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    return response;
}

} // namespace

struct ScriptingBroker::Shared {
    Shared(SessionDirectory& directory, SerialWorker& worker, int timeout_seconds, PostAfter later)
        : directory(directory), worker(worker), timeout_seconds(timeout_seconds), later(std::move(later)) {}

    struct Waiting {
        std::uint64_t session = 0; // its number
        transport::HttpReply reply;
    };

    SessionDirectory& directory;
    SerialWorker& worker;
    const int timeout_seconds;
    const PostAfter later;
    platform::Mutex mutex;
    std::map<std::int32_t, Waiting> waiting CUBELINK_GUARDED_BY(mutex);
    std::int32_t last_id CUBELINK_GUARDED_BY(mutex) = 0;

    /// Notes it down; 0 if there are too many.
    std::int32_t add(std::uint64_t session, transport::HttpReply reply) {
        const platform::MutexLock lock(mutex);
        const auto same = std::count_if(waiting.begin(), waiting.end(), [&](const auto& one) { return one.second.session == session; });
        if (static_cast<std::size_t>(same) >= limit) return 0;
        do last_id = last_id == INT32_MAX ? 1 : last_id + 1;
        while (waiting.contains(last_id));
        waiting.emplace(last_id, Waiting{session, std::move(reply)});
        return last_id;
    }

    /// Takes out those that `which` accepts.
    template <class Which>
    std::vector<transport::HttpReply> take(Which which) {
        std::vector<transport::HttpReply> taken;
        const platform::MutexLock lock(mutex);
        for (auto it = waiting.begin(); it != waiting.end();) {
            if (!which(it->first, it->second)) {
                ++it;
                continue;
            }
            taken.push_back(std::move(it->second.reply));
            it = waiting.erase(it);
        }
        return taken;
    }
};

ScriptingBroker::ScriptingBroker(SessionDirectory& directory, SerialWorker& worker, int timeout_seconds, PostAfter later)
    : shared_(std::make_shared<Shared>(directory, worker, timeout_seconds, std::move(later))) {}

ScriptingBroker::~ScriptingBroker() { stop(); }

void ScriptingBroker::ask(const ScriptingAction& action, const Identity& identity, transport::HttpReply reply) {
    const auto session = shared_->directory.find(action.session_id);
    // Another user's session is not there, for all that one can tell from outside.
    if (!session || session->closed() || (session->user() != identity.user && !identity.permissions.share))
        return reply(api_failure(404, "there is no session " + std::to_string(action.session_id)));
    if (session->connections().empty() || !session->anyone_listens(topic))
        return reply(api_failure(404, "nobody in session " + std::to_string(action.session_id) + " takes scripting requests"));
    const auto id = shared_->add(session->number(), reply);
    if (id == 0) return reply(api_failure(503, "too many scripting requests of this session wait for their answers"));
    auto request = std::make_shared<icd::ScriptingRequest>();
    request->set_scripting_request_id(id);
    request->set_target(action.path);
    request->set_action(action.action);
    request->set_parameters(action.parameters);
    request->set_async(action.async);
    request->set_return_path(action.return_path);
    session->publish(std::move(request));
    // The last connection may have ended after the check and before add().
    if (session->closed() || session->connections().empty()) return left_alone(*session);
    if (shared_->timeout_seconds == 0) return;
    shared_->later(static_cast<std::uint64_t>(shared_->timeout_seconds) * 1000, [weak = std::weak_ptr(shared_), id] {
        const auto shared = weak.lock();
        if (!shared) return;
        for (auto& late : shared->take([&](std::int32_t one, const auto&) { return one == id; }))
            late(api_failure(504, "no answer within " + std::to_string(shared->timeout_seconds) + " s"));
    });
}

void ScriptingBroker::answer(const Session& session, const icd::ScriptingResponse& response) {
    auto taken = shared_->take([&](std::int32_t id, const auto& one) { return id == response.scripting_request_id() && one.session == session.number(); });
    if (taken.empty())
        return log::debug("session " + std::to_string(session.id()) + ": an answer to scripting request " +
                          std::to_string(response.scripting_request_id()) + ", which is not waiting");
    shared_->worker.post([reply = std::move(taken.front()), response] { reply(http_response(response)); });
}

void ScriptingBroker::left_alone(const Session& session) {
    for (auto& reply : shared_->take([&](std::int32_t, const auto& one) { return one.session == session.number(); }))
        reply(api_failure(404, "the session was left or closed before it answered"));
}

void ScriptingBroker::stop() {
    for (auto& reply : shared_->take([](std::int32_t, const auto&) { return true; })) reply(api_failure(503, "the server is stopping"));
}

} // namespace cubelink::server
