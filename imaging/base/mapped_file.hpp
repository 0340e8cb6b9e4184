#pragma once
/// Files mapped into memory, in such a way that a failing page is an error and not the end of the process.
///
/// A page that can't be read (the file has shrunk, the disk or the network fails) raises SIGBUS in the thread that touches it. A handler for
/// that signal, installed with the first mapping, puts zeros in place of the whole mapping and marks it as failed: the reader continues, checks
/// failed() before it uses the data, and reads them again by pread(), which returns the error. A mapping that has failed is not used again. Signals that concern none of our mappings go to the handler that was there before.
///
/// Mapped pages belong to the page cache. They count as resident memory of the process, but can be taken from it at any time.

#include "platform/mutex.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>

namespace cubelink::imaging {

/// Shared with all other users of the file. All members may be called from any thread.
class MappedFile {
public:
    enum class Reading { scattered, in_order };
    /// Bytes [offset, offset + size) of an open file, which must have that many; the descriptor may be closed afterwards. nullptr if it
    /// can't be mapped: file systems and limits on address space may refuse.
    static std::shared_ptr<const MappedFile> map(int descriptor, std::int64_t offset, std::size_t size, Reading reading = Reading::scattered);
    /// The first `size` bytes of a scratch file, which must have them on the disk (os().fallocate): else a full disk is a failing page. What is written
    /// to a mapping that has failed is lost. nullptr if it can't be mapped.
    static std::shared_ptr<MappedFile> map_for_writing(int descriptor, std::size_t size);
    ~MappedFile();
    MappedFile(const MappedFile&) = delete;
    MappedFile& operator=(const MappedFile&) = delete;

    /// Byte `offset` of the file.
    const std::byte* data() const { return data_; }
    /// REQUIRES: made by map_for_writing().
    std::byte* writable_data() { return begin_; }
    std::size_t size() const { return size_; }
    /// True from when a page could not be read: what was read from data() may be zeros.
    bool failed() const;

    /// Begins to read bytes [from, from + count) into the page cache, without waiting.
    void prefetch(std::size_t from, std::size_t count) const;
    /// Unmaps all pages from the process; the page cache may keep them. They are mapped again when they are touched.
    void release_pages() const;

private:
    MappedFile(void* begin, std::size_t mapped, std::size_t skipped, std::size_t size, std::size_t slot, bool writable);
    static std::shared_ptr<MappedFile> map(int descriptor, std::int64_t offset, std::size_t size, int protection);

    std::byte* begin_; // at a page
    std::size_t mapped_;
    const std::byte* data_;
    std::size_t size_, slot_;
};

/// The mapping of a part of a file for as long as that is open: made at the first get(), and again after it has failed.
class KeptMapping {
public:
    /// The descriptor must stay open as long as this lives.
    KeptMapping(int descriptor, std::int64_t offset, std::size_t size) : descriptor_(descriptor), offset_(offset), size_(size) {}

    /// nullptr: it can't be mapped.
    std::shared_ptr<const MappedFile> get();
    /// The next get() makes another one in place of this, which has failed.
    void replace(const std::shared_ptr<const MappedFile>& failed);
    /// Records that some `pages` pages were read. From time to time this checks how many file pages the process has mapped, and unmaps those
    /// of this mapping when they are more than 512 MiB.
    void touched(std::size_t pages);

private:
    const int descriptor_;
    const std::int64_t offset_;
    const std::size_t size_;
    platform::Mutex mutex_;
    std::shared_ptr<const MappedFile> mapping_ CUBELINK_GUARDED_BY(mutex_);
    int attempts_ CUBELINK_GUARDED_BY(mutex_) = 100; // that may fail; a file that always does is read by pread()
    std::size_t touched_ CUBELINK_GUARDED_BY(mutex_) = 0;
};

} // namespace cubelink::imaging
