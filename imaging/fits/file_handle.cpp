#include "imaging/fits/file_handle.hpp"

#include "platform/os.hpp"

#include <cerrno>
#include <cstring>

namespace cubelink::imaging {

using platform::os;

namespace {

FileState state_of(const struct stat& status) {
    // Unsigned, as it may wrap: 64 bits of nanoseconds end in 2262, and files may have any date.
    const auto nanoseconds = static_cast<std::uint64_t>(status.st_mtim.tv_sec) * 1'000'000'000u + static_cast<std::uint64_t>(status.st_mtim.tv_nsec);
    return {static_cast<std::uint64_t>(status.st_dev), static_cast<std::uint64_t>(status.st_ino), static_cast<std::uint64_t>(status.st_size),
            static_cast<std::int64_t>(nanoseconds)};
}

std::string reason(int error) { return std::strerror(error); }

} // namespace

std::shared_ptr<const FileHandle> FileHandle::open(const std::string& path, const std::string& shown) {
    if (path.find('\0') != std::string::npos) throw ImageError("a file name holds no NUL byte");
    // Without O_NONBLOCK this would wait for a writer of a FIFO.
    const int descriptor = os().open(path.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY);
    if (descriptor < 0) throw ImageError(shown + ": " + reason(errno));
    return std::make_shared<const FileHandle>(descriptor, path, shown);
}

FileHandle::FileHandle(int descriptor, std::string path, std::string shown)
    : descriptor_(descriptor), path_(std::move(path)), shown_(std::move(shown)) {
    struct stat status {};
    std::string error;
    if (os().fstat(descriptor_, &status) != 0) error = reason(errno);
    else if (S_ISDIR(status.st_mode)) error = "is a folder";
    else if (!S_ISREG(status.st_mode)) error = "is not a regular file";
    if (!error.empty()) {
        os().close(descriptor_);
        throw ImageError(shown_ + ": " + error);
    }
    identity_ = state_of(status);
}

FileHandle::~FileHandle() { os().close(descriptor_); }

std::size_t FileHandle::read_some(std::int64_t offset, std::span<std::byte> out) const {
    std::size_t done = 0;
    while (done < out.size()) {
        const ssize_t count = os().pread(descriptor_, out.data() + done, out.size() - done, offset + static_cast<std::int64_t>(done));
        if (count < 0) throw ImageError(shown_ + ": can't be read: " + reason(errno));
        if (count == 0) break;
        done += static_cast<std::size_t>(count);
    }
    return done;
}

void FileHandle::read_all(std::int64_t offset, std::span<std::byte> out) const {
    if (read_some(offset, out) != out.size()) throw ImageChanged(shown_ + ": the file has shrunk since it was opened");
}

void FileHandle::check_descriptor() const {
    struct stat status {};
    if (os().fstat(descriptor_, &status) != 0) throw ImageError(shown_ + ": " + reason(errno));
    if (state_of(status) != identity_.file) throw ImageChanged(shown_ + ": the file has been written to since it was opened");
}

void FileHandle::check_path() const {
    check_descriptor();
    if (path_.empty()) return;
    struct stat status {};
    if (os().stat(path_.c_str(), &status) != 0) return;
    if (state_of(status) != identity_.file) throw ImageChanged(shown_ + ": the file has been replaced since it was opened");
}

} // namespace cubelink::imaging
