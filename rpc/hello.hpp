#pragma once
/// The first word of a client: system messages, and what may come before they have let it in. Pure logic, no socket.
///
/// One Hello belongs to one connection; network thread only.
///
///     if (auto reply = hello.receive(request, dialect.advertised_frame_size())) { send it; if (hello.wrong_secrets() >= 5) close; }
///     else dispatch the request;

#include "rpc/message.hpp"

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace cubelink::rpc {

class Hello {
public:
    /// `accepts` says whether a secret is right; it should compare with equal_in_constant_time(). Empty: no secret is asked for.
    explicit Hello(std::function<bool(std::string_view secret)> accepts);

    /// What is to be answered at once, or nothing if the request is to be dispatched to its method. `max_message_size` goes into
    /// the answer to wslink.hello, unless it is 0 (generation 1 has none).
    std::optional<Reply> receive(const Request& request, std::size_t max_message_size);

    /// True from the first right secret on, whatever comes later.
    bool authenticated() const { return authenticated_; }
    /// "c" and 32 random letters; the same for as long as the connection lives.
    const std::string& client_id() const { return client_id_; }
    /// How many hellos brought a wrong secret, or none.
    unsigned wrong_secrets() const { return wrong_secrets_; }

    static constexpr std::string_view method = "wslink.hello";
    /// Whether an id addresses the server itself rather than a method.
    static bool is_system_id(std::string_view id) { return id.starts_with("system:"); }

private:
    bool has_valid_secret(const Request& request) const;

    std::function<bool(std::string_view)> accepts_;
    std::string client_id_;
    bool authenticated_ = false;
    unsigned wrong_secrets_ = 0;
};

} // namespace cubelink::rpc
