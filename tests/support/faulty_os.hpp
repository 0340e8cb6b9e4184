#pragma once
/// An operating system that fails as it is asked to. Made, it replaces platform::os() until its end:
///
///     FaultyOs faults;
///     faults.fail(Call::write, 3, EIO);   // the third write from now on, once
///     faults.fail_any(n, EIO);            // the n-th call of whatever kind: for n = 1, 2, … until count() < n visits every step
///     faults.full_after(1000);            // ENOSPC once 1000 bytes were written
///
/// Thread-safe, except for its beginning and end (see OsOverride).

#include "platform/mutex.hpp"
#include "platform/os.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <functional>
#include <optional>
#include <sys/mman.h>
#include <system_error>

namespace cubelink::test {

/// Kinds of calls. close, closedir and munmap never fail here: nothing is to be done about it where they do.
enum class Call { open, read, write, truncate, allocate, sync, mode, map, advise, status, access, read_link, list, make_folder, rename, link, unlink, lock, thread, count_ };

class FaultyOs : public platform::Os {
public:
    FaultyOs() : override_(*this) {}

    /// The n-th call of that kind from now on (1: the next) fails, once.
    void fail(Call call, int n, int error) { set(call, n, error, false); }
    /// That one and all after it.
    void fail_from(Call call, int n, int error) { set(call, n, error, true); }
    /// The n-th call from now on of any kind that can fail; once.
    void fail_any(int n, int error) {
        const platform::MutexLock lock(mutex_);
        any_ = Fault{n, error, false};
        all_ = 0;
    }
    /// Reads, and writes, move at most so many bytes at a time.
    void short_reads(std::size_t bytes) {
        const platform::MutexLock lock(mutex_);
        read_limit_ = bytes;
    }
    void short_writes(std::size_t bytes) {
        const platform::MutexLock lock(mutex_);
        write_limit_ = bytes;
    }
    /// The disk has so many bytes left.
    void full_after(std::uint64_t bytes) {
        const platform::MutexLock lock(mutex_);
        space_ = bytes;
    }
    /// Threads are refused, after that many more.
    void refuse_threads(int after = 0) { fail_from(Call::thread, after + 1, EAGAIN); }
    /// The file system knows no O_TMPFILE.
    void no_unnamed_files() {
        const platform::MutexLock lock(mutex_);
        unnamed_files_ = false;
    }
    /// Runs before every call, in its thread: to change the world between two steps, or to hold a call up.
    void before(std::function<void(Call, int n)> hook) {
        const platform::MutexLock lock(mutex_);
        hook_ = std::move(hook);
    }
    /// No faults any more.
    void heal() {
        const platform::MutexLock lock(mutex_);
        faults_ = {};
        any_.reset();
        space_.reset();
        read_limit_ = write_limit_ = ~std::size_t{0};
        unnamed_files_ = true;
        hook_ = nullptr;
    }
    /// Moves both clocks forward.
    void advance(std::chrono::nanoseconds time) {
        const platform::MutexLock lock(mutex_);
        advanced_ += time;
    }
    /// Calls so far, of one kind, and of all kinds since fail_any().
    int count(Call call) const {
        const platform::MutexLock lock(mutex_);
        return counts_[index(call)];
    }
    int count() const {
        const platform::MutexLock lock(mutex_);
        return all_;
    }

    int openat(int folder, const char* path, int flags, mode_t mode = 0) override {
        if (fails(Call::open)) return -1;
        if ((flags & O_TMPFILE) != O_TMPFILE || has_unnamed_files()) return Os::openat(folder, path, flags, mode);
        errno = EOPNOTSUPP;
        return -1;
    }
    ssize_t pread(int descriptor, void* to, std::size_t size, off_t offset) override {
        return fails(Call::read) ? -1 : Os::pread(descriptor, to, std::min(size, read_limit()), offset);
    }
    ssize_t preadv2(int descriptor, const iovec* parts, int count, off_t offset, int flags) override {
        if (fails(Call::read)) return -1;
        iovec first = count > 0 ? parts[0] : iovec{};
        if (count < 1 || first.iov_len <= read_limit()) return Os::preadv2(descriptor, parts, count, offset, flags);
        first.iov_len = read_limit();
        return Os::preadv2(descriptor, &first, 1, offset, flags);
    }
    ssize_t pwrite(int descriptor, const void* from, std::size_t size, off_t offset) override {
        if (fails(Call::write)) return -1;
        const std::size_t granted = grant(size);
        if (granted == 0 && size > 0) {
            errno = ENOSPC;
            return -1;
        }
        return Os::pwrite(descriptor, from, granted, offset);
    }
    int ftruncate(int descriptor, off_t size) override { return fails(Call::truncate) ? -1 : Os::ftruncate(descriptor, size); }
    int fallocate(int descriptor, int mode, off_t offset, off_t size) override {
        return fails(Call::allocate) ? -1 : Os::fallocate(descriptor, mode, offset, size);
    }
    int fsync(int descriptor) override { return fails(Call::sync) ? -1 : Os::fsync(descriptor); }
    int fchmod(int descriptor, mode_t mode) override { return fails(Call::mode) ? -1 : Os::fchmod(descriptor, mode); }
    void* mmap(void* address, std::size_t size, int protection, int flags, int descriptor, off_t offset) override {
        return fails(Call::map) ? MAP_FAILED : Os::mmap(address, size, protection, flags, descriptor, offset);
    }
    int madvise(void* address, std::size_t size, int advice) override { return fails(Call::advise) ? -1 : Os::madvise(address, size, advice); }
    int mincore(void* address, std::size_t size, unsigned char* pages) override { return fails(Call::advise) ? -1 : Os::mincore(address, size, pages); }
    int fstat(int descriptor, struct stat* status) override { return fails(Call::status) ? -1 : Os::fstat(descriptor, status); }
    int fstatat(int folder, const char* path, struct stat* status, int flags = 0) override {
        return fails(Call::status) ? -1 : Os::fstatat(folder, path, status, flags);
    }
    int faccessat(int folder, const char* path, int mode, int flags = 0) override {
        return fails(Call::access) ? -1 : Os::faccessat(folder, path, mode, flags);
    }
    ssize_t readlinkat(int folder, const char* path, char* to, std::size_t size) override {
        return fails(Call::read_link) ? -1 : Os::readlinkat(folder, path, to, size);
    }
    DIR* fdopendir(int descriptor) override { return fails(Call::list) ? nullptr : Os::fdopendir(descriptor); }
    dirent* readdir(DIR* stream) override { return fails(Call::list) ? nullptr : Os::readdir(stream); }
    int mkdirat(int folder, const char* path, mode_t mode) override { return fails(Call::make_folder) ? -1 : Os::mkdirat(folder, path, mode); }
    int renameat(int from_folder, const char* from, int to_folder, const char* to, unsigned flags = 0) override {
        return fails(Call::rename) ? -1 : Os::renameat(from_folder, from, to_folder, to, flags);
    }
    int linkat(int from_folder, const char* from, int to_folder, const char* to, int flags = 0) override {
        return fails(Call::link) ? -1 : Os::linkat(from_folder, from, to_folder, to, flags);
    }
    int unlinkat(int folder, const char* path, int flags = 0) override { return fails(Call::unlink) ? -1 : Os::unlinkat(folder, path, flags); }
    int flock(int descriptor, int operation) override { return fails(Call::lock) ? -1 : Os::flock(descriptor, operation); }
    std::chrono::steady_clock::time_point steady_now() override {
        const platform::MutexLock lock(mutex_);
        return Os::steady_now() + advanced_;
    }
    std::chrono::system_clock::time_point system_now() override {
        const platform::MutexLock lock(mutex_);
        return Os::system_now() + std::chrono::duration_cast<std::chrono::system_clock::duration>(advanced_);
    }
    std::thread start_thread(std::function<void()> body) override {
        if (fails(Call::thread)) throw std::system_error(errno, std::generic_category(), "thread");
        return Os::start_thread(std::move(body));
    }

private:
    struct Fault {
        int calls; // until it, counted down; the one that brings it to 0 fails
        int error;
        bool lasting;
    };
    static std::size_t index(Call call) { return static_cast<std::size_t>(call); }

    void set(Call call, int n, int error, bool lasting) {
        const platform::MutexLock lock(mutex_);
        faults_[index(call)] = Fault{n, error, lasting};
    }
    static bool due(std::optional<Fault>& fault) {
        if (!fault) return false;
        if (fault->calls > 1) {
            --fault->calls;
            return false;
        }
        errno = fault->error;
        if (!fault->lasting) fault.reset();
        return true;
    }
    /// True, and errno is set, if this call is to fail.
    bool fails(Call call) {
        std::function<void(Call, int)> hook;
        int n = 0;
        {
            const platform::MutexLock lock(mutex_);
            n = ++counts_[index(call)];
            ++all_;
            hook = hook_;
        }
        if (hook) hook(call, n);
        const platform::MutexLock lock(mutex_);
        const bool one = due(faults_[index(call)]);
        return due(any_) || one;
    }
    bool has_unnamed_files() const {
        const platform::MutexLock lock(mutex_);
        return unnamed_files_;
    }
    std::size_t read_limit() const {
        const platform::MutexLock lock(mutex_);
        return read_limit_;
    }
    /// How much of that may be written.
    std::size_t grant(std::size_t size) {
        const platform::MutexLock lock(mutex_);
        size = std::min(size, write_limit_);
        if (space_) {
            size = static_cast<std::size_t>(std::min<std::uint64_t>(size, *space_));
            *space_ -= size;
        }
        return size;
    }

    mutable platform::Mutex mutex_;
    std::array<std::optional<Fault>, static_cast<std::size_t>(Call::count_)> faults_ CUBELINK_GUARDED_BY(mutex_);
    std::array<int, static_cast<std::size_t>(Call::count_)> counts_ CUBELINK_GUARDED_BY(mutex_) = {};
    std::optional<Fault> any_ CUBELINK_GUARDED_BY(mutex_);
    int all_ CUBELINK_GUARDED_BY(mutex_) = 0;
    std::size_t read_limit_ CUBELINK_GUARDED_BY(mutex_) = ~std::size_t{0}, write_limit_ CUBELINK_GUARDED_BY(mutex_) = ~std::size_t{0};
    std::optional<std::uint64_t> space_ CUBELINK_GUARDED_BY(mutex_);
    bool unnamed_files_ CUBELINK_GUARDED_BY(mutex_) = true;
    std::function<void(Call, int)> hook_ CUBELINK_GUARDED_BY(mutex_);
    std::chrono::nanoseconds advanced_ CUBELINK_GUARDED_BY(mutex_){0};
    platform::OsOverride override_; // last: the rest is there when calls arrive
};

} // namespace cubelink::test
