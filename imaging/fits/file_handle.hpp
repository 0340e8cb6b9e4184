#pragma once
/// An open regular file, and the state in which it was opened. All members may be called from several threads at once.

#include "imaging/base/image_error.hpp"
#include "imaging/base/image_identity.hpp"

#include <cstddef>
#include <memory>
#include <span>
#include <string>

namespace cubelink::imaging {

class FileHandle {
public:
    /// Opens for reading without ever blocking; throws ImageError if it can't, or if it is not a regular file. `shown`: the name for messages.
    static std::shared_ptr<const FileHandle> open(const std::string& path, const std::string& shown);
    /// Takes over a descriptor of a file without a name.
    FileHandle(int descriptor, std::string path, std::string shown);
    ~FileHandle();
    FileHandle(const FileHandle&) = delete;
    FileHandle& operator=(const FileHandle&) = delete;

    int descriptor() const { return descriptor_; }
    const std::string& shown() const { return shown_; }
    const ImageIdentity& identity() const { return identity_; }
    std::int64_t size() const { return static_cast<std::int64_t>(identity_.file.size); }

    /// As many bytes as there are, up to out.size(). Throws ImageError.
    std::size_t read_some(std::int64_t offset, std::span<std::byte> out) const;
    /// All of `out`; ImageChanged if the file ends before.
    void read_all(std::int64_t offset, std::span<std::byte> out) const;

    /// Throws ImageChanged if the open file was written to since it was opened. One system call.
    void check_descriptor() const;
    /// The same, and if the path now leads to another file. A path that no longer exists is not a change: the open file can still be read.
    void check_path() const;

private:
    int descriptor_;
    std::string path_, shown_;
    ImageIdentity identity_;
};

} // namespace cubelink::imaging
