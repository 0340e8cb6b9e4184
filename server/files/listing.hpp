#pragma once
/// What a folder holds, as the file browser shows it. Reads one block of each file at most; looks at several files at once.
/// Thread-safe; blocking, for a worker thread.

#include "imaging/base/cancel.hpp"
#include "server/files/file_kind.hpp"

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace cubelink::server {

/// What decides whether a file is shown (ICD FileListFilterMode).
enum class FilterMode { content = 0, extension = 1, all_files = 2 };

/// What a listing is for. Images that are folders are files of a list of images, and are left out of one of region files or catalogs (unless it shows all files, where they
/// are folders).
enum class ListedKind { images, regions, catalogs };

struct ListedFile {
    std::string name; // valid UTF-8
    FileKind kind = FileKind::unknown;
    std::int64_t size = 0, date = 0; // bytes (of all files in it for an image that is a folder), seconds of Unix time
};

struct ListedFolder {
    std::string name;
    std::int32_t item_count = 0; // -1: can't be read
    std::int64_t date = 0;
};

struct Listing {
    std::string directory, parent; // relative to the top; parent: "." in the top, "" for the top itself
    std::vector<ListedFile> files;     // both in natural order
    std::vector<ListedFolder> folders;
    bool cancelled = false; // then these are the files so far, or none
};

/// Their part of the process's bound on threads.
inline constexpr int max_listing_threads = 4;

/// Works in threads of its own, so that a folder that doesn't answer (a dead network mount) blocks no caller: the call returns within
/// 100 ms of `cancel` (with what it has, or with nothing if a thread is inside the file system), and throws PathError if nothing has moved
/// for 30 s. Threads that are left behind end when the file system answers; until then, other listings of that folder are refused.
///
/// `threads`, but at least 2 and at most max_listing_threads, are used by all listings of the process together; others wait. A thread that
/// the system refuses costs speed only. `progress(checked, total)` is called now and then, from the calling thread. Whatever an own thread throws
/// comes back as a PathError.
Listing list_folder(const Jail& jail, const std::string& directory, FilterMode mode, const imaging::CancelToken& cancel,
                    const std::function<void(std::size_t, std::size_t)>& progress = {}, int threads = 4,
                    ListedKind listed = ListedKind::images);

} // namespace cubelink::server
