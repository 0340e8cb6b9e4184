#pragma once
/// What a command of the tool is. One definition feeds the parser, the help, the manual page and the completions of the shells.
///
/// Definitions are constants; any thread may read them.

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace cubelink::cli {

/// What an option or an argument takes: how it is checked and completed.
enum class Takes {
    nothing, // an option that is there or not
    text,
    integer,
    number,
    choice,     // one of `choices`
    local_file, // on this machine
    range,      // FROM:TO, two numbers
};

struct Option {
    std::string name; // without the dashes
    char letter = 0;  // 0: none
    Takes takes = Takes::nothing;
    std::string value_name; // in the help
    std::string help;       // a phrase without a full stop
    std::vector<std::string> choices{};
    bool repeated = false;
};

struct Argument {
    std::string name; // in capitals
    Takes takes = Takes::text;
    std::string help;
    bool required = true;
    bool repeated = false; // the last one only
    std::vector<std::string> choices{};
};

struct Example {
    std::string command, what;
};

class Parsed;

struct Command {
    std::string name;
    std::string summary;                  // a phrase without a full stop
    std::vector<std::string> description; // paragraphs
    std::vector<Argument> arguments;
    std::vector<Option> options;
    std::vector<Example> examples;
    /// Does it and returns the exit status; throws what exit_status.hpp knows.
    std::function<int(const Parsed&)> run;
};

struct ExitStatusText {
    int status;
    std::string meaning;
};

struct Variable {
    std::string name, meaning;
};

struct Program {
    std::string name, version, summary;
    std::vector<std::string> description;
    std::vector<Option> options; // of all commands; accepted before and after the command's name
    std::vector<Command> commands;
    std::vector<ExitStatusText> statuses;
    std::vector<Variable> variables; // of the environment

    const Command* find(std::string_view command) const {
        for (const auto& candidate : commands)
            if (candidate.name == command) return &candidate;
        return nullptr;
    }
};

} // namespace cubelink::cli
