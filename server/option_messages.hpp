#pragma once
/// Messages about options that tell what to change: the option that was probably meant, the line of a --config file.

#include <optional>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace cubelink::server {

/// " (did you mean --port?)" for "--prot"; empty if no option is similar.
std::string suggest_option(const CLI::App& app, const std::string& word);

/// A line `option = value` of a configuration file.
struct ConfigLine {
    int number = 0; // from 1
    std::string option; // "--port"
};

/// The options of a TOML or INI file, in order. Throws std::invalid_argument, "FILE, line N: …", for a line that sets no option, or none that
/// there is; and if the file cannot be read.
std::vector<ConfigLine> read_config_lines(const CLI::App& app, const std::string& path);

/// The value of --config (or --config=…) among the arguments.
std::optional<std::string> config_file_of(const std::vector<std::string>& arguments);

/// Whether the arguments set the option, by whichever of its names.
bool sets_option(const CLI::App& app, const std::vector<std::string>& arguments, const std::string& option);

} // namespace cubelink::server
