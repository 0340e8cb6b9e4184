#include "server/files/listing.hpp"

#include "server/files/file_names.hpp"

#include <algorithm>
#include <atomic>
#include <cctype>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <dirent.h>
#include <fcntl.h>
#include <memory>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <unistd.h>

namespace cubelink::server {

namespace {

/// A name for what is open, good while it is.
std::string path_of(const Descriptor& open) { return "/proc/self/fd/" + std::to_string(open.get()); }

struct CloseDirectory {
    void operator()(DIR* d) const { ::closedir(d); }
};
using Directory = std::unique_ptr<DIR, CloseDirectory>;

/// Its entries, read through a descriptor of their own.
Directory entries_of(int folder) {
    const int fd = ::openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return nullptr;
    DIR* directory = ::fdopendir(fd);
    if (!directory) ::close(fd);
    return Directory(directory);
}

bool ends_with_ignoring_case(std::string_view text, std::string_view end) {
    return text.size() >= end.size() && std::equal(end.begin(), end.end(), text.end() - static_cast<std::ptrdiff_t>(end.size()), [](char a, char b) {
               return a == std::tolower(static_cast<unsigned char>(b));
           });
}

bool has_file(int folder, const char* name) {
    struct stat status;
    return ::fstatat(folder, name, &status, 0) == 0 && S_ISREG(status.st_mode);
}

std::string first_bytes(int at, const char* name, std::size_t n, int flags = 0) {
    // O_NONBLOCK: a FIFO that took the place of a file must not stop the listing.
    const Descriptor file(::openat(at, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | flags));
    if (!file) return {};
    std::string bytes(n, '\0');
    const auto got = ::read(file.get(), bytes.data(), n);
    bytes.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
    return bytes;
}

FileKind kind_of_bytes(std::string_view bytes, std::string_view name) {
    if (bytes.substr(0, 4) == "SIMP") return FileKind::fits;
    if (bytes.substr(0, 8) == "\x89HDF\r\n\x1a\n") return FileKind::hdf5;
    if (bytes.substr(0, 2) == "\x1f\x8b" && ends_with_ignoring_case(name, ".fits.gz")) return FileKind::fits;
    return FileKind::unknown;
}

/// CASA says in table.info what a table is (an image, a list of components), and describes what is joined or computed as JSON; Miriad images
/// have an item "image" beside their "header".
FileKind kind_of_folder(int folder) {
    if (has_file(folder, "table.info") && has_file(folder, "table.dat")) {
        const auto info = first_bytes(folder, "table.info", 256);
        const auto first_line = std::string_view(info).substr(0, info.find('\n'));
        for (const auto type : {"Type = Image", "Type = Component List"})
            if (first_line.find(type) != std::string_view::npos) return FileKind::casa;
    }
    if (has_file(folder, "imageconcat.json") || has_file(folder, "imageexpr.json")) return FileKind::casa;
    if (has_file(folder, "header") && has_file(folder, "image")) return FileKind::miriad;
    return FileKind::unknown;
}

std::int64_t size_of_folder(int folder, int depth = 0) {
    std::int64_t total = 0;
    const Directory entries = entries_of(folder);
    if (!entries || depth > 4) return 0;
    while (const dirent* entry = ::readdir(entries.get())) {
        const std::string_view name = entry->d_name;
        if (name == "." || name == "..") continue;
        struct stat status;
        if (::fstatat(folder, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0) continue;
        if (S_ISREG(status.st_mode)) total += status.st_size;
        if (S_ISDIR(status.st_mode)) {
            const Descriptor sub(::openat(folder, entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
            if (sub) total += size_of_folder(sub.get(), depth + 1);
        }
    }
    return total;
}

std::int32_t count_items(int folder) {
    const Directory entries = entries_of(folder);
    if (!entries) return -1;
    std::int32_t n = 0;
    while (const dirent* entry = ::readdir(entries.get())) {
        const std::string_view item = entry->d_name;
        if (item != "." && item != "..") ++n;
    }
    return n;
}

struct Entry {
    std::string bytes; // of its name
    std::optional<ListedFile> file;
    std::optional<ListedFolder> folder;
};

/// Fills in what one entry is. Links count as what they lead to, if they may lead there.
void look_at(const Jail& jail, int folder, FilterMode mode, Entry& entry) {
    const char* name = entry.bytes.c_str();
    int flags = O_NOFOLLOW; // what is opened is what was looked at, and no link that has taken its place
    std::string through;
    struct stat status;
    if (::fstatat(folder, name, &status, AT_SYMLINK_NOFOLLOW) != 0) return;
    Descriptor target;
    if (S_ISLNK(status.st_mode)) {
        target = Descriptor(::openat(folder, name, O_PATH | O_CLOEXEC));
        if (!target || ::fstat(target.get(), &status) != 0) return;
        through = path_of(target);
        char real[4096];
        const auto n = ::readlink(through.c_str(), real, sizeof real);
        if (n <= 0 || !jail.allows(std::string_view(real, static_cast<std::size_t>(n)))) return;
        name = through.c_str();
        flags = 0;
    }
    if (S_ISDIR(status.st_mode)) {
        FileKind kind = FileKind::unknown;
        const Descriptor opened(::openat(folder, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | flags));
        // A list of all files shows folders as folders; asked for such a folder, list_folder() then tells that it is an image.
        if (opened && mode != FilterMode::all_files) kind = kind_of_folder(opened.get());
        if (kind == FileKind::unknown)
            entry.folder = ListedFolder{shown_name(entry.bytes), count_items(opened.get()), status.st_mtime};
        else
            entry.file = ListedFile{shown_name(entry.bytes), kind, size_of_folder(opened.get()), status.st_mtime};
        return;
    }
    if (!S_ISREG(status.st_mode)) return;
    ListedFile file{shown_name(entry.bytes), FileKind::unknown, status.st_size, status.st_mtime};
    if (mode == FilterMode::content) {
        file.kind = kind_of_bytes(first_bytes(folder, name, 8, flags), entry.bytes);
        if (file.kind == FileKind::unknown) return;
    } else {
        file.kind = kind_by_extension(entry.bytes);
        const bool image = file.kind == FileKind::fits || file.kind == FileKind::hdf5;
        if (mode == FilterMode::extension && !image) return;
        if (::faccessat(folder, name, R_OK, AT_EACCESS) != 0) return;
    }
    entry.file = std::move(file);
}

std::string parent_of(const std::string& relative) {
    if (relative.empty()) return "";
    const auto slash = relative.rfind('/');
    return slash == std::string::npos ? "." : relative.substr(0, slash);
}

} // namespace

FileKind kind_by_extension(std::string_view name) {
    for (const auto end : {".fits", ".fz", ".fits.gz"})
        if (ends_with_ignoring_case(name, end)) return FileKind::fits;
    if (ends_with_ignoring_case(name, ".hdf5")) return FileKind::hdf5;
    if (ends_with_ignoring_case(name, ".crtf")) return FileKind::crtf;
    if (ends_with_ignoring_case(name, ".reg")) return FileKind::ds9_reg;
    return FileKind::unknown;
}

FileKind kind_by_content(const JailedPath& path) {
    const std::string through = path_of(path.descriptor);
    if (path.is_folder()) {
        const Descriptor folder(::open(through.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        return folder ? kind_of_folder(folder.get()) : FileKind::unknown;
    }
    return path.is_file() ? kind_of_bytes(first_bytes(AT_FDCWD, through.c_str(), 8), path.name) : FileKind::unknown;
}

std::int64_t listed_size(const JailedPath& path) {
    if (!path.is_folder()) return path.status.st_size;
    const Descriptor folder(::open(path_of(path.descriptor).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    return folder ? size_of_folder(folder.get()) : 0;
}

Listing list_folder(const Jail& jail, const std::string& directory, FilterMode mode, const imaging::CancelToken& cancel,
                    const std::function<void(std::size_t, std::size_t)>& progress, int threads) {
    const JailedPath asked = jail.open_folder(directory);
    Listing listing;
    listing.directory = asked.relative;
    listing.parent = parent_of(asked.relative);
    const Descriptor folder(::open(path_of(asked.descriptor).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!folder) throw PathError("\"" + asked.relative + "\": " + std::generic_category().message(errno) + ".");

    if (mode == FilterMode::all_files && !asked.relative.empty()) {
        // CARTA's page asks so whether a folder is an image: another directory in the answer says that it is.
        const FileKind kind = kind_of_folder(folder.get());
        if (kind != FileKind::unknown) {
            listing.directory = listing.parent == "." ? "" : listing.parent;
            listing.parent = parent_of(listing.directory);
            listing.files.push_back({asked.name, kind, size_of_folder(folder.get()), asked.status.st_mtime});
            return listing;
        }
    }

    std::vector<Entry> entries;
    const Directory stream = entries_of(folder.get());
    if (!stream) throw PathError("\"" + asked.relative + "\": " + std::generic_category().message(errno) + ".");
    while (const dirent* found = ::readdir(stream.get())) {
        if (cancel.cancelled()) break;
        if (found->d_name[0] != '.') entries.push_back({found->d_name, {}, {}});
    }

    std::atomic<std::size_t> next{0}, checked{0};
    std::mutex progress_mutex;
    const auto work = [&] {
        for (std::size_t i; (i = next.fetch_add(1)) < entries.size() && !cancel.cancelled();) {
            look_at(jail, folder.get(), mode, entries[i]);
            const auto n = checked.fetch_add(1) + 1;
            if (progress && n % 64 == 0) {
                const std::lock_guard lock(progress_mutex);
                progress(n, entries.size());
            }
        }
    };
    std::vector<std::jthread> helpers; // waited for when they are cleared, by an exception too
    for (int i = 1; i < threads && entries.size() > 256; ++i) {
        try {
            helpers.emplace_back(work);
        } catch (const std::system_error&) { break; } // no more threads: it takes longer
    }
    work();
    helpers.clear();

    listing.cancelled = cancel.cancelled();
    for (auto& entry : entries) {
        if (entry.file) listing.files.push_back(std::move(*entry.file));
        if (entry.folder) listing.folders.push_back(std::move(*entry.folder));
    }
    return listing;
}

} // namespace cubelink::server
