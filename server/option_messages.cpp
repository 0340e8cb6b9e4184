#include "server/option_messages.hpp"

#include "platform/text.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <fstream>
#include <numeric>
#include <stdexcept>
#include <string_view>

namespace cubelink::server {

namespace {

std::string_view trim(std::string_view text) { return platform::trimmed(text, " \t\r"); }

/// Insertions, removals, replacements and exchanges of neighbours that make one word of the other.
std::size_t distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> before, last(b.size() + 1), now(b.size() + 1);
    std::iota(last.begin(), last.end(), std::size_t{0});
    for (std::size_t i = 1; i <= a.size(); ++i) {
        now[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            now[j] = std::min({last[j] + 1, now[j - 1] + 1, last[j - 1] + (a[i - 1] != b[j - 1])});
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) now[j] = std::min(now[j], before[j - 2] + 1);
        }
        before = std::exchange(last, now);
    }
    return last[b.size()];
}

} // namespace

std::string suggest_option(const CLI::App& app, const std::string& word) {
    const auto name = word.substr(0, word.find('='));
    if (name.size() < 4 || name.compare(0, 2, "--") != 0) return {};
    std::string best;
    std::size_t least = std::min<std::size_t>(3, name.size() / 2); // more differences than this are another word
    for (const auto* option : app.get_options()) {
        if (option->get_group().empty()) continue; // hidden
        for (const auto& known : option->get_lnames()) {
            const auto full = "--" + known;
            const bool begins = name.size() >= 5 && full.compare(0, name.size(), name) == 0;
            const auto d = begins ? 0 : distance(name, full);
            if (d < least) {
                least = d;
                best = full;
            }
        }
    }
    return best.empty() ? "" : " (did you mean " + best + "?)";
}

std::vector<ConfigLine> read_config_lines(const CLI::App& app, const std::string& path) {
    std::ifstream file(path);
    if (!file) throw std::invalid_argument("--config: \"" + path + "\" cannot be read or does not exist");
    std::vector<ConfigLine> lines;
    std::string text;
    for (int number = 1; std::getline(file, text); ++number) {
        const auto line = trim(text);
        if (line.empty() || line[0] == '#' || line[0] == ';' || line[0] == '[') continue;
        const auto fail = [&](const std::string& why) { throw std::invalid_argument(path + ", line " + std::to_string(number) + ": " + why); };
        const auto equals = line.find('=');
        auto key = std::string(trim(line.substr(0, equals)));
        if (key.size() > 2 && key.front() == '"' && key.back() == '"') key = key.substr(1, key.size() - 2);
        const auto option = "--" + key;
        const auto* known = key.empty() ? nullptr : app.get_option_no_throw(option);
        if (!known && key == "FOLDER") known = app.get_option_no_throw("FOLDER");
        if (!known || !known->get_configurable()) fail("there is no option \"" + key + "\"" + suggest_option(app, option));
        if (equals == std::string_view::npos) fail("\"" + key + "\" has no value: expected " + key + " = VALUE");
        const auto value = trim(line.substr(equals + 1));
        if (!value.empty() && value[0] == '[' && value.find(']') == std::string_view::npos) fail("the list does not end in the same line");
        lines.push_back({number, option});
    }
    return lines;
}

std::optional<std::string> config_file_of(const std::vector<std::string>& arguments) {
    std::optional<std::string> path;
    for (std::size_t i = 0; i < arguments.size(); ++i) {
        if (arguments[i] == "--config" && i + 1 < arguments.size()) path = arguments[i + 1];
        else if (arguments[i].compare(0, 9, "--config=") == 0) path = arguments[i].substr(9);
    }
    return path;
}

bool sets_option(const CLI::App& app, const std::vector<std::string>& arguments, const std::string& option) {
    const auto* known = app.get_option_no_throw(option);
    return std::any_of(arguments.begin(), arguments.end(), [&](const std::string& argument) {
        const auto name = argument.substr(0, argument.find('='));
        return name.size() > 1 && name[0] == '-' && known && app.get_option_no_throw(name) == known;
    });
}

} // namespace cubelink::server
