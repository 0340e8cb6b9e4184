#include "tests/bench/images/fits_file.hpp"

#include <bit>
#include <cstdio>
#include <stdexcept>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

#include <fcntl.h>

namespace cubelink::bench {
namespace {

void card(std::string& header, const char* text) {
    std::string line(text);
    line.resize(80, ' ');
    header += line;
}

} // namespace

void make_cube(const std::string& path, std::int64_t width, std::int64_t height, std::int64_t depth, std::int64_t planes) {
    struct stat info {};
    const std::int64_t pixels = width * height * depth;
    const std::int64_t size = fits_header_size + (pixels * 4 + 2879) / 2880 * 2880;
    if (stat(path.c_str(), &info) == 0 && info.st_size == size) return;

    std::string header;
    char line[81];
    card(header, "SIMPLE  =                    T");
    card(header, "BITPIX  =                  -32");
    card(header, depth > 1 ? "NAXIS   =                    3" : "NAXIS   =                    2");
    const std::int64_t lengths[3] = {width, height, depth};
    for (int i = 0; i < (depth > 1 ? 3 : 2); ++i) {
        std::snprintf(line, sizeof line, "NAXIS%d  = %20lld", i + 1, static_cast<long long>(lengths[i]));
        card(header, line);
    }
    for (const char* text : {"BUNIT   = 'Jy/beam '", "CTYPE1  = 'RA---SIN'", "CRVAL1  =                150.0", "CRPIX1  =                100.0",
                             "CDELT1  =             -0.0001", "CTYPE2  = 'DEC--SIN'", "CRVAL2  =                  2.0", "CRPIX2  =                100.0",
                             "CDELT2  =              0.0001"})
        card(header, text);
    if (depth > 1)
        for (const char* text : {"CTYPE3  = 'FREQ    '", "CRVAL3  =              1.42E9", "CRPIX3  =                  1.0", "CDELT3  =              10000.0"})
            card(header, text);
    card(header, "END");
    header.resize(fits_header_size, ' ');

    const int file = open(path.c_str(), O_CREAT | O_TRUNC | O_WRONLY, 0644);
    if (file < 0) throw std::runtime_error("cannot write " + path);
    std::uint32_t state = 12345;
    std::vector<std::uint32_t> row(static_cast<std::size_t>(width));
    bool good = pwrite(file, header.data(), header.size(), 0) == static_cast<ssize_t>(header.size());
    for (std::int64_t y = 0; good && y < height * planes; ++y) {
        for (std::int64_t x = 0; x < width; ++x) {
            state = state * 1664525u + 1013904223u;
            const float value = static_cast<float>(state >> 8) * 0x1p-24f + static_cast<float>(x % height) * 1e-4f;
            row[static_cast<std::size_t>(x)] = __builtin_bswap32(std::bit_cast<std::uint32_t>(value));
        }
        const auto bytes = static_cast<std::size_t>(width) * 4;
        good = pwrite(file, row.data(), bytes, fits_header_size + y * static_cast<std::int64_t>(bytes)) == static_cast<ssize_t>(bytes);
    }
    good = good && ftruncate(file, size) == 0;
    close(file);
    if (!good) throw std::runtime_error("cannot write all of " + path);
}

} // namespace cubelink::bench
