#include "imaging/base/scratch_memory.hpp"

#include "imaging/base/image_error.hpp"
#include "platform/os.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <sys/statvfs.h>
#include <utility>
#include <vector>

namespace cubelink::imaging {

using platform::os;

namespace {

constexpr std::size_t disk_reserve = std::size_t{64} << 20; // stays free on the scratch disk

[[noreturn]] void failed(std::size_t bytes, const std::string& why) {
    throw ImageError("The scratch folder can't hold " + std::to_string((bytes >> 20) + 1) + " MiB more: " + why + ".");
}

/// What all images in memory take together.
std::atomic<std::size_t> in_memory{0};

/// Descriptor of a scratch file, closed at the end: a mapping lives on without it.
class ScratchFile {
public:
    explicit ScratchFile(const std::string& folder) : descriptor_(os().open_scratch(folder.c_str())) {}
    ~ScratchFile() {
        if (descriptor_ >= 0) os().close(descriptor_);
    }
    ScratchFile(const ScratchFile&) = delete;
    ScratchFile& operator=(const ScratchFile&) = delete;
    int get() const { return descriptor_; }

private:
    const int descriptor_;
};

/// Where the file system reserves no space: by zeros.
void write_zeros(int descriptor, std::size_t bytes) {
    const std::vector<std::byte> zeros(std::min<std::size_t>(bytes, 1 << 20));
    for (std::size_t at = 0; at < bytes;) {
        const auto count = os().pwrite(descriptor, zeros.data(), std::min(zeros.size(), bytes - at), static_cast<off_t>(at));
        if (count <= 0) failed(bytes, count < 0 ? std::strerror(errno) : "it takes no more");
        at += static_cast<std::size_t>(count);
    }
}

} // namespace

ScratchMemory::ScratchMemory(std::size_t bytes, BudgetCache& budget, const std::string& scratch, const CancelToken& cancel) : size_(bytes) {
    cancel.throw_if_cancelled();
    const auto before = in_memory.fetch_add(bytes);
    counted_.bytes = bytes;
    if (!scratch.empty() && (bytes > budget.limit() / 8 || before + bytes > budget.limit() / 4)) {
        counted_ = {};
        map_file(scratch);
        return;
    }
    // Nobody has to wait for memory who has a disk.
    if (auto free = scratch.empty() ? std::optional(budget.reserve(bytes, cancel)) : budget.try_reserve(bytes)) {
        reservation_ = std::move(*free);
    } else {
        counted_ = {};
        map_file(scratch);
        return;
    }
    memory_ = make_pixels<std::byte>(bytes);
}

ScratchMemory::Counted& ScratchMemory::Counted::operator=(Counted&& other) noexcept {
    in_memory.fetch_sub(std::exchange(bytes, std::exchange(other.bytes, 0)));
    return *this;
}

ScratchMemory::Counted::~Counted() { in_memory.fetch_sub(bytes); }

void ScratchMemory::map_file(const std::string& scratch) {
    const ScratchFile file(scratch);
    if (file.get() < 0) failed(size_, std::strerror(errno));
    struct statvfs disk {};
    if (::fstatvfs(file.get(), &disk) == 0) {
        const auto room = static_cast<double>(disk.f_bavail) * static_cast<double>(disk.f_frsize) - static_cast<double>(disk_reserve);
        if (static_cast<double>(size_) > room) failed(size_, "it has room for " + std::to_string(static_cast<std::int64_t>(std::max(room, 0.0)) >> 20) + " MiB");
    }
    if (os().fallocate(file.get(), 0, 0, static_cast<off_t>(size_)) != 0) {
        if (errno != EOPNOTSUPP && errno != ENOSYS) failed(size_, std::strerror(errno));
        write_zeros(file.get(), size_);
    }
    mapping_ = MappedFile::map_for_writing(file.get(), size_);
    if (!mapping_) failed(size_, "its file can't be mapped");
}

void ScratchMemory::check() const {
    if (lost()) throw ImageError("The disk with the scratch folder has failed: the pixels of this image are lost.");
}

} // namespace cubelink::imaging
