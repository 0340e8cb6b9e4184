#pragma once
/// How the tool ends. Scripts rely on the numbers; the manual page lists them.

#include <stdexcept>

namespace cubelink::cli {

namespace exit_status {
inline constexpr int success = 0;
inline constexpr int failed = 1;         // the server refused, or could not do it
inline constexpr int usage = 2;
inline constexpr int no_connection = 3;  // none could be made, or it was lost
inline constexpr int not_authenticated = 4;
inline constexpr int out_of_time = 5;    // --timeout
inline constexpr int not_written = 6;    // the output, on this machine
inline constexpr int interrupted = 130;  // SIGINT, SIGTERM
} // namespace exit_status

/// Output that could not be written. An empty what(): its reader has gone, and nothing is said.
class NotWritten : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

} // namespace cubelink::cli
