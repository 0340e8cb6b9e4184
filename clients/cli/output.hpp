#pragma once
/// Standard output and files, checked: what could not be written is told by the exit status.

#include <string>
#include <string_view>

namespace cubelink::cli {

/// Writes to standard output and flushes it. Throws NotWritten.
void print(std::string_view text);
/// Writes a file, "-" for standard output. The file has its name only when it is complete. Throws NotWritten.
void write_file(const std::string& path, std::string_view bytes);
/// One line on standard error; with `as_json` {"error": {"status", "code", "message"}}, code 0: none.
void complain(const std::string& program, const std::string& message, int status, int code, bool as_json);

} // namespace cubelink::cli
