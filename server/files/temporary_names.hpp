#pragma once
/// Names of files that are being written, ".cubelink-<16 hexadecimal digits>.part", and what is left of them when a server is killed.
/// A writer keeps an exclusive flock on its file, so a file of such a name without one is a leftover. Thread-safe.

#include "server/files/descriptor.hpp"

#include <string>
#include <string_view>

namespace cubelink::server {

inline constexpr std::string_view temporary_prefix = ".cubelink-";

/// A new one, at random.
std::string temporary_name();
bool is_temporary_name(std::string_view name);

/// Takes the lock of a file that is being written; false, and errno, if another has it. True where the file system has no locks:
/// remove_leftovers() goes by the age of files there.
bool lock_temporary(int file);

/// Removes from the folder what killed writers of this user left there: files that are not locked or, where the file system has no
/// locks, that are more than a day old. Best effort: what can't be examined or removed stays. Returns how many it removed.
int remove_leftovers(int folder);

} // namespace cubelink::server
