// watch and call: everything else that a server offers.

#include "clients/cli/connection.hpp"
#include "clients/cli/exit_status.hpp"
#include "clients/cli/input.hpp"
#include "clients/cli/output.hpp"
#include "clients/cli/run.hpp"
#include "clients/cli/values.hpp"

#include <algorithm>
#include <deque>
#include <limits>

namespace cubelink::cli {

using rpc::Array;
using rpc::Map;
using rpc::Value;

namespace {

std::uint32_t session_of(const Parsed& parsed) {
    const auto id = parsed.integer("session");
    if (id < 0 || id > std::numeric_limits<std::uint32_t>::max()) throw UsageError("--session: " + std::to_string(id) + " is no session's id");
    return static_cast<std::uint32_t>(id);
}

/// Registers where that is known: any wslink server can be called and watched.
void register_where_known(Connection& connection, const Parsed& parsed) {
    const auto session = session_of(parsed);
    try {
        connection.viewer(session);
    } catch (const rpc::CallError& error) {
        if (error.error().code != rpc::code::unknown_method || session != 0) throw;
    }
}

/// JSON, or @FILE with JSON in it (@- for standard input).
Value json_argument(const std::string& argument, const std::string& what) {
    const auto text = text_or_file(argument, what);
    try {
        return parse_json(text);
    } catch (const std::invalid_argument& error) {
        throw UsageError(what + " is not JSON: " + error.what() + " (texts need their quotes: '\"text\"')");
    }
}

/// Where the value of a `name=JSON` argument begins, 0 if it is none.
std::size_t value_of_named(const std::string& argument) {
    const auto name = argument.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789");
    const bool named = name != std::string::npos && name > 0 && argument[name] == '=' && !(argument[0] >= '0' && argument[0] <= '9');
    return named ? name + 1 : 0;
}

/// Messages on their way from the network thread to the one that prints.
struct Mailbox {
    std::mutex mutex;
    std::condition_variable changed;
    std::deque<std::pair<std::string, Value>> messages;
    std::optional<std::string> lost;
};

void refuse_unknown(Connection& connection, const std::vector<std::string>& topics) {
    Value info;
    try {
        info = connection.call("server.info");
    } catch (const rpc::CallError&) {
        return; // another wslink server, which does not say what it publishes
    }
    const auto& known = items(field(info, "topics"));
    if (known.empty()) return;
    for (const auto& topic : topics)
        if (std::none_of(known.begin(), known.end(), [&](const Value& name) { return text(name) == topic; }))
            throw rpc::CallError(rpc::code::method_failed, "the server has no topic \"" + topic + "\"; `cubelink-cli call server.info` lists them");
}

} // namespace

int run_watch(const Parsed& parsed) {
    const auto count = parsed.integer("count", std::numeric_limits<std::int64_t>::max());
    if (count < 1) throw UsageError("--count: expected at least 1");
    Map filter;
    if (parsed.has("filter")) {
        auto value = json_argument(parsed.text("filter"), "--filter");
        auto* map = value.get_if<Map>();
        if (!map) throw UsageError("--filter: expected a JSON object");
        filter = std::move(*map);
    }
    const auto box = std::make_shared<Mailbox>();
    Connection connection(parsed, true);
    connection.client().on_state([box, quiet = parsed.has("quiet"), as_json = parsed.has("json")](client::Client::State state, const std::string& why) {
        if (state == client::Client::State::interrupted && !quiet) complain("cubelink-cli", why + "; trying again", exit_status::no_connection, 0, as_json);
        if (state != client::Client::State::ended) return;
        const std::lock_guard lock(box->mutex);
        box->lost = why;
        box->changed.notify_all();
    });
    register_where_known(connection, parsed);
    refuse_unknown(connection, parsed.all("TOPIC"));
    for (const auto& topic : parsed.all("TOPIC"))
        connection.client().subscribe(topic, [box, topic](const Value& message) {
            const std::lock_guard lock(box->mutex);
            box->messages.emplace_back(topic, message);
            box->changed.notify_all();
        }, filter);
    for (std::int64_t seen = 0; seen < count; ++seen) {
        std::unique_lock lock(box->mutex);
        box->changed.wait(lock, [&] { return !box->messages.empty() || box->lost; });
        if (box->messages.empty()) throw client::ConnectionLost(*box->lost);
        auto [topic, message] = std::move(box->messages.front());
        box->messages.pop_front();
        lock.unlock();
        print(json(Map{{"topic", topic}, {"message", std::move(message)}}) + "\n");
    }
    return exit_status::success;
}

int run_call(const Parsed& parsed) {
    Array args;
    Map kwargs;
    for (const auto& argument : parsed.all("JSON")) {
        if (const auto begin = value_of_named(argument)) {
            const auto name = argument.substr(0, begin - 1);
            kwargs[name] = json_argument(argument.substr(begin), name);
        } else {
            args.push_back(json_argument(argument, "argument " + std::to_string(args.size() + 1)));
        }
    }
    Connection connection(parsed);
    if (!parsed.has("no-session")) register_where_known(connection, parsed);
    const auto result = connection.call(parsed.text("METHOD"), std::move(args), std::move(kwargs));
    print(json(result, !parsed.has("json")) + "\n");
    return exit_status::success;
}

} // namespace cubelink::cli
