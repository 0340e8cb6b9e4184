#pragma once
/// The program's log, on standard error: standard output belongs to the lines that launchers read. Thread-safe.
/// A plain front of spdlog, whose headers are heavy.

#include <string>
#include <string_view>

namespace cubelink::server::log {

/// "trace", "debug", "info", "warn", "error" or "off". False if it is none of these. Without this call: info.
bool set_level(const std::string& level);

void debug(std::string_view text);
void info(std::string_view text);
void warn(std::string_view text);
void error(std::string_view text);

} // namespace cubelink::server::log
