#pragma once
/// Small text files from users. Thread-safe; blocking, for a job.

#include "imaging/base/cancel.hpp"
#include "server/files/jail.hpp"

#include <cstddef>
#include <string>

namespace cubelink::server {

/// The bytes of a regular file. Throws PathError if it is none, has more than `limit` bytes, holds a zero byte (it is no text) or can't be read; Cancelled.
std::string read_text_file(const JailedPath& file, std::size_t limit, const imaging::CancelToken& cancel);

} // namespace cubelink::server
