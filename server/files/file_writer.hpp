#pragma once
/// The only way in which the server writes files for users: under no name or a temporary one in the same folder, synced, and only then
/// given its name in one step. Under that name there is the old file or the whole new one at any time, also after kill -9 or a full disk.
///
///     FileWriter out(jail, request.directory(), request.name(), options);   // throws: refused, forbidden, exists, …
///     out.write(bytes);
///     out.commit();                                                         // without it nothing remains
///
/// Used by one thread at a time, but for write_at(); blocking, for a job.

#include "server/files/jail.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace cubelink::server {

/// The file was not written. what() is fit for the client. Paths outside of the jail throw ForbiddenPath instead.
class WriteError : public PathError {
public:
    enum class Reason {
        refused,  // by WriteOptions::refusal
        exists,   // and WriteOptions::overwrite is false: the user may confirm (ICD: overwrite_confirmation_required)
        open,     // it would replace a file that is open
        not_file, // there is a folder, a symbolic link or a device of that name, or a file that may not be written
        no_space, // disk or quota
        failed    // by the system
    };
    WriteError(Reason reason, const std::string& message) : PathError(message), reason_(reason) {}
    Reason reason() const { return reason_; }

private:
    Reason reason_;
};

struct WriteOptions {
    std::string refusal;    // why this client may write no files; empty: it may
    bool overwrite = false; // an existing regular file is replaced
    /// Whether that file (of a stat) is open as a source, in any session. Such a file is not replaced. Asked when the writer is made, and
    /// again just before the name changes. Thread-safe, as it is called in the writer's thread.
    std::function<bool(std::uint64_t device, std::uint64_t inode)> is_open;
};

class FileWriter {
public:
    /// `directory` and `name` as Jail::open_place. Throws WriteError, PathError, ForbiddenPath before anything has been written.
    /// The jail outlives the writer.
    FileWriter(const Jail& jail, std::string_view directory, std::string_view name, WriteOptions options);
    /// What was not committed is removed.
    ~FileWriter();
    FileWriter(const FileWriter&) = delete;
    FileWriter& operator=(const FileWriter&) = delete;

    /// Reserves disk space for a file of that size, so that a full disk shows before the work is done, where the file system can do that.
    void reserve(std::uint64_t bytes);
    /// Appends to what write() has written.
    void write(std::span<const std::byte> bytes);
    void write(std::string_view text) { write(std::as_bytes(std::span(text))); }

    /// Writes bytes that begin at `at`, for files whose parts come in any order; not together with write(). May be called from several threads at once. What
    /// was not written between parts is zeros.
    void write_at(std::uint64_t at, std::span<const std::byte> bytes);

    /// For libraries that write themselves: open for reading and writing, empty, owned by the writer. cfitsio opens the path
    /// with fits_open_diskfile(READWRITE) once a primary header stands there (it creates no file that exists); close it before commit().
    int descriptor() const { return file_.get(); }
    std::string descriptor_path() const { return path_through(file_); }

    /// Syncs the content, gives the file its name, and syncs the folder. If it throws, the name leads to what it did before, unless only
    /// the last of these steps failed. Nothing can be written afterwards.
    void commit();

    /// The file's path for clients.
    const std::string& relative() const { return place_.relative; }

private:
    const Jail& jail_;
    WriteOptions options_;
    JailedPlace place_;
    Descriptor file_;
    std::string temporary_; // its name at present; empty: none
    std::uint64_t written_ = 0;
    std::atomic<bool> failed_ = false;
    bool committed_ = false;

    [[noreturn]] void fail(int error, const char* doing) const;
    std::optional<struct stat> existing() const;
    void create();
    void name_it();
    void replace(const struct stat& former);
    bool link_as_new();
    bool link_to(const std::string& name) const;
    void remove_temporary();
};

} // namespace cubelink::server
