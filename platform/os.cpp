#include "platform/os.hpp"

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>

namespace cubelink::platform {

namespace {

template <class Call>
auto retried(Call call) {
    decltype(call()) result;
    do result = call();
    while (result == -1 && errno == EINTR);
    return result;
}

Os& system_calls() {
    static Os* const plain = new Os; // never destroyed: detached threads may use it until the process ends
    return *plain;
}

std::atomic<Os*> replacement{nullptr};

} // namespace

int Os::openat(int folder, const char* path, int flags, mode_t mode) {
    return retried([&] { return ::openat(folder, path, flags | O_CLOEXEC, mode); });
}

int Os::open_scratch(const char* folder) {
    const int nameless = open(folder, O_TMPFILE | O_RDWR, 0600);
    if (nameless >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT && errno != EINVAL)) return nameless;
    // EISDIR and ENOENT are what kernels without O_TMPFILE answer; a folder that isn't there fails below too.
    static std::atomic<unsigned> number{0};
    for (int attempt = 0; attempt < 100; ++attempt) {
        const std::string path = std::string(folder) + "/.cubelink-scratch-" + std::to_string(::getpid()) + "-" + std::to_string(number.fetch_add(1));
        const int named = open(path.c_str(), O_CREAT | O_EXCL | O_RDWR | O_NOFOLLOW, 0600);
        if (named < 0 && errno == EEXIST) continue;
        if (named < 0) return -1;
        if (unlinkat(AT_FDCWD, path.c_str()) == 0) return named;
        const int error = errno;
        close(named);
        errno = error;
        return -1;
    }
    errno = EEXIST;
    return -1;
}

// Linux has released the descriptor even when close() is interrupted: it must not be called again.
int Os::close(int descriptor) { return ::close(descriptor) == 0 || errno == EINTR ? 0 : -1; }

ssize_t Os::pread(int descriptor, void* to, std::size_t size, off_t offset) {
    return retried([&] { return ::pread(descriptor, to, size, offset); });
}
ssize_t Os::preadv2(int descriptor, const iovec* parts, int count, off_t offset, int flags) {
    return retried([&] { return ::preadv2(descriptor, parts, count, offset, flags); });
}
ssize_t Os::pwrite(int descriptor, const void* from, std::size_t size, off_t offset) {
    return retried([&] { return ::pwrite(descriptor, from, size, offset); });
}
int Os::ftruncate(int descriptor, off_t size) {
    return retried([&] { return ::ftruncate(descriptor, size); });
}
int Os::fallocate(int descriptor, int mode, off_t offset, off_t size) {
    return retried([&] { return ::fallocate(descriptor, mode, offset, size); });
}
int Os::fsync(int descriptor) {
    return retried([&] { return ::fsync(descriptor); });
}
int Os::fchmod(int descriptor, mode_t mode) {
    return retried([&] { return ::fchmod(descriptor, mode); });
}
void* Os::mmap(void* address, std::size_t size, int protection, int flags, int descriptor, off_t offset) {
    return ::mmap(address, size, protection, flags, descriptor, offset);
}
int Os::munmap(void* address, std::size_t size) { return ::munmap(address, size); }
int Os::madvise(void* address, std::size_t size, int advice) { return ::madvise(address, size, advice); }
int Os::mincore(void* address, std::size_t size, unsigned char* pages) { return ::mincore(address, size, pages); }

int Os::fstat(int descriptor, struct stat* status) {
    return retried([&] { return ::fstat(descriptor, status); });
}
int Os::fstatat(int folder, const char* path, struct stat* status, int flags) {
    return retried([&] { return ::fstatat(folder, path, status, flags); });
}
int Os::faccessat(int folder, const char* path, int mode, int flags) {
    return retried([&] { return ::faccessat(folder, path, mode, flags); });
}
ssize_t Os::readlinkat(int folder, const char* path, char* to, std::size_t size) {
    return retried([&] { return ::readlinkat(folder, path, to, size); });
}
DIR* Os::fdopendir(int descriptor) { return ::fdopendir(descriptor); }
dirent* Os::readdir(DIR* stream) {
    dirent* entry;
    do {
        errno = 0;
        entry = ::readdir(stream);
    } while (entry == nullptr && errno == EINTR);
    return entry;
}
int Os::closedir(DIR* stream) { return ::closedir(stream) == 0 || errno == EINTR ? 0 : -1; }

int Os::mkdirat(int folder, const char* path, mode_t mode) {
    return retried([&] { return ::mkdirat(folder, path, mode); });
}
int Os::renameat(int from_folder, const char* from, int to_folder, const char* to, unsigned flags) {
    return retried([&] { return flags == 0 ? ::renameat(from_folder, from, to_folder, to) : ::renameat2(from_folder, from, to_folder, to, flags); });
}
int Os::linkat(int from_folder, const char* from, int to_folder, const char* to, int flags) {
    return retried([&] { return ::linkat(from_folder, from, to_folder, to, flags); });
}
int Os::unlinkat(int folder, const char* path, int flags) {
    return retried([&] { return ::unlinkat(folder, path, flags); });
}
int Os::flock(int descriptor, int operation) {
    return retried([&] { return ::flock(descriptor, operation); });
}

std::chrono::steady_clock::time_point Os::steady_now() { return std::chrono::steady_clock::now(); }
std::chrono::system_clock::time_point Os::system_now() { return std::chrono::system_clock::now(); }

std::chrono::nanoseconds Os::thread_cpu_time() {
    timespec time{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

std::thread Os::start_thread(std::function<void()> body) { return std::thread(std::move(body)); }

Os& os() {
    Os* const other = replacement.load(std::memory_order_acquire);
    return other != nullptr ? *other : system_calls();
}

OsOverride::OsOverride(Os& other) : former_(replacement.exchange(&other, std::memory_order_acq_rel)) {}
OsOverride::~OsOverride() { replacement.store(former_, std::memory_order_release); }

} // namespace cubelink::platform
