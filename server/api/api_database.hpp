#pragma once
/// The part of the HTTP API that keeps things: preferences, layouts, snippets, workspaces. Internal to server/http.

#include <stdexcept>
#include <string>

#include <nlohmann/json.hpp>

namespace cubelink::server {

class Store;

/// A failure with its HTTP status.
class ApiError : public std::runtime_error {
public:
    ApiError(int status, const std::string& message) : std::runtime_error(message), status_(status) {}
    int status() const { return status_; }
    /// For 405: the methods that there are, "GET, PUT".
    const std::string& allow() const { return allow_; }

    static ApiError wrong_method(const std::string& allow) {
        ApiError error(405, "only " + allow);
        error.allow_ = allow;
        return error;
    }

private:
    int status_;
    std::string allow_;
};

/// The answer to one request of a user; `path` begins with "/database/". Throws ApiError, StoreError.
nlohmann::json answer_database(Store& store, const std::string& user, const std::string& method, const std::string& path, const nlohmann::json& body);

} // namespace cubelink::server
