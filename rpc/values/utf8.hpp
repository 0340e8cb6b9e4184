#pragma once
/// UTF-8 for the dialects: platform/utf8.hpp.

#include "platform/utf8.hpp"

namespace cubelink::rpc {

using platform::append_utf8;
using platform::is_utf8;
using platform::make_utf8;
using platform::valid_utf8_prefix;

} // namespace cubelink::rpc
