#include "clients/cli/parse.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>

namespace cubelink::cli {
namespace {

bool looks_like_number(const std::string& text) {
    return text.size() > 1 && text[0] == '-' && (std::isdigit(static_cast<unsigned char>(text[1])) || text[1] == '.');
}

const Option* find(const std::vector<Option>& options, std::string_view name) {
    for (const auto& option : options)
        if (option.name == name) return &option;
    return nullptr;
}
const Option* find(const std::vector<Option>& options, char letter) {
    for (const auto& option : options)
        if (option.letter == letter) return &option;
    return nullptr;
}

void check(Takes takes, const std::vector<std::string>& choices, const std::string& value, const std::string& what) {
    switch (takes) {
    case Takes::integer: parse_integer(value, what); break;
    case Takes::number: parse_number(value, what); break;
    case Takes::range: parse_range(value, what); break;
    case Takes::choice:
        if (std::find(choices.begin(), choices.end(), value) == choices.end()) {
            std::string list;
            for (const auto& choice : choices) list += (list.empty() ? "" : ", ") + choice;
            throw UsageError(what + ": \"" + value + "\" is none of " + list);
        }
        break;
    case Takes::nothing:
    case Takes::text:
    case Takes::local_file: break;
    }
}

} // namespace

std::int64_t parse_integer(const std::string& text, const std::string& what) {
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (text.empty() || error != std::errc() || end != text.data() + text.size()) throw UsageError(what + ": expected an integer, got \"" + text + "\"");
    return value;
}

double parse_number(const std::string& text, const std::string& what) {
    double value = 0;
    const auto* begin = text.data() + (text.starts_with('+') ? 1 : 0);
    const auto [end, error] = std::from_chars(begin, text.data() + text.size(), value);
    if (text.empty() || error != std::errc() || end != text.data() + text.size() || !std::isfinite(value))
        throw UsageError(what + ": expected a number, got \"" + text + "\"");
    return value;
}

std::pair<double, double> parse_range(const std::string& text, const std::string& what) {
    const auto colon = text.find(':');
    if (colon == std::string::npos) throw UsageError(what + ": expected FROM:TO, got \"" + text + "\"");
    const std::pair range{parse_number(text.substr(0, colon), what), parse_number(text.substr(colon + 1), what)};
    if (range.second < range.first) throw UsageError(what + ": " + text + " ends before it begins");
    return range;
}

std::string Parsed::text(std::string_view name, std::string otherwise) const { return has(name) ? all(name).back() : std::move(otherwise); }
std::int64_t Parsed::integer(std::string_view name, std::int64_t otherwise) const {
    return has(name) ? parse_integer(text(name), std::string(name)) : otherwise;
}
double Parsed::number(std::string_view name, double otherwise) const { return has(name) ? parse_number(text(name), std::string(name)) : otherwise; }
std::pair<double, double> Parsed::range(std::string_view name) const { return parse_range(text(name), std::string(name)); }
const std::vector<std::string>& Parsed::all(std::string_view name) const {
    static const std::vector<std::string> none;
    const auto found = values_.find(std::string(name));
    return found == values_.end() ? none : found->second;
}

Parsed parse(const Program& program, const std::vector<std::string>& arguments) {
    Parsed parsed;
    std::vector<std::string> positional;
    bool only_arguments = false;

    const auto take = [&](const Option* option, const std::string& shown, std::optional<std::string> value, std::size_t& at) {
        if (!option) {
            const auto of = parsed.command ? " of " + parsed.command->name : std::string();
            throw UsageError("there is no option " + shown + of);
        }
        if (option->takes == Takes::nothing) {
            if (value) throw UsageError(shown + " takes no value");
            value.emplace();
        } else if (!value) {
            if (at + 1 >= arguments.size()) throw UsageError(shown + " needs a value: " + option->value_name);
            value = arguments[++at];
        }
        check(option->takes, option->choices, *value, shown);
        auto& values = parsed.values_[option->name];
        if (!option->repeated) values.clear();
        values.push_back(*value);
    };
    const auto look_up = [&](const auto& name) -> const Option* {
        if (parsed.command)
            if (const auto* own = find(parsed.command->options, name)) return own;
        return find(program.options, name);
    };

    for (std::size_t at = 0; at < arguments.size(); ++at) {
        const auto& argument = arguments[at];
        if (!only_arguments && argument == "--") {
            only_arguments = true;
        } else if (!only_arguments && argument.starts_with("--")) {
            const auto equals = argument.find('=');
            const auto name = argument.substr(2, equals == std::string::npos ? equals : equals - 2);
            take(look_up(std::string_view(name)), "--" + name, equals == std::string::npos ? std::nullopt : std::optional(argument.substr(equals + 1)), at);
        } else if (!only_arguments && argument.size() > 1 && argument[0] == '-' && !looks_like_number(argument)) {
            for (std::size_t i = 1; i < argument.size(); ++i) {
                const auto* option = look_up(argument[i]);
                const auto shown = std::string("-") + argument[i];
                if (option && option->takes != Takes::nothing) {
                    take(option, shown, i + 1 < argument.size() ? std::optional(argument.substr(i + 1)) : std::nullopt, at);
                    break;
                }
                take(option, shown, std::nullopt, at);
            }
        } else if (!parsed.command) {
            parsed.command = program.find(argument);
            if (!parsed.command) throw UsageError("there is no command \"" + argument + "\"");
        } else {
            positional.push_back(argument);
        }
    }

    if (parsed.has("help") || parsed.has("version")) return parsed;
    if (!parsed.command) throw UsageError("no command was given");
    std::size_t at = 0;
    for (const auto& definition : parsed.command->arguments) {
        if (at >= positional.size()) {
            if (definition.required) throw UsageError(parsed.command->name + " needs " + definition.name + ": " + definition.help);
            break;
        }
        do {
            check(definition.takes, definition.choices, positional[at], definition.name);
            parsed.values_[definition.name].push_back(positional[at++]);
        } while (definition.repeated && at < positional.size());
    }
    if (at < positional.size()) throw UsageError(parsed.command->name + " takes no argument \"" + positional[at] + "\"");
    return parsed;
}

} // namespace cubelink::cli
