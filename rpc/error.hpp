#pragma once
/// Errors of a call, as JSON-RPC has them. The codes are those of wslink (see docs/interface.md).

#include "rpc/values/value.hpp"

#include <stdexcept>
#include <string>

namespace cubelink::rpc {

namespace code {
inline constexpr int not_authenticated = -32000;
inline constexpr int method_failed = -32001;
inline constexpr int result_not_encodable = -32002;
inline constexpr int unknown_method = -32601;
inline constexpr int bad_arguments = -32602;
} // namespace code

struct Error {
    int code = code::method_failed;
    std::string message;
    Value data;        // null: not sent
    /// The failure was published as well: a dialect whose failures without an answer are publications themselves does not send it twice.
    bool already_published = false;
};

/// Thrown by a method to fail with a code of its own. Any other exception becomes method_failed.
class CallError : public std::runtime_error {
public:
    CallError(int code, const std::string& message, Value data = {})
        : std::runtime_error(message), error_{code, message, std::move(data)} {}
    explicit CallError(Error error) : std::runtime_error(error.message), error_(std::move(error)) {}
    const Error& error() const { return error_; }

private:
    Error error_;
};

/// bad_arguments; the message begins with the path of the field that is wrong.
class BadArguments : public CallError {
public:
    explicit BadArguments(const std::string& message) : CallError(code::bad_arguments, message) {}
};

} // namespace cubelink::rpc
