#include "server/files/file_writer.hpp"

#include "server/files/temporary_names.hpp"

#include <cerrno>
#include <cstdio>
#include <system_error>
#include <unistd.h>

namespace cubelink::server {

using platform::os;
using Reason = WriteError::Reason;

namespace {

constexpr int max_attempts = 16; // at a name that others make and remove meanwhile

/// Permission bits of a new file, less the umask.
constexpr mode_t new_file_mode = 0666;

bool has_no_unnamed_files(int error) { return error == EOPNOTSUPP || error == EISDIR || error == EINVAL || error == ENOENT; }

/// What file systems answer that have no hard links, or can't rename without replacing.
bool is_unsupported(int error) { return error == EINVAL || error == ENOSYS || error == EOPNOTSUPP || error == EPERM || error == EMLINK; }

} // namespace

FileWriter::FileWriter(const Jail& jail, std::string_view directory, std::string_view name, WriteOptions options)
    : jail_(jail), options_(std::move(options)) {
    if (!options_.refusal.empty()) throw WriteError(Reason::refused, options_.refusal);
    place_ = jail_.open_place(directory, name);
    remove_leftovers(place_.folder.get());
    existing();
    create();
}

FileWriter::~FileWriter() { remove_temporary(); }

void FileWriter::fail(int error, const char* doing) const {
    const bool full = error == ENOSPC || error == EDQUOT || error == EFBIG;
    throw WriteError(full ? Reason::no_space : Reason::failed,
                     "\"" + place_.relative + "\" could not be " + doing + ": " + std::generic_category().message(error) + ".");
}

/// The regular file that has the name, if any. Throws WriteError if it may not be replaced.
std::optional<struct stat> FileWriter::existing() const {
    struct stat status;
    if (os().fstatat(place_.folder.get(), place_.name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
        if (errno == ENOENT) return {};
        fail(errno, "written");
    }
    const std::string quoted = "\"" + place_.relative + "\"";
    if (S_ISDIR(status.st_mode)) throw WriteError(Reason::not_file, quoted + " is a folder.");
    if (S_ISLNK(status.st_mode)) throw WriteError(Reason::not_file, quoted + " is a symbolic link: it is not replaced.");
    if (!S_ISREG(status.st_mode)) throw WriteError(Reason::not_file, quoted + " is not a regular file.");
    if (options_.is_open && options_.is_open(status.st_dev, status.st_ino)) throw WriteError(Reason::open, quoted + " is open: it is not replaced.");
    if (!options_.overwrite) throw WriteError(Reason::exists, quoted + " exists already.");
    // A folder that may be written would let us replace it all the same.
    if (os().faccessat(place_.folder.get(), place_.name.c_str(), W_OK, AT_EACCESS) != 0) {
        if (errno == EACCES || errno == EROFS || errno == EPERM) throw WriteError(Reason::not_file, quoted + " is write-protected.");
        if (errno == ENOENT) return {}; // just removed
        fail(errno, "written");
    }
    return status;
}

/// Opens the file without a name or, where the file system has no such thing, under a temporary one.
void FileWriter::create() {
    file_ = Descriptor(os().openat(place_.folder.get(), ".", O_TMPFILE | O_RDWR, new_file_mode));
    if (file_) {
        if (!lock_temporary(file_.get())) fail(errno, "created");
        return;
    }
    if (!has_no_unnamed_files(errno)) fail(errno, "created");
    for (int attempt = 0; attempt < max_attempts; ++attempt) {
        const std::string name = temporary_name();
        file_ = Descriptor(os().openat(place_.folder.get(), name.c_str(), O_CREAT | O_EXCL | O_RDWR | O_NOFOLLOW, new_file_mode));
        if (!file_) {
            if (errno == EEXIST) continue;
            fail(errno, "created");
        }
        temporary_ = name;
        // Another writer's remove_leftovers() may have taken it for a leftover before it was locked.
        struct stat ours, named;
        const bool locked = lock_temporary(file_.get());
        const int error = errno;
        if (!locked && error != EWOULDBLOCK) {
            remove_temporary();
            fail(error, "created");
        }
        if (locked && os().fstat(file_.get(), &ours) == 0 &&
            os().fstatat(place_.folder.get(), name.c_str(), &named, AT_SYMLINK_NOFOLLOW) == 0 && ours.st_ino == named.st_ino &&
            ours.st_dev == named.st_dev)
            return;
        remove_temporary();
    }
    fail(EBUSY, "created");
}

void FileWriter::reserve(std::uint64_t bytes) {
    if (bytes == 0) return;
    if (bytes > static_cast<std::uint64_t>(INT64_MAX)) fail(EFBIG, "written");
    if (os().fallocate(file_.get(), FALLOC_FL_KEEP_SIZE, 0, static_cast<off_t>(bytes)) == 0) return;
    if (errno == EOPNOTSUPP || errno == ENOSYS) return;
    failed_ = true;
    fail(errno, "written");
}

void FileWriter::write(std::span<const std::byte> bytes) {
    write_at(written_, bytes);
    written_ += bytes.size();
}

void FileWriter::write_at(std::uint64_t at, std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
        const ssize_t count = os().pwrite(file_.get(), bytes.data(), bytes.size(), static_cast<off_t>(at));
        if (count <= 0) {
            const int error = count == 0 ? ENOSPC : errno;
            failed_ = true;
            fail(error, "written");
        }
        at += static_cast<std::uint64_t>(count);
        bytes = bytes.subspan(static_cast<std::size_t>(count));
    }
}

void FileWriter::commit() {
    if (failed_ || committed_) throw WriteError(Reason::failed, "\"" + place_.relative + "\" was not written completely.");
    failed_ = true; // unless all goes well
    if (os().fsync(file_.get()) != 0) fail(errno, "written");
    if (!jail_.contains(place_.folder)) throw ForbiddenPath(); // the folder was moved meanwhile
    name_it();
    committed_ = true;
    // Some network file systems can't sync folders, and need not.
    if (os().fsync(place_.folder.get()) != 0 && errno != EINVAL) fail(errno, "made durable, though it is there");
}

/// Others may make or remove a file of that name between two steps, so it is tried again.
void FileWriter::name_it() {
    for (int attempt = 0; attempt < max_attempts; ++attempt) {
        if (const auto former = existing()) {
            replace(*former);
            return;
        }
        if (link_as_new()) return;
    }
    fail(EBUSY, "given its name");
}

void FileWriter::replace(const struct stat& former) {
    if (os().fchmod(file_.get(), former.st_mode & 0777) != 0) fail(errno, "given the permissions of the file that it replaces");
    for (int attempt = 0; temporary_.empty(); ++attempt) {
        const std::string name = temporary_name();
        if (link_to(name)) temporary_ = name;
        else if (errno != EEXIST || attempt == max_attempts) fail(errno, "given its name");
    }
    if (os().renameat(place_.folder.get(), temporary_.c_str(), place_.folder.get(), place_.name.c_str()) != 0) fail(errno, "given its name");
    temporary_.clear();
}

/// Gives the file its name, which must be free; false if it is not.
bool FileWriter::link_as_new() {
    const int folder = place_.folder.get();
    if (temporary_.empty()) {
        if (link_to(place_.name)) return true;
        if (errno == EEXIST) return false;
        fail(errno, "given its name");
    }
    if (os().renameat(folder, temporary_.c_str(), folder, place_.name.c_str(), RENAME_NOREPLACE) == 0) {
        temporary_.clear();
        return true;
    }
    if (errno == EEXIST) return false;
    if (!is_unsupported(errno)) fail(errno, "given its name");
    if (os().linkat(folder, temporary_.c_str(), folder, place_.name.c_str()) == 0) {
        remove_temporary();
        return true;
    }
    if (errno == EEXIST) return false;
    if (!is_unsupported(errno)) fail(errno, "given its name");
    // Neither: a file that is made in this moment is replaced.
    if (os().renameat(folder, temporary_.c_str(), folder, place_.name.c_str()) != 0) fail(errno, "given its name");
    temporary_.clear();
    return true;
}

bool FileWriter::link_to(const std::string& name) const {
    return os().linkat(AT_FDCWD, descriptor_path().c_str(), place_.folder.get(), name.c_str(), AT_SYMLINK_FOLLOW) == 0;
}

void FileWriter::remove_temporary() {
    if (temporary_.empty()) return;
    // If it can't be removed, the next writer in this folder removes it.
    os().unlinkat(place_.folder.get(), temporary_.c_str());
    temporary_.clear();
}

} // namespace cubelink::server
