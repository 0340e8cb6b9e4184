#include "imaging/fits/file_handle.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace cubelink::imaging {

namespace {

FileIdentity identity_of(const struct stat& status) {
    // Unsigned, as it may wrap: 64 bits of nanoseconds end in 2262, and a file may say that it is of any year.
    const auto nanoseconds = static_cast<std::uint64_t>(status.st_mtim.tv_sec) * 1'000'000'000u + static_cast<std::uint64_t>(status.st_mtim.tv_nsec);
    return {static_cast<std::uint64_t>(status.st_dev), static_cast<std::uint64_t>(status.st_ino), static_cast<std::uint64_t>(status.st_size),
            static_cast<std::int64_t>(nanoseconds)};
}

std::string reason(int error) { return std::strerror(error); }

} // namespace

std::shared_ptr<const FileHandle> FileHandle::open(const std::string& path, const std::string& shown) {
    if (path.find('\0') != std::string::npos) throw ImageError(shown + ": not a file name");
    // Without O_NONBLOCK a FIFO that nobody writes to would hold us here.
    const int descriptor = ::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    if (descriptor < 0) throw ImageError(shown + ": " + reason(errno));
    return std::make_shared<const FileHandle>(descriptor, path, shown);
}

FileHandle::FileHandle(int descriptor, std::string path, std::string shown)
    : descriptor_(descriptor), path_(std::move(path)), shown_(std::move(shown)) {
    struct stat status {};
    std::string trouble;
    if (::fstat(descriptor_, &status) != 0) trouble = reason(errno);
    else if (S_ISDIR(status.st_mode)) trouble = "is a folder";
    else if (!S_ISREG(status.st_mode)) trouble = "is not a regular file";
    if (!trouble.empty()) {
        ::close(descriptor_);
        throw ImageError(shown_ + ": " + trouble);
    }
    identity_ = identity_of(status);
}

FileHandle::~FileHandle() { ::close(descriptor_); }

std::size_t FileHandle::read_some(std::int64_t offset, std::span<std::byte> out) const {
    std::size_t done = 0;
    while (done < out.size()) {
        const ssize_t count = ::pread(descriptor_, out.data() + done, out.size() - done, offset + static_cast<std::int64_t>(done));
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) throw ImageError(shown_ + ": " + reason(errno));
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
    if (::fstat(descriptor_, &status) != 0) throw ImageError(shown_ + ": " + reason(errno));
    if (identity_of(status) != identity_) throw ImageChanged(shown_ + ": the file has been written to since it was opened");
}

void FileHandle::check_path() const {
    check_descriptor();
    if (path_.empty()) return;
    struct stat status {};
    if (::stat(path_.c_str(), &status) != 0) return;
    if (identity_of(status) != identity_) throw ImageChanged(shown_ + ": the file has been replaced since it was opened");
}

} // namespace cubelink::imaging
