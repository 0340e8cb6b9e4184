#pragma once
/// File descriptors and folder streams that close themselves, and paths through them.

#include "platform/os.hpp"

#include <memory>
#include <string>
#include <utility>

namespace cubelink::server {

/// A file descriptor, closed at the end. -1: none.
class Descriptor {
public:
    explicit Descriptor(int fd = -1) : fd_(fd) {}
    Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    Descriptor& operator=(Descriptor&& other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }
    ~Descriptor() {
        if (fd_ >= 0) platform::os().close(fd_);
    }
    int get() const { return fd_; }
    /// Gives up ownership.
    int release() { return std::exchange(fd_, -1); }
    explicit operator bool() const { return fd_ >= 0; }

private:
    int fd_;
};

/// A path to what is open, valid as long as it is. Opening it gives the same file, wherever its name leads by now.
inline std::string path_through(const Descriptor& open) { return "/proc/self/fd/" + std::to_string(open.get()); }

struct CloseFolderStream {
    void operator()(DIR* stream) const { platform::os().closedir(stream); }
};
using FolderStream = std::unique_ptr<DIR, CloseFolderStream>;

/// The entries of an open folder, read through a descriptor of their own. Null and errno if that fails.
inline FolderStream entries_of(int folder) {
    Descriptor opened(platform::os().openat(folder, ".", O_RDONLY | O_DIRECTORY));
    if (!opened) return nullptr;
    FolderStream stream(platform::os().fdopendir(opened.get()));
    if (stream) opened.release(); // the stream owns it
    return stream;
}

} // namespace cubelink::server
