#pragma once
/// What kind of image or region a file or folder holds, as the file browser shows it. Thread-safe; blocking.

#include "server/files/jail.hpp"

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace cubelink::server {

/// As ICD FileType; the last two, tables of sources, have no number there.
enum class FileKind { casa = 0, crtf = 1, ds9_reg = 2, fits = 3, hdf5 = 4, miriad = 5, unknown = 6, votable, text_table };

/// The kind of one file or folder by its content; unknown if it is no image.
FileKind kind_by_content(const JailedPath& path);
/// The same for an entry of an open folder. `name` is a path relative to it, opened with `flags` (O_NOFOLLOW); `shown` decides by its
/// extension where the first bytes don't.
FileKind kind_by_content(int folder, const char* name, int flags, std::string_view shown);
/// Of an open folder: CASA and Miriad images are folders.
FileKind kind_of_folder(int folder);
/// Of region files: by the first line of their text; unknown if it doesn't say.
FileKind region_kind_of(std::string_view text);
/// As kind_by_content(), of region files: by the first line, or else by the extension.
FileKind region_kind_by_content(int folder, const char* name, int flags, std::string_view shown);
FileKind region_kind_by_content(const JailedPath& file);
/// As kind_by_content(), of tables of sources: FITS, VOTable, or text that is one by its extension; the first two also if they are gzipped.
FileKind catalog_kind_by_content(int folder, const char* name, int flags, std::string_view shown);
/// The same by its name alone. unknown if it is no table.
FileKind catalog_kind_by_extension(std::string_view name);
/// By its name alone.
FileKind kind_by_extension(std::string_view name);

/// Size as a listing gives it: of a folder, what its files hold together.
std::int64_t listed_size(const JailedPath& path);
/// What the files in an open folder and its folders (four levels) hold together, in bytes. `go_on` is asked at every entry; once it
/// returns false, the sum so far is returned.
std::int64_t size_of_folder(int folder, const std::function<bool()>& go_on);

} // namespace cubelink::server
