#pragma once
/// The program's log, on standard error: standard output belongs to the lines that launchers read. Thread-safe.
/// No message may contain a secret. Texts of clients are quoted by rpc::brief(), so that they cannot forge lines.
/// A plain front of spdlog, whose headers are heavy.

#include <string>
#include <string_view>

namespace cubelink::server::log {

/// "trace", "debug", "info", "warning", "error", "critical" or "off". False if it is none of these. Without this call: info.
bool set_level(const std::string& level);

/// Whether messages of that level are written: for messages that cost something to make.
bool writes_debug();
bool writes_trace();

void trace(std::string_view text); // each call
void debug(std::string_view text); // refused requests, what was opened and found
void info(std::string_view text);
void warn(std::string_view text);
void error(std::string_view text);

} // namespace cubelink::server::log
