#pragma once
/// What arguments lead to on this machine.

#include <string>

namespace cubelink::cli {

/// The argument itself, or of @FILE the file's content (@-: that of standard input). Throws UsageError with `what` it was for.
std::string text_or_file(const std::string& argument, const std::string& what);

} // namespace cubelink::cli
