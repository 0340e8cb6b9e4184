#pragma once
/// What identifies the pixels of an image: the key of all caches. Plain values; any thread.

#include <atomic>
#include <compare>
#include <cstdint>

namespace cubelink::imaging {

/// One state of one file.
struct FileState {
    std::uint64_t device = 0, inode = 0, size = 0;
    std::int64_t mtime_ns = 0; // modification time, nanoseconds since 1970
    friend bool operator==(const FileState&, const FileState&) = default;
    friend auto operator<=>(const FileState&, const FileState&) = default;
};

/// A state of a file, or the number of something computed: two images with equal identities (and HDUs) have equal pixels.
struct ImageIdentity {
    FileState file;             // all zero for computed images
    std::uint64_t computed = 0; // from 1 on, unique in the process; 0 for files

    ImageIdentity() = default;
    ImageIdentity(const FileState& state) : file(state) {} // implicit: a file's state is an identity
    /// The identity of a new computed image.
    static ImageIdentity of_computed() {
        static std::atomic<std::uint64_t> last{0};
        ImageIdentity identity;
        identity.computed = last.fetch_add(1, std::memory_order_relaxed) + 1;
        return identity;
    }

    bool is_computed() const { return computed != 0; }
    friend bool operator==(const ImageIdentity&, const ImageIdentity&) = default;
    friend auto operator<=>(const ImageIdentity&, const ImageIdentity&) = default;
};

} // namespace cubelink::imaging
