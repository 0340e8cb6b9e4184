#include "imaging/fits/open_fits.hpp"

#include <array>
#include <cctype>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

namespace cubelink::imaging {

namespace {

bool ends_with_fits_gz(const std::string& path) {
    constexpr std::string_view ending = ".fits.gz";
    if (path.size() < ending.size()) return false;
    for (std::size_t i = 0; i < ending.size(); ++i) {
        if (std::tolower(static_cast<unsigned char>(path[path.size() - ending.size() + i])) != ending[i]) return false;
    }
    return true;
}

/// True if what is gzipped begins with SIMP.
bool holds_fits(unsigned char* bytes, std::size_t count) {
    z_stream z{};
    if (inflateInit2(&z, 15 + 16) != Z_OK) return false;
    std::array<unsigned char, 4> out{};
    z.next_in = bytes;
    z.avail_in = static_cast<uInt>(count);
    z.next_out = out.data();
    z.avail_out = out.size();
    const int status = inflate(&z, Z_SYNC_FLUSH);
    const bool found = (status == Z_OK || status == Z_STREAM_END || status == Z_BUF_ERROR) && z.avail_out == 0 && std::memcmp(out.data(), "SIMP", 4) == 0;
    inflateEnd(&z);
    return found;
}

} // namespace

FileKind sniff(const std::string& path) noexcept {
    // O_NONBLOCK: a FIFO in the folder must not stop a listing.
    const int descriptor = ::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    if (descriptor < 0) return FileKind::unknown;
    std::array<unsigned char, 1024> bytes{};
    ssize_t count = 0;
    struct stat status {};
    if (::fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode)) count = ::pread(descriptor, bytes.data(), bytes.size(), 0);
    ::close(descriptor);
    if (count < 4) return FileKind::unknown;
    if (std::memcmp(bytes.data(), "SIMP", 4) == 0) return FileKind::fits;
    if (count >= 8 && std::memcmp(bytes.data(), "\x89HDF\r\n\x1a\n", 8) == 0) return FileKind::hdf5;
    if (bytes[0] == 0x1f && bytes[1] == 0x8b && (ends_with_fits_gz(path) || holds_fits(bytes.data(), static_cast<std::size_t>(count))))
        return FileKind::fits_gz;
    return FileKind::unknown;
}

} // namespace cubelink::imaging
