#pragma once
/// The operating system as our code uses it: files, clocks, threads. os() is the process's one; tests put another in its place
/// (tests/support/faulty_os.hpp) to see what a full disk, a failing read or a refused thread does.
///
/// Thread-safe. File calls are those of the same names in POSIX and Linux, with their arguments and results: -1 (mmap: MAP_FAILED,
/// fdopendir and readdir: nullptr) and errno on failure. A call that a signal interrupts is made again: EINTR never comes back.
/// Descriptors are always opened with O_CLOEXEC.

#include <chrono>
#include <cstddef>
#include <dirent.h>
#include <fcntl.h>
#include <functional>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <thread>
#include <utility>

namespace cubelink::platform {

/// The system calls themselves. Every member can be overridden.
class Os {
public:
    Os() = default;
    virtual ~Os() = default;
    Os(const Os&) = delete;
    Os& operator=(const Os&) = delete;

    // Descriptors. `folder`: a folder's descriptor, or AT_FDCWD.
    virtual int openat(int folder, const char* path, int flags, mode_t mode = 0);
    int open(const char* path, int flags, mode_t mode = 0) { return openat(AT_FDCWD, path, flags, mode); }
    /// A regular file without a name in `folder` (a path), for reading and writing: O_TMPFILE, or where the file system has none, a
    /// file whose name is removed at once. Gone when its descriptor is closed, or the process dies.
    int open_scratch(const char* folder);
    virtual int close(int descriptor);

    // Content. Fewer bytes than asked for may be read or written, as always.
    virtual ssize_t pread(int descriptor, void* to, std::size_t size, off_t offset);
    /// preadv2; `flags` as RWF_NOWAIT, which reads only what is in the page cache (EAGAIN).
    virtual ssize_t preadv2(int descriptor, const iovec* parts, int count, off_t offset, int flags);
    virtual ssize_t pwrite(int descriptor, const void* from, std::size_t size, off_t offset);
    virtual int ftruncate(int descriptor, off_t size);
    /// Reserves disk space, so that no later write into that range finds the disk full.
    virtual int fallocate(int descriptor, int mode, off_t offset, off_t size);
    virtual int fsync(int descriptor);
    virtual int fchmod(int descriptor, mode_t mode);
    virtual void* mmap(void* address, std::size_t size, int protection, int flags, int descriptor, off_t offset);
    virtual int munmap(void* address, std::size_t size);
    virtual int madvise(void* address, std::size_t size, int advice);
    virtual int mincore(void* address, std::size_t size, unsigned char* pages);

    // What there is.
    virtual int fstat(int descriptor, struct stat* status);
    virtual int fstatat(int folder, const char* path, struct stat* status, int flags = 0);
    int stat(const char* path, struct stat* status) { return fstatat(AT_FDCWD, path, status); }
    virtual int faccessat(int folder, const char* path, int mode, int flags = 0);
    virtual ssize_t readlinkat(int folder, const char* path, char* to, std::size_t size);
    /// The stream owns the descriptor once this has succeeded; close it with closedir().
    virtual DIR* fdopendir(int descriptor);
    /// nullptr at the end (errno 0) and on failure (errno says why). A stream is used by one thread at a time.
    virtual dirent* readdir(DIR* stream);
    virtual int closedir(DIR* stream);

    // Names.
    virtual int mkdirat(int folder, const char* path, mode_t mode);
    /// renameat2; `flags` as RENAME_NOREPLACE (EEXIST; EINVAL where the file system has no such thing).
    virtual int renameat(int from_folder, const char* from, int to_folder, const char* to, unsigned flags = 0);
    virtual int linkat(int from_folder, const char* from, int to_folder, const char* to, int flags = 0);
    virtual int unlinkat(int folder, const char* path, int flags = 0);

    /// Advisory locks, as flock(2): they belong to the open file and end with it.
    virtual int flock(int descriptor, int operation);

    // Clocks.
    virtual std::chrono::steady_clock::time_point steady_now();
    virtual std::chrono::system_clock::time_point system_now();
    /// How long the calling thread has worked; the time that it waited, for a processor too, is not part of it.
    virtual std::chrono::nanoseconds thread_cpu_time();

    /// Starts a thread, to be joined by the caller (JoiningThread does). Throws std::system_error if the system refuses: do the work
    /// with fewer threads then. `body` must not throw.
    virtual std::thread start_thread(std::function<void()> body);
};

/// The process's.
Os& os();

/// A thread that is joined at its end.
class JoiningThread {
public:
    JoiningThread() = default;
    explicit JoiningThread(std::thread thread) : thread_(std::move(thread)) {}
    JoiningThread(JoiningThread&&) noexcept = default;
    JoiningThread& operator=(JoiningThread&& other) noexcept {
        if (this != &other) {
            join();
            thread_ = std::move(other.thread_);
        }
        return *this;
    }
    ~JoiningThread() { join(); }
    bool joinable() const { return thread_.joinable(); }
    void join() {
        if (thread_.joinable()) thread_.join();
    }
    std::thread::id get_id() const { return thread_.get_id(); }
    std::thread::native_handle_type native_handle() { return thread_.native_handle(); }

private:
    std::thread thread_;
};

/// Makes os() another one for as long as it lives. For tests: no other thread may be inside a call of the old or the new one when it
/// begins or ends.
class OsOverride {
public:
    explicit OsOverride(Os& replacement);
    ~OsOverride();
    OsOverride(const OsOverride&) = delete;
    OsOverride& operator=(const OsOverride&) = delete;

private:
    Os* former_;
};

} // namespace cubelink::platform
