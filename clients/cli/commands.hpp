#pragma once
/// The tool's commands, and all that is said of them.

#include "clients/cli/command.hpp"

namespace cubelink::cli {

const Program& program();

} // namespace cubelink::cli
