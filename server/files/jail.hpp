#pragma once
/// All access to files goes through here: nothing outside a folder can be named, by "..", absolute path or symbolic link, except
/// through links that lead into folders allowed for that. Thread-safe.
///
/// A path is not checked and then opened: it is opened first (without access to its content), and the kernel is then asked where the
/// opened file is. Exchanging a link in between is useless.

#include "server/files/descriptor.hpp"

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

/// Something in the jail that has been opened (O_PATH: its content can't be read through this descriptor).
struct JailedPath {
    Descriptor descriptor;
    std::string real_path; // where it is, all links resolved
    std::string relative;  // its path for clients: relative to the top, no leading slash, "" for the top itself; valid UTF-8
    std::string name;      // the last component of `relative`
    struct stat status {};
    bool is_folder() const { return S_ISDIR(status.st_mode); }
    bool is_file() const { return S_ISREG(status.st_mode); }
};

/// A folder in the jail, opened for writing a file in it that need not exist.
struct JailedPlace {
    Descriptor folder;    // for reading and fsync
    std::string name;     // of the file, in the file system's own bytes
    std::string relative; // of the file, as JailedPath's
};

class Jail {
public:
    /// Existing folders. Throws PathError.
    explicit Jail(const std::string& folder, const std::vector<std::string>& links_may_lead_to = {});

    const std::string& folder() const { return top_; }

    /// Opens `name` in `directory`, both relative to the top; "", "." and "$BASE" are the top; the top's own absolute
    /// path in front is taken off. Throws ForbiddenPath, or PathError if there is no such thing.
    JailedPath open(std::string_view directory, std::string_view name = {}) const;
    /// As open(), and throws PathError if it is not a folder, or neither a regular file nor a folder.
    JailedPath open_folder(std::string_view directory) const;
    JailedPath open_file(std::string_view directory, std::string_view name) const;
    /// The folder for a file that is to be written. Nothing is said of the file itself; its name is one that users may choose.
    JailedPlace open_place(std::string_view directory, std::string_view name) const;
    /// Whether that open folder is (still) where files may be.
    bool contains(const Descriptor& folder) const;

    /// Whether a real path is in the folder or where links may lead.
    bool allows(std::string_view real_path) const;

private:
    std::string top_;
    std::vector<std::string> allowed_;
    struct ClientPath {
        std::vector<std::string> components; // cleaned, as shown to clients
        bool absolute;                       // said as an absolute path that does not begin with the top's own
    };
    ClientPath parse(std::string_view directory, std::string_view name) const;
    std::string find_bytes(const std::vector<std::string>& components) const;
    struct Reached {
        std::size_t count;
        bool inside;
    };
    Reached first_folders(const std::vector<std::string>& components) const;
};

/// The components of a client's path, without "." and with ".." applied. Throws ForbiddenPath if it climbs above the top.
std::vector<std::string> clean_components(std::string_view path);

} // namespace cubelink::server
