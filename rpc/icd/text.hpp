#pragma once
/// Text in messages that came from files and headers may be anything, but protobuf and JSON want UTF-8. Internal to rpc/icd.

#include "rpc/icd/schema.hpp"

namespace cubelink::icd {

/// Whether all string fields, here and further in, hold valid UTF-8. Does not look where no strings can be.
bool has_valid_text(const google::protobuf::Message& message);

/// Makes them valid, in place.
void make_text_valid(google::protobuf::Message& message);

} // namespace cubelink::icd
