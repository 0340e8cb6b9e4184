#include "clients/cli/texts.hpp"

#include <algorithm>

namespace cubelink::cli {
namespace {

/// In single quotes, as all three shells read them; fish alone knows escapes in them.
std::string quoted(const std::string& text, bool fish = false) {
    std::string result = "'";
    for (const char c : text) {
        if (c == '\'') result += fish ? "\\'" : "'\\''";
        else if (c == '\\' && fish) result += "\\\\";
        else result += c;
    }
    return result + "'";
}

std::string joined(const std::vector<std::string>& words) {
    std::string text;
    for (const auto& word : words) text += (text.empty() ? "" : " ") + word;
    return text;
}

std::vector<std::string> names_of(const std::vector<Option>& options) {
    std::vector<std::string> names;
    for (const auto& option : options) {
        if (option.letter) names.push_back(std::string("-") + option.letter);
        names.push_back("--" + option.name);
    }
    return names;
}

std::string identifier(std::string name) {
    std::replace(name.begin(), name.end(), '-', '_');
    return name;
}

// bash ------------------------------------------------------------------------------------------------------------------------------------------

/// A line of a case statement that completes the value of an option, "" if anything may follow.
std::string bash_value(const std::string& pattern, Takes takes, const std::vector<std::string>& choices) {
    if (takes == Takes::nothing) return {};
    std::string words; // nothing is offered where anything may stand
    if (takes == Takes::choice) words = "COMPREPLY=($(compgen -W " + quoted(joined(choices)) + " -- \"$current\"))";
    else if (takes == Takes::local_file) words = "compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- \"$current\"))";
    return "        " + pattern + ") " + (words.empty() ? "" : words + "; ") + "return ;;\n";
}

std::string bash_values(const std::string& command, const std::vector<Option>& options) {
    std::string text;
    for (const auto& option : options) {
        const auto prefix = command + ":";
        auto pattern = prefix + "--" + option.name;
        if (option.letter) pattern += "|" + prefix + "-" + option.letter;
        text += bash_value(pattern, option.takes, option.choices);
    }
    return text;
}

std::string bash(const Program& program) {
    const auto function = "_" + identifier(program.name);
    std::vector<std::string> commands, taking;
    for (const auto& command : program.commands) commands.push_back(command.name);
    for (const auto& option : program.options)
        if (option.takes != Takes::nothing)
            for (const auto& name : names_of({option})) taking.push_back(name);
    std::string text = "# Completion of " + program.name + " for bash. Source it, or keep it as bash_completion.d/" + program.name + ".\n" + function + "() {\n" +
                       "    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]} command= i words\n"
                       "    COMPREPLY=()\n"
                       "    for ((i = 1; i < COMP_CWORD; ++i)); do\n"
                       "        case ${COMP_WORDS[i]} in\n";
    if (!taking.empty()) {
        std::string pattern;
        for (const auto& name : taking) pattern += (pattern.empty() ? "" : "|") + name;
        text += "        " + pattern + ") ((++i)) ;;\n";
    }
    text += "        -*) ;;\n        *) command=${COMP_WORDS[i]}; break ;;\n        esac\n    done\n    case $command:$previous in\n";
    for (const auto& command : program.commands) text += bash_values(command.name, command.options);
    text += bash_values("*", program.options);
    text += "    esac\n    case $command in\n    '') words=" + quoted(joined(commands)) + " ;;\n";
    for (const auto& command : program.commands) {
        text += "    " + command.name + ") words=" + quoted(joined(names_of(command.options)));
        for (const auto& argument : command.arguments)
            if (argument.takes == Takes::choice) text += "' " + joined(argument.choices) + "'";
        text += " ;;\n";
    }
    return text + "    esac\n    words+=" + quoted(" " + joined(names_of(program.options))) + "\n    COMPREPLY=($(compgen -W \"$words\" -- \"$current\"))\n}\ncomplete -F " +
           function + " " + program.name + "\n";
}

// zsh -------------------------------------------------------------------------------------------------------------------------------------------

/// In a specification of _arguments: brackets and colons have a meaning there.
std::string zsh_words(const std::string& text) {
    std::string result;
    for (const char c : text) {
        if (c == '[' || c == ']' || c == ':' || c == '\\') result += '\\';
        result += c;
    }
    return result;
}

std::string zsh_action(Takes takes, const std::vector<std::string>& choices) {
    if (takes == Takes::choice) return "(" + joined(choices) + ")";
    if (takes == Takes::local_file) return "_files";
    return " ";
}

std::string zsh_options(const std::vector<Option>& options, const std::string& indent) {
    std::string text;
    for (const auto& option : options) {
        auto value = "[" + zsh_words(option.help) + "]";
        if (option.takes != Takes::nothing) value += ":" + zsh_words(option.value_name) + ":" + zsh_action(option.takes, option.choices);
        for (const auto& name : names_of({option})) text += " \\\n" + indent + quoted((option.repeated ? "*" : "") + name + value);
    }
    return text;
}

std::string zsh(const Program& program) {
    const auto function = "_" + identifier(program.name);
    auto text = "#compdef " + program.name + "\n# Completion of " + program.name + " for zsh. Keep it as _" + program.name + " in a folder of $fpath.\n" + function +
                "() {\n    local context state state_descr line\n    typeset -A opt_args\n    _arguments -C" + zsh_options(program.options, "        ") +
                " \\\n        '1:command:->command' \\\n        '*::argument:->arguments'\n    case $state in\n    command)\n        local -a commands\n        commands=(\n";
    for (const auto& command : program.commands) text += "            " + quoted(command.name + ":" + zsh_words(command.summary)) + "\n";
    text += "        )\n        _describe command commands\n        ;;\n    arguments)\n        case $line[1] in\n";
    for (const auto& command : program.commands) {
        text += "        " + command.name + ")\n            _arguments" + zsh_options(command.options, "                ") + zsh_options(program.options, "                ");
        std::size_t place = 0;
        for (const auto& argument : command.arguments) {
            ++place;
            const auto at = argument.repeated ? std::string("*") : std::to_string(place);
            text += " \\\n                " + quoted(at + ":" + zsh_words(argument.name) + ":" + zsh_action(argument.takes, argument.choices));
        }
        text += "\n            ;;\n";
    }
    return text + "        esac\n        ;;\n    esac\n}\n" + function + " \"$@\"\n";
}

// fish ------------------------------------------------------------------------------------------------------------------------------------------

std::string fish_options(const std::string& begin, const std::vector<Option>& options) {
    std::string text;
    for (const auto& option : options) {
        text += begin + " -l " + option.name;
        if (option.letter) text += std::string(" -s ") + option.letter;
        if (option.takes == Takes::local_file) text += " -r -F";
        else if (option.takes != Takes::nothing) text += " -x";
        if (option.takes == Takes::choice) text += " -a " + quoted(joined(option.choices), true);
        text += " -d " + quoted(option.help, true) + "\n";
    }
    return text;
}

std::string fish(const Program& program) {
    const auto begin = "complete -c " + program.name;
    auto text = "# Completion of " + program.name + " for fish. Keep it as completions/" + program.name + ".fish.\n" + begin + " -f\n" + fish_options(begin, program.options);
    for (const auto& command : program.commands) {
        text += begin + " -n __fish_use_subcommand -a " + command.name + " -d " + quoted(command.summary, true) + "\n";
        const auto within = begin + " -n '__fish_seen_subcommand_from " + command.name + "'";
        text += fish_options(within, command.options);
        for (const auto& argument : command.arguments)
            if (argument.takes == Takes::choice) text += within + " -a " + quoted(joined(argument.choices), true) + "\n";
    }
    return text;
}

} // namespace

std::string completion(const Program& program, const std::string& shell) {
    if (shell == "zsh") return zsh(program);
    return shell == "fish" ? fish(program) : bash(program);
}

} // namespace cubelink::cli
