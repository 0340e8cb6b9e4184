#include "tests/bench/images/fits_file.hpp"

#include <bit>
#include <cstdio>
#include <cstring>
#include <random>
#include <stdexcept>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

#include <fcntl.h>
#include <zlib.h>

namespace cubelink::bench {
namespace {

std::int64_t file_size(std::int64_t pixels) { return fits_header_size + (pixels * 4 + 2879) / 2880 * 2880; }

bool has_size(const std::string& path, std::int64_t size) {
    struct stat info {};
    return stat(path.c_str(), &info) == 0 && info.st_size == size;
}

void card(std::string& header, const char* text) {
    std::string line(text);
    line.resize(80, ' ');
    header += line;
}

std::string header_of(std::int64_t width, std::int64_t height, std::int64_t depth) {
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
    return header;
}

/// Big-endian floats of noise over a gradient.
void fill_row(std::vector<std::uint32_t>& row, std::int64_t height, std::uint32_t& state) {
    for (std::size_t x = 0; x < row.size(); ++x) {
        state = state * 1664525u + 1013904223u;
        const float value = static_cast<float>(state >> 8) * 0x1p-24f + static_cast<float>(static_cast<std::int64_t>(x) % height) * 1e-4f;
        row[x] = __builtin_bswap32(std::bit_cast<std::uint32_t>(value));
    }
}

} // namespace

void make_cube(const std::string& path, std::int64_t width, std::int64_t height, std::int64_t depth, std::int64_t planes) {
    const std::int64_t size = file_size(width * height * depth);
    if (has_size(path, size)) return;

    const auto header = header_of(width, height, depth);

    const int file = open(path.c_str(), O_CREAT | O_TRUNC | O_WRONLY, 0644);
    if (file < 0) throw std::runtime_error("cannot write " + path);
    std::uint32_t state = 12345;
    std::vector<std::uint32_t> row(static_cast<std::size_t>(width));
    bool good = pwrite(file, header.data(), header.size(), 0) == static_cast<ssize_t>(header.size());
    for (std::int64_t y = 0; good && y < height * planes; ++y) {
        fill_row(row, height, state);
        const auto bytes = static_cast<std::size_t>(width) * 4;
        good = pwrite(file, row.data(), bytes, fits_header_size + y * static_cast<std::int64_t>(bytes)) == static_cast<ssize_t>(bytes);
    }
    good = good && ftruncate(file, size) == 0;
    close(file);
    if (!good) throw std::runtime_error("cannot write all of " + path);
}

void make_image(const std::string& path, std::int64_t width, std::int64_t height, double noise, const std::function<double(double x, double y)>& value) {
    const std::int64_t size = file_size(width * height);
    if (has_size(path, size)) return;
    std::FILE* file = std::fopen(path.c_str(), "wb");
    if (!file) throw std::runtime_error("cannot write " + path);
    const auto header = header_of(width, height, 1);
    bool good = std::fwrite(header.data(), 1, header.size(), file) == header.size();
    std::mt19937 random(1);
    std::normal_distribution<double> deviation(0, noise);
    std::vector<std::uint32_t> row(static_cast<std::size_t>(width));
    for (std::int64_t y = 0; good && y < height; ++y) {
        for (std::int64_t x = 0; x < width; ++x) {
            const double pixel = value(static_cast<double>(x), static_cast<double>(y)) + deviation(random);
            row[static_cast<std::size_t>(x)] = __builtin_bswap32(std::bit_cast<std::uint32_t>(static_cast<float>(pixel)));
        }
        good = std::fwrite(row.data(), 4, row.size(), file) == row.size();
    }
    good = std::fflush(file) == 0 && ftruncate(fileno(file), size) == 0 && good;
    if (std::fclose(file) != 0 || !good) throw std::runtime_error("cannot write all of " + path);
}

void make_gzipped_image(const std::string& path, std::int64_t mebibytes) {
    if (access(path.c_str(), R_OK) == 0) return;
    constexpr std::int64_t width = 16384;
    const std::int64_t height = mebibytes * 16;
    std::string row(static_cast<std::size_t>(width) * 4, '\0');
    std::uint32_t state = 12345;
    std::vector<std::uint32_t> beginning(512), words(static_cast<std::size_t>(width));
    fill_row(beginning, height, state);
    for (std::size_t x = 0; x < words.size(); ++x) words[x] = beginning[x % beginning.size()]; // near enough for deflate to find again
    std::memcpy(row.data(), words.data(), row.size());

    // Under another name until it is whole: a file that was begun would be taken for the image by the next run.
    const std::string part = path + ".part";
    const gzFile file = gzopen(part.c_str(), "wb1");
    if (!file) throw std::runtime_error("cannot write " + part);
    const auto put = [&](const std::string& bytes) {
        return bytes.empty() || gzwrite(file, bytes.data(), static_cast<unsigned>(bytes.size())) == static_cast<int>(bytes.size());
    };
    bool good = put(header_of(width, height, 1));
    for (std::int64_t y = 0; good && y < height; ++y) good = put(row);
    const auto filled = width * height * 4 % 2880;
    good = good && put(std::string(static_cast<std::size_t>(filled ? 2880 - filled : 0), '\0'));
    good = gzclose(file) == Z_OK && good && std::rename(part.c_str(), path.c_str()) == 0;
    if (!good) throw std::runtime_error("cannot write all of " + path);
}

} // namespace cubelink::bench
