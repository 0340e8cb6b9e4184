#pragma once
/// A look at a message in protobuf's wire format before it is parsed. Internal to rpc/icd; any thread.
///
/// Two bytes on the wire can become an object of hundreds, so that a frame within its limit could take gigabytes. This says what
/// parsing would allocate, and finds malformed input and text that is not UTF-8 with the path of the field (protobuf would
/// only say "failed", and write to standard error).

#include "rpc/icd/schema.hpp"

#include <string>
#include <string_view>

namespace cubelink::icd {

/// Empty if `wire` can be parsed as a message of this type in at most 32 MiB + 4 × its size; else what is wrong with it.
std::string wire_problem(const MessageSchema& schema, std::string_view wire);

} // namespace cubelink::icd
