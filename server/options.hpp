#pragma once
/// The command line of cubelink: its options, also from the file of --config and from the environment.

#include "server/net/server_options.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cubelink::server {

/// Those of a wslink server (`content` "": the built viewer, where it is found), and Cubelink's own.
struct Options : WslinkServerOptions {
    std::string folder = "."; // an absolute path without links once parsed
    std::string config_file;   // that was read; "": none
    std::string keys_file;
    std::string carta_frontend;
    int session_grace_seconds = 600;
    int threads = 1;
    std::size_t memory_limit = std::size_t{2} << 30;
    std::string store_file; // in a folder that exists; "": under the user's data folder
    std::vector<std::string> allow_links_to;
    std::string scratch;
    std::vector<std::string> remote_hosts; // that may be asked for files; none: nothing is fetched
    std::string remote_url = "https://alasky.cds.unistra.fr/hips-image-services/hips2fits";
    std::size_t remote_size_limit = std::size_t{512} << 20;
    int remote_timeout_seconds = 120;
    bool read_only = false, scripting = false;
    int scripting_timeout_seconds = 0; // 0: none
    std::string log_level = "info";
};

/// The result of parsing: options to run with, or text to print and the status to exit with.
struct ParsedOptions {
    std::optional<Options> options;
    std::string text;    // --help and --version: for standard output; an error: one line for standard error
    int exit_status = 0; // 2 for an error
};

/// Reads arguments (without the program's name), the --config file and CUBELINK_AUTHKEY, and checks that they make sense together.
ParsedOptions parse_options(const std::vector<std::string>& arguments);

/// "2G", "512M", "64 MiB", "1000" in bytes (powers of 1024). Throws std::invalid_argument.
std::size_t parse_size(std::string_view text);

inline constexpr std::string_view program_version = "0.1.0";

} // namespace cubelink::server
