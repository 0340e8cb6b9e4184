#include "imaging/base/mapped_file.hpp"

#include "platform/os.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <mutex>
#include <optional>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace cubelink::imaging {

namespace {

/// A mapping, for the signal handler, which takes no lock: `version` is odd while the slot is being changed.
struct Slot {
    std::atomic<bool> taken{false};
    std::atomic<unsigned> version{0};
    std::atomic<std::uintptr_t> begin{0}, end{0};
    std::atomic<bool> failed{false};
    std::atomic<bool> writable{false};

    void set(std::uintptr_t from, std::uintptr_t to, bool may_be_written) {
        version.fetch_add(1, std::memory_order_acq_rel);
        begin.store(from, std::memory_order_relaxed);
        end.store(to, std::memory_order_relaxed);
        failed.store(false, std::memory_order_relaxed);
        writable.store(may_be_written, std::memory_order_relaxed);
        version.fetch_add(1, std::memory_order_release);
    }

    /// The mapping, if it holds the address.
    std::optional<std::pair<std::uintptr_t, std::uintptr_t>> holding(std::uintptr_t address) const {
        for (;;) {
            const unsigned before = version.load(std::memory_order_acquire);
            const std::uintptr_t from = begin.load(std::memory_order_relaxed), to = end.load(std::memory_order_relaxed);
            std::atomic_thread_fence(std::memory_order_acquire);
            // A slot that is being changed belongs to another mapping than the one that is being read: its owner holds it unchanged.
            if (before % 2 != 0 || version.load(std::memory_order_relaxed) != before) continue;
            if (address < from || address >= to) return std::nullopt;
            return std::pair{from, to};
        }
    }
};

constexpr std::size_t max_mappings = 4096; // beyond, files are read by pread()
std::array<Slot, max_mappings> slots;
std::atomic<std::size_t> used_slots{0}; // the highest that was ever taken, and one
struct sigaction former_action {};

void to_former_handler(int signal, siginfo_t* info, void* context) {
    if ((former_action.sa_flags & SA_SIGINFO) != 0 && former_action.sa_sigaction != nullptr) {
        former_action.sa_sigaction(signal, info, context);
        return;
    }
    if (former_action.sa_handler != SIG_DFL && former_action.sa_handler != SIG_IGN) {
        former_action.sa_handler(signal);
        return;
    }
    if (former_action.sa_handler == SIG_IGN && info->si_code <= 0) return; // sent by a process, and ignored
    // The instruction that failed fails again, and ends the process as if this handler were not there.
    struct sigaction plain {};
    plain.sa_handler = SIG_DFL;
    sigaction(signal, &plain, nullptr);
    if (info->si_code <= 0) raise(signal);
}

/// Calls only what a signal handler may call.
void on_bus_error(int signal, siginfo_t* info, void* context) {
    const int saved = errno;
    const auto address = reinterpret_cast<std::uintptr_t>(info->si_addr);
    const std::size_t count = info->si_code > 0 ? used_slots.load(std::memory_order_acquire) : 0;
    for (std::size_t i = 0; i < count; ++i) {
        const auto mapping = slots[i].holding(address);
        if (!mapping) continue;
        slots[i].failed.store(true, std::memory_order_seq_cst); // before any thread can read the zeros
        const std::size_t size = mapping->second - mapping->first;
        // All of it at once, as pages replaced one by one would each be an area of its own to the kernel, which bounds their number. The system
        // call itself, because sanitizers replace mmap() by what a signal handler may not call.
        const int protection = slots[i].writable.load(std::memory_order_relaxed) ? PROT_READ | PROT_WRITE : PROT_READ;
        const long result = syscall(SYS_mmap, mapping->first, size, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
        if (result == -1) break;
        errno = saved;
        return;
    }
    errno = saved;
    to_former_handler(signal, info, context);
}

/// False if the handler can't be installed: nothing must be mapped then.
bool install_handler() {
    static const bool installed = [] {
        struct sigaction action {};
        action.sa_sigaction = on_bus_error;
        action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART;
        sigemptyset(&action.sa_mask);
        // The former one first: the handler may be called as soon as it is installed.
        return sigaction(SIGBUS, nullptr, &former_action) == 0 && sigaction(SIGBUS, &action, nullptr) == 0;
    }();
    return installed;
}

std::optional<std::size_t> take_slot() {
    for (std::size_t i = 0; i < max_mappings; ++i) {
        if (slots[i].taken.exchange(true, std::memory_order_acq_rel)) continue;
        std::size_t used = used_slots.load(std::memory_order_relaxed);
        while (used < i + 1 && !used_slots.compare_exchange_weak(used, i + 1, std::memory_order_acq_rel)) {}
        return i;
    }
    return std::nullopt;
}

std::size_t page_size() {
    static const auto size = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    return size;
}

/// Bytes of files that are mapped and resident in the process; 0 if unknown.
std::size_t resident_file_bytes() {
    const int descriptor = platform::os().open("/proc/self/statm", O_RDONLY);
    if (descriptor < 0) return 0;
    std::array<char, 128> text{};
    const ssize_t count = platform::os().pread(descriptor, text.data(), text.size() - 1, 0);
    platform::os().close(descriptor);
    if (count <= 0) return 0;
    char* at = text.data();
    std::strtoull(at, &at, 10); // size
    std::strtoull(at, &at, 10); // resident
    return std::strtoull(at, &at, 10) * page_size();
}

} // namespace

std::shared_ptr<const MappedFile> MappedFile::map(int descriptor, std::int64_t offset, std::size_t size, Reading reading) {
    auto mapping = map(descriptor, offset, size, PROT_READ);
    // Without this, faults read the pages around them too.
    if (mapping && reading == Reading::scattered) platform::os().madvise(mapping->begin_, mapping->mapped_, MADV_RANDOM);
    return mapping;
}

std::shared_ptr<MappedFile> MappedFile::map_for_writing(int descriptor, std::size_t size) { return map(descriptor, 0, size, PROT_READ | PROT_WRITE); }

std::shared_ptr<MappedFile> MappedFile::map(int descriptor, std::int64_t offset, std::size_t size, int protection) {
    if (size == 0 || !install_handler()) return nullptr;
    const auto skipped = static_cast<std::size_t>(offset) % page_size();
    if (size > SIZE_MAX - skipped) return nullptr;
    const auto slot = take_slot();
    if (!slot) return nullptr;
    void* begin = platform::os().mmap(nullptr, skipped + size, protection, MAP_SHARED, descriptor, offset - static_cast<std::int64_t>(skipped));
    if (begin == MAP_FAILED) {
        slots[*slot].taken.store(false, std::memory_order_release);
        return nullptr;
    }
    return std::shared_ptr<MappedFile>(new MappedFile(begin, skipped + size, skipped, size, *slot, (protection & PROT_WRITE) != 0));
}

MappedFile::MappedFile(void* begin, std::size_t mapped, std::size_t skipped, std::size_t size, std::size_t slot, bool writable)
    : begin_(static_cast<std::byte*>(begin)), mapped_(mapped), data_(begin_ + skipped), size_(size), slot_(slot) {
    const auto from = reinterpret_cast<std::uintptr_t>(begin);
    slots[slot_].set(from, from + mapped_, writable);
}

MappedFile::~MappedFile() {
    slots[slot_].set(0, 0, false);
    platform::os().munmap(begin_, mapped_);
    slots[slot_].taken.store(false, std::memory_order_release);
}

bool MappedFile::failed() const {
    // The handler sets the flag before it puts zeros there: a thread that has read zeros sees the flag.
    std::atomic_thread_fence(std::memory_order_acquire);
    return slots[slot_].failed.load(std::memory_order_seq_cst);
}

void MappedFile::prefetch(std::size_t from, std::size_t count) const {
    const std::size_t first = static_cast<std::size_t>(data_ - begin_) + from, page = first / page_size() * page_size();
    platform::os().madvise(begin_ + page, std::min(first + count, mapped_) - page, MADV_WILLNEED);
}

void MappedFile::release_pages() const { platform::os().madvise(begin_, mapped_, MADV_DONTNEED); }

std::shared_ptr<const MappedFile> KeptMapping::get() {
    const platform::MutexLock lock(mutex_);
    if (!mapping_ && attempts_ > 0) {
        mapping_ = MappedFile::map(descriptor_, offset_, size_);
        if (!mapping_) --attempts_;
    }
    return mapping_;
}

void KeptMapping::replace(const std::shared_ptr<const MappedFile>& failed) {
    const platform::MutexLock lock(mutex_);
    if (mapping_ != failed) return;
    mapping_.reset();
    --attempts_;
}

void KeptMapping::touched(std::size_t pages) {
    constexpr std::size_t look_after = 1 << 12;              // pages
    constexpr std::size_t limit = std::size_t{512} << 20; // bytes: operators look at resident memory, whoever owns the pages
    std::shared_ptr<const MappedFile> mapping;
    {
        const platform::MutexLock lock(mutex_);
        touched_ += pages;
        if (touched_ < look_after) return;
        touched_ = 0;
        mapping = mapping_;
    }
    if (mapping && resident_file_bytes() > limit) mapping->release_pages();
}

} // namespace cubelink::imaging
