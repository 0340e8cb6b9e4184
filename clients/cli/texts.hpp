#pragma once
/// What is made of the definitions for people and for shells.

#include "clients/cli/command.hpp"

namespace cubelink::cli {

/// For --help: of the program, or of one of its commands.
std::string help_text(const Program& program);
std::string help_text(const Program& program, const Command& command);

/// The manual page in man(7)'s macros.
std::string manual_page(const Program& program);

/// A script for the shell, "bash", "zsh" or "fish", that completes commands, options, their choices and names of local files.
std::string completion(const Program& program, const std::string& shell);

} // namespace cubelink::cli
