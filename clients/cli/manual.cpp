#include "clients/cli/texts.hpp"

namespace cubelink::cli {
namespace {

/// Text for roff: backslashes and dashes as they are, and no line that begins like a request.
std::string roff(const std::string& text) {
    std::string result;
    if (text.starts_with('.') || text.starts_with('\'')) result += "\\&";
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '\\') result += "\\e";
        else if (text[i] == '-') result += "\\-";
        else if (text[i] == '\'') result += "\\(aq";
        else if (text.compare(i, 3, "…") == 0) result += "...", i += 2;
        else if (text.compare(i, 2, "×") == 0) result += "\\(mu", ++i;
        else if (text[i] == '\n') result += ' ';
        else result += text[i];
    }
    return result;
}

std::string list_of(const std::vector<Option>& options) {
    std::string text;
    for (const auto& option : options) {
        text += ".TP\n\\fB";
        if (option.letter) text += std::string("\\-") + option.letter + "\\fR, \\fB";
        text += "\\-\\-" + roff(option.name) + "\\fR";
        if (option.takes != Takes::nothing) text += " \\fI" + roff(option.value_name) + "\\fR";
        text += "\n" + roff(option.help);
        for (std::size_t i = 0; i < option.choices.size(); ++i) text += (i == 0 ? ": \\fB" : ", \\fB") + roff(option.choices[i]) + "\\fR";
        text += option.repeated ? "; may be repeated.\n" : ".\n";
    }
    return text;
}

} // namespace

std::string manual_page(const Program& program) {
    auto text = ".TH " + program.name + " 1 \"\" \"Cubelink " + program.version + "\" \"User Commands\"\n.SH NAME\n" + roff(program.name) + " \\- " +
                roff(program.summary) + "\n.SH SYNOPSIS\n.B " + roff(program.name) + "\n.I COMMAND\n[\\fIOPTION\\fR]... [\\fIARGUMENT\\fR]...\n.SH DESCRIPTION\n";
    for (const auto& paragraph : program.description) text += ".PP\n" + roff(paragraph) + "\n";
    text += ".SH OPTIONS\nFor all commands:\n" + list_of(program.options) + ".SH COMMANDS\n";
    for (const auto& command : program.commands) {
        text += ".SS " + roff(command.name);
        for (const auto& argument : command.arguments) {
            const auto shape = roff(argument.name) + (argument.repeated ? "..." : "");
            text += argument.required ? " " + shape : " [" + shape + "]";
        }
        text += "\n" + roff(command.summary) + ".\n";
        for (const auto& paragraph : command.description) text += ".PP\n" + roff(paragraph) + "\n";
        for (const auto& argument : command.arguments) text += ".TP\n\\fI" + roff(argument.name) + "\\fR\n" + roff(argument.help) + ".\n";
        text += list_of(command.options);
        for (const auto& example : command.examples)
            text += ".PP\n" + roff(example.what) + ":\n.PP\n.nf\n.RS\n" + roff(example.command) + "\n.RE\n.fi\n";
    }
    text += ".SH EXIT STATUS\n";
    for (const auto& status : program.statuses) text += ".TP\n.B " + std::to_string(status.status) + "\n" + roff(status.meaning) + ".\n";
    text += ".SH ENVIRONMENT\n";
    for (const auto& variable : program.variables) text += ".TP\n.B " + variable.name + "\n" + roff(variable.meaning) + ".\n";
    return text;
}

} // namespace cubelink::cli
