#include "clients/cli/texts.hpp"

#include <algorithm>

namespace cubelink::cli {
namespace {

constexpr std::size_t width = 100;

/// Lines of at most `width` characters, each after `indent` blanks; the first goes on behind what has `used` characters. Counts bytes.
std::string wrapped(const std::string& text, std::size_t indent, std::size_t used) {
    std::string result;
    std::size_t column = used, at = 0;
    while (at < text.size()) {
        const auto end = std::min(text.find(' ', at), text.size());
        const auto word = text.substr(at, end - at);
        if (column > indent && column + 1 + word.size() > width) {
            result += "\n" + std::string(indent, ' ');
            column = indent;
        } else if (column > indent) {
            result += ' ';
            ++column;
        } else if (column < indent) {
            result += std::string(indent - column, ' ');
            column = indent;
        }
        result += word;
        column += word.size();
        at = end + 1;
    }
    return result + "\n";
}

std::string shape(const Option& option) {
    auto text = option.letter ? std::string("-") + option.letter + ", --" + option.name : "    --" + option.name;
    if (option.takes != Takes::nothing) text += " " + option.value_name;
    return text;
}

std::string shape(const Argument& argument) {
    auto text = argument.name + (argument.repeated ? "…" : "");
    return argument.required ? text : "[" + text + "]";
}

std::string choices_of(const std::vector<std::string>& choices) {
    std::string list;
    for (const auto& choice : choices) list += (list.empty() ? ": " : ", ") + choice;
    return list;
}

std::string entry(const std::string& left, const std::string& right, std::size_t indent) {
    const auto begin = "  " + left;
    if (begin.size() + 1 >= indent) return begin + "\n" + wrapped(right, indent, 0);
    return begin + wrapped(right, indent, begin.size());
}

std::string list_of(const std::vector<Option>& options) {
    std::string text;
    for (const auto& option : options) text += entry(shape(option), option.help + choices_of(option.choices) + (option.repeated ? " (may be repeated)" : ""), 30);
    return text;
}

} // namespace

std::string help_text(const Program& program) {
    auto text = program.name + ": " + program.summary + "\n\nUsage: " + program.name + " COMMAND [OPTION]… [ARGUMENT]…\n\nCommands:\n";
    for (const auto& command : program.commands) text += entry(command.name, command.summary, 16);
    text += "\nOptions of all commands:\n" + list_of(program.options) + "\nExit status:\n";
    for (const auto& status : program.statuses) text += entry(std::to_string(status.status), status.meaning, 8);
    text += "\nEnvironment:\n";
    for (const auto& variable : program.variables) text += entry(variable.name, variable.meaning, 22);
    return text + "\n" + program.name + " COMMAND --help tells more of a command.\n";
}

std::string help_text(const Program& program, const Command& command) {
    auto usage = "Usage: " + program.name + " " + command.name + (command.options.empty() ? "" : " [OPTION]…");
    for (const auto& argument : command.arguments) usage += " " + shape(argument);
    auto text = command.name + ": " + command.summary + "\n\n" + usage + "\n";
    for (const auto& paragraph : command.description) text += "\n" + wrapped(paragraph, 0, 0);
    if (!command.arguments.empty()) text += "\nArguments:\n";
    for (const auto& argument : command.arguments) text += entry(argument.name, argument.help + choices_of(argument.choices), 16);
    if (!command.options.empty()) text += "\nOptions:\n" + list_of(command.options);
    text += "\nOptions of all commands:\n" + list_of(program.options);
    if (!command.examples.empty()) text += "\nExamples:\n";
    for (const auto& example : command.examples) text += "  " + example.command + "\n" + wrapped(example.what, 6, 0);
    return text;
}

} // namespace cubelink::cli
