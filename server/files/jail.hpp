#pragma once
/// The one way to files: nothing outside a folder can be named, by "..", absolute path or symbolic link, except through links that
/// lead into folders allowed for that. Thread-safe.
///
/// What counts is not what a path looked like when it was checked but what was opened: each file is opened first (without access
/// to its content), and the kernel is then asked where the opened thing really is. A link that is exchanged in between gains nothing.

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <sys/stat.h>
#include <vector>

namespace cubelink::server {

/// The path may not be used, or leads to nothing. what() is fit for the client: it shows no path of the server's own.
class PathError : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};
/// "Forbidden path."
class ForbiddenPath : public PathError {
public:
    ForbiddenPath() : PathError("Forbidden path.") {}
};

/// A file descriptor, closed at the end.
class Descriptor {
public:
    explicit Descriptor(int fd = -1) : fd_(fd) {}
    Descriptor(Descriptor&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
    Descriptor& operator=(Descriptor&& other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }
    ~Descriptor();
    int get() const { return fd_; }
    explicit operator bool() const { return fd_ >= 0; }

private:
    int fd_;
};

/// Something in the jail that has been opened (O_PATH: its content can't be read through this descriptor).
struct JailedPath {
    Descriptor descriptor;
    std::string real_path; // where it is, all links resolved
    std::string relative;  // how clients call it: from the top, no leading slash, "" for the top itself; valid UTF-8
    std::string name;      // the last component of `relative`
    struct stat status {};
    bool is_folder() const { return S_ISDIR(status.st_mode); }
    bool is_file() const { return S_ISREG(status.st_mode); }
};

class Jail {
public:
    /// Existing folders. Throws PathError.
    explicit Jail(const std::string& folder, const std::vector<std::string>& links_may_lead_to = {});

    const std::string& folder() const { return top_; }

    /// Opens `name` in `directory`, both as clients say them: from the top; "", "." and "$BASE" are the top; the top's own absolute
    /// path in front is taken off. Throws ForbiddenPath, or PathError if there is no such thing.
    JailedPath open(std::string_view directory, std::string_view name = {}) const;
    /// As open(), and complains unless it is a folder, or a regular file.
    JailedPath open_folder(std::string_view directory) const;
    JailedPath open_file(std::string_view directory, std::string_view name) const;

    /// Whether a real path lies in the folder or where links may lead.
    bool allows(std::string_view real_path) const;

private:
    std::string top_;
    std::vector<std::string> allowed_;
    std::string find_bytes(const std::vector<std::string>& components) const;
    struct Reached {
        std::size_t count;
        bool inside;
    };
    Reached first_folders(const std::vector<std::string>& components) const;
};

/// A path as clients say it, cleaned up: components without "." and with ".." applied. Throws ForbiddenPath if it climbs above the top.
std::vector<std::string> clean_components(std::string_view path);

} // namespace cubelink::server
