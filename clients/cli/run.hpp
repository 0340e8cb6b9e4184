#pragma once
/// What the commands do; commands.cpp says what they take. Each returns an exit status, and throws UsageError, NotWritten, and what a Client throws.

#include "clients/cli/parse.hpp"

namespace cubelink::cli {

int run_list(const Parsed& parsed);
int run_info(const Parsed& parsed);
int run_header(const Parsed& parsed);
int run_picture(const Parsed& parsed);
int run_tile(const Parsed& parsed);
int run_spectrum(const Parsed& parsed);
int run_statistics(const Parsed& parsed);
int run_moments(const Parsed& parsed);
int run_watch(const Parsed& parsed);
int run_call(const Parsed& parsed);

/// The ICD's number of each choice of `moments --moment`.
const std::vector<std::pair<std::string, int>>& moment_names();

} // namespace cubelink::cli
