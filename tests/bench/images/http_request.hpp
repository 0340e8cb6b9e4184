#pragma once
/// One HTTP request over a connection of its own.

#include <string>
#include <string_view>

namespace cubelink::bench {

/// PUTs a JSON body with the benchmark's secret and returns the answer's status. Throws std::runtime_error.
int put_json(int port, std::string_view path, const std::string& body);
/// GETs a path with it and returns the answer as it came, head and body. Throws std::runtime_error.
std::string http_get(int port, std::string_view path);
/// A value of /metrics; -1 if there is none of that name.
double metric(int port, std::string_view name);

} // namespace cubelink::bench
