#include "rpc/hello.hpp"

#include "rpc/secret.hpp"

namespace cubelink::rpc {

namespace {

Reply failure(const Request& request, int code, std::string message, Value data = {}) {
    return Reply{request.id, request.method, nullptr, Error{code, std::move(message), std::move(data)}};
}

/// The first argument's "secret"; nullptr: none was given.
const Value* secret_of(const Request& request) {
    if (request.args.empty()) return nullptr;
    const auto* credentials = request.args.front().get_if<Map>();
    const Value* secret = credentials ? credentials->find("secret") : nullptr;
    if (!secret || secret->is_null()) return nullptr;
    const auto* text = secret->get_if<std::string>();
    return text && text->empty() ? nullptr : secret;
}

} // namespace

Hello::Hello(std::function<bool(std::string_view)> accepts) : accepts_(std::move(accepts)), client_id_('c' + random_letters(32)) {}

bool Hello::has_valid_secret(const Request& request) const {
    if (!accepts_) return true;
    const auto* secret = secret_of(request);
    const auto* text = secret ? secret->get_if<std::string>() : nullptr;
    return text && accepts_(*text);
}

std::optional<Reply> Hello::receive(const Request& request, std::size_t max_message_size) {
    if (!is_system_id(request.id)) {
        if (authenticated_) return std::nullopt;
        return failure(request, code::not_authenticated, "Unauthorized: Skip message processing");
    }
    if (request.method != method) return failure(request, code::unknown_method, "Unknown system method called");
    if (!has_valid_secret(request)) {
        ++wrong_secrets_;
        // Clients of wslink know the message; the data is for people. It tells them nothing that they have not sent.
        const auto* why = secret_of(request) ? "the secret is wrong" : "a secret is needed, and none was given";
        return failure(request, code::not_authenticated, "Authentication failed", Map{{"method", std::string(method)}, {"exception", why}});
    }
    authenticated_ = true;
    Map result{{"clientID", client_id_}};
    if (max_message_size > 0) result.append("maxMsgSize", max_message_size);
    return Reply{request.id, request.method, body(std::move(result)), std::nullopt};
}

} // namespace cubelink::rpc
