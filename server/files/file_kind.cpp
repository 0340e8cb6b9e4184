#include "server/files/file_kind.hpp"

#include "imaging/formats.hpp"
#include "platform/text.hpp"

#include <algorithm>
#include <utility>

namespace cubelink::server {

using platform::ends_with_ignoring_case;
using platform::os;

namespace {

constexpr int max_depth = 4;

bool has_file(int folder, const char* name) {
    struct stat status;
    return os().fstatat(folder, name, &status) == 0 && S_ISREG(status.st_mode);
}

/// At most n; none if they can't be read.
std::string first_bytes(int folder, const char* name, std::size_t n, int flags = 0) {
    // O_NONBLOCK: a FIFO that took the place of a file must not stop the listing.
    const Descriptor file(os().openat(folder, name, O_RDONLY | O_NONBLOCK | O_NOCTTY | flags));
    if (!file) return {};
    std::string bytes(n, '\0');
    std::size_t done = 0;
    while (done < n) {
        const auto count = os().pread(file.get(), bytes.data() + done, n - done, static_cast<off_t>(done));
        if (count <= 0) break;
        done += static_cast<std::size_t>(count);
    }
    bytes.resize(done);
    return bytes;
}

/// How clients name a format that can be opened; unknown for those that the interface has no name for.
FileKind kind_of_format(const imaging::ImageFormat& format) {
    static constexpr std::pair<const char*, FileKind> names[] = {
        {"FITS", FileKind::fits}, {"HDF5", FileKind::hdf5}, {"CASA", FileKind::casa}, {"Miriad", FileKind::miriad}};
    for (const auto& [name, kind] : names)
        if (format.name() == name) return kind;
    return FileKind::unknown;
}

FileKind kind_of_bytes(std::string bytes, std::string_view name) {
    if (bytes.starts_with("\x89HDF\r\n\x1a\n")) return FileKind::hdf5;
    imaging::FileProbe probe;
    probe.name = name;
    probe.first_bytes = std::move(bytes);
    const auto* format = imaging::formats().recognise(probe);
    return format ? kind_of_format(*format) : FileKind::unknown;
}

std::int64_t size_to_depth(int folder, const std::function<bool()>& go_on, int depth) {
    std::int64_t total = 0;
    if (depth > max_depth) return 0;
    const FolderStream entries = entries_of(folder);
    if (!entries) return 0;
    while (const dirent* entry = os().readdir(entries.get())) {
        if (!go_on()) break;
        const std::string_view name = entry->d_name;
        if (name == "." || name == "..") continue;
        struct stat status;
        if (os().fstatat(folder, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0) continue;
        if (S_ISREG(status.st_mode)) total += status.st_size;
        if (S_ISDIR(status.st_mode)) {
            const Descriptor sub(os().openat(folder, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
            if (sub) total += size_to_depth(sub.get(), go_on, depth + 1);
        }
    }
    return total;
}

Descriptor open_for_reading(const JailedPath& folder) { return Descriptor(os().open(path_through(folder.descriptor).c_str(), O_RDONLY | O_DIRECTORY)); }

} // namespace

FileKind kind_by_extension(std::string_view name) {
    if (const auto* format = imaging::formats().by_extension(name)) return kind_of_format(*format);
    if (ends_with_ignoring_case(name, ".hdf5")) return FileKind::hdf5;
    if (ends_with_ignoring_case(name, ".crtf")) return FileKind::crtf;
    if (ends_with_ignoring_case(name, ".reg")) return FileKind::ds9_reg;
    return FileKind::unknown;
}

/// CASA says in table.info what a table is (an image, a list of components), and describes concatenated images and expressions as JSON;
/// Miriad images have an item "image" beside their "header".
FileKind kind_of_folder(int folder) {
    imaging::FileProbe probe;
    probe.is_folder = true;
    probe.bytes_of = [folder](const std::string& file, std::size_t count) {
        return has_file(folder, file.c_str()) ? first_bytes(folder, file.c_str(), count) : std::string();
    };
    if (const auto* format = imaging::formats().recognise(probe)) return kind_of_format(*format);
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

FileKind kind_by_content(int folder, const char* name, int flags, std::string_view shown) {
    return kind_of_bytes(first_bytes(folder, name, imaging::FileProbe::probe_size, flags), shown);
}

FileKind kind_by_content(const JailedPath& path) {
    if (path.is_folder()) {
        const Descriptor folder = open_for_reading(path);
        return folder ? kind_of_folder(folder.get()) : FileKind::unknown;
    }
    return path.is_file() ? kind_by_content(AT_FDCWD, path_through(path.descriptor).c_str(), 0, path.name) : FileKind::unknown;
}

FileKind region_kind_of(std::string_view text) {
    if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
    if (text.starts_with("#CRTF")) return FileKind::crtf;
    return text.starts_with("# Region file format: DS9") ? FileKind::ds9_reg : FileKind::unknown;
}

FileKind region_kind_by_content(int folder, const char* name, int flags, std::string_view shown) {
    constexpr std::size_t first_line = 64;
    if (const auto kind = region_kind_of(first_bytes(folder, name, first_line, flags)); kind != FileKind::unknown) return kind;
    const auto kind = kind_by_extension(shown);
    return kind == FileKind::crtf || kind == FileKind::ds9_reg ? kind : FileKind::unknown;
}

FileKind region_kind_by_content(const JailedPath& file) {
    return region_kind_by_content(AT_FDCWD, path_through(file.descriptor).c_str(), 0, file.name);
}

FileKind catalog_kind_by_extension(std::string_view name) {
    if (ends_with_ignoring_case(name, ".gz")) name.remove_suffix(3);
    const auto ends = [&](std::initializer_list<const char*> extensions) {
        return std::any_of(extensions.begin(), extensions.end(), [&](const char* extension) { return ends_with_ignoring_case(name, extension); });
    };
    if (ends({".fits", ".fit", ".fts"})) return FileKind::fits;
    if (ends({".xml", ".vot", ".votable"})) return FileKind::votable;
    return ends({".csv", ".tsv", ".ecsv", ".tbl"}) ? FileKind::text_table : FileKind::unknown;
}

FileKind catalog_kind_by_content(int folder, const char* name, int flags, std::string_view shown) {
    constexpr std::size_t prolog = 2048; // comments may come before the first element
    const auto text = first_bytes(folder, name, prolog, flags);
    if (text.starts_with("SIMPLE  =")) return FileKind::fits;
    if (text.find("<VOTABLE") != std::string::npos || text.find(":VOTABLE") != std::string::npos) return FileKind::votable;
    const auto kind = catalog_kind_by_extension(shown);
    const bool gzipped = text.starts_with("\x1F\x8B");
    if (gzipped) return kind;
    return kind == FileKind::text_table && !text.empty() && text.find('\0') == std::string::npos ? kind : FileKind::unknown;
}

std::int64_t size_of_folder(int folder, const std::function<bool()>& go_on) { return size_to_depth(folder, go_on, 0); }

std::int64_t listed_size(const JailedPath& path) {
    if (!path.is_folder()) return path.status.st_size;
    const Descriptor folder = open_for_reading(path);
    return folder ? size_of_folder(folder.get(), [] { return true; }) : 0;
}

} // namespace cubelink::server
