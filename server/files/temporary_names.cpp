#include "server/files/temporary_names.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <random>
#include <sys/file.h>
#include <unistd.h>

namespace cubelink::server {

using platform::os;

namespace {

constexpr std::string_view suffix = ".part";
constexpr std::string_view hex = "0123456789abcdef";
constexpr std::size_t digits = 16;
constexpr auto max_age_without_locks = std::chrono::hours(24);

bool has_no_locks(int error) { return error == ENOLCK || error == EOPNOTSUPP || error == ENOSYS || error == EINVAL; }

bool same_file(const struct stat& a, const struct stat& b) { return a.st_dev == b.st_dev && a.st_ino == b.st_ino; }

bool is_leftover(int file, const struct stat& status) {
    if (os().flock(file, LOCK_EX | LOCK_NB) == 0) return true;
    if (!has_no_locks(errno)) return false;
    return os().system_now() - std::chrono::system_clock::from_time_t(status.st_mtime) > max_age_without_locks;
}

} // namespace

std::string temporary_name() {
    std::random_device random;
    std::string name(temporary_prefix);
    for (std::size_t i = 0; i < digits; ++i) name += hex[random() % hex.size()];
    return name += suffix;
}

bool is_temporary_name(std::string_view name) {
    if (name.size() != temporary_prefix.size() + digits + suffix.size()) return false;
    return name.starts_with(temporary_prefix) && name.ends_with(suffix) &&
           name.substr(temporary_prefix.size(), digits).find_first_not_of(hex) == std::string_view::npos;
}

bool lock_temporary(int file) { return os().flock(file, LOCK_EX | LOCK_NB) == 0 || has_no_locks(errno); }

int remove_leftovers(int folder) {
    const FolderStream entries = entries_of(folder);
    if (!entries) return 0;
    int removed = 0;
    while (const dirent* entry = os().readdir(entries.get())) {
        if (!is_temporary_name(entry->d_name)) continue;
        const Descriptor file(os().openat(folder, entry->d_name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY));
        struct stat status, named;
        if (!file || os().fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode) || status.st_uid != ::geteuid()) continue;
        if (!is_leftover(file.get(), status)) continue;
        // The name may have gone to another file since it was opened.
        if (os().fstatat(folder, entry->d_name, &named, AT_SYMLINK_NOFOLLOW) != 0 || !same_file(named, status)) continue;
        if (os().unlinkat(folder, entry->d_name) == 0) ++removed;
    }
    return removed;
}

} // namespace cubelink::server
