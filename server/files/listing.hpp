#pragma once
/// What a folder holds, as the file browser shows it. Reads one block of each file at most; works on several files at once.
/// Thread-safe; blocking, for a worker thread.

#include "imaging/base/cancel.hpp"
#include "server/files/jail.hpp"

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace cubelink::server {

enum class FileKind { casa = 0, crtf = 1, ds9_reg = 2, fits = 3, hdf5 = 4, miriad = 5, unknown = 6 }; // ICD FileType

/// What decides whether a file is shown (ICD FileListFilterMode).
enum class FilterMode { content = 0, extension = 1, all_files = 2 };

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
    std::string directory, parent; // relative to the top; parent "." of what lies in the top, "" of the top
    std::vector<ListedFile> files;
    std::vector<ListedFolder> folders;
    bool cancelled = false; // the files so far
};

/// `progress(checked, total)` is called now and then from worker threads, one call at a time. Throws PathError.
Listing list_folder(const Jail& jail, const std::string& directory, FilterMode mode, const imaging::CancelToken& cancel,
                    const std::function<void(std::size_t, std::size_t)>& progress = {}, int threads = 4);

/// The kind of one file or folder by its content; unknown if it is no image.
FileKind kind_by_content(const JailedPath& path);
/// By its name alone.
FileKind kind_by_extension(std::string_view name);
/// Size as a listing gives it: of a folder, what its files hold together.
std::int64_t listed_size(const JailedPath& path);

} // namespace cubelink::server
