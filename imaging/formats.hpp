#pragma once
/// The formats that come with this library.

#include "imaging/source/registry.hpp"

namespace cubelink::imaging {

/// All of them; made at the first call. A new format is a line in formats.cpp.
const FormatRegistry& formats();

} // namespace cubelink::imaging
