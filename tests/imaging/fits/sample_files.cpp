#include "tests/imaging/fits/sample_files.hpp"

#include <bit>
#include <cmath>
#include <fitsio.h>
#include <fstream>
#include <iterator>
#include <numeric>
#include <stdexcept>
#include <zlib.h>

// wcslib 7.12 loses 64 bytes when a matrix turns out to be singular, cfitsio those messages that nobody asks for.
extern "C" const char* __lsan_default_suppressions();
extern "C" const char* __lsan_default_suppressions() { return "leak:linset\nleak:libcfitsio\n"; }

namespace samples {

std::string record(std::string_view text) {
    std::string result(text);
    result.resize(80, ' ');
    return result;
}

std::string header(const std::vector<std::string>& cards) {
    std::string result;
    for (const auto& card : cards) result += record(card);
    result += record("END");
    result.resize((result.size() + 2879) / 2880 * 2880, ' ');
    return result;
}

std::string padded(std::string data) {
    data.resize((data.size() + 2879) / 2880 * 2880, '\0');
    return data;
}

std::string primary_header(int bitpix, const std::vector<std::int64_t>& axes, const std::vector<std::string>& more) {
    std::vector<std::string> cards{"SIMPLE  =                    T", "BITPIX  = " + std::to_string(bitpix), "NAXIS   = " + std::to_string(axes.size())};
    for (std::size_t i = 0; i < axes.size(); ++i) cards.push_back("NAXIS" + std::to_string(i + 1) + "  = " + std::to_string(axes[i]));
    cards.insert(cards.end(), more.begin(), more.end());
    return header(cards);
}

std::string floats(const std::vector<float>& values) {
    std::string bytes;
    for (const float value : values) {
        const auto bits = std::bit_cast<std::uint32_t>(value);
        for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(bits >> shift & 0xff);
    }
    return bytes;
}

std::vector<std::string> cube_cards() {
    return {"CTYPE1  = 'RA---SIN'", "CTYPE2  = 'DEC--SIN'", "CTYPE3  = 'FREQ    '", "CTYPE4  = 'STOKES  '",
            "CRVAL1  = 180.0", "CRVAL2  = 10.0", "CRVAL3  = 1.4E9", "CRVAL4  = 1.0",
            "CRPIX1  = 4.0", "CRPIX2  = 3.0", "CRPIX3  = 1.0", "CRPIX4  = 1.0",
            "CDELT1  = -0.001", "CDELT2  = 0.001", "CDELT3  = 1.0E6", "CDELT4  = 1.0",
            "CUNIT3  = 'Hz'", "BUNIT   = 'Jy/beam'", "RESTFRQ = 1.420405752E9", "SPECSYS = 'LSRK'",
            "BMAJ    = 0.002", "BMIN    = 0.001", "BPA     = 30.0", "EQUINOX = 2000.0"};
}

std::string cube() {
    std::vector<float> values(8 * 6 * 5 * 2);
    std::iota(values.begin(), values.end(), 0.0F);
    return primary_header(-32, {8, 6, 5, 2}, cube_cards()) + padded(floats(values));
}

std::string compressed(int kind, bool floating) {
    const TemporaryFolder folder;
    const std::string path = folder.path("image.fits");
    fitsfile* file = nullptr;
    int status = 0;
    long axes[2] = {40, 30};
    fits_create_diskfile(&file, path.c_str(), &status);
    fits_set_compression_type(file, kind, &status);
    fits_set_tile_dim(file, 2, axes, &status);
    fits_create_img(file, floating ? FLOAT_IMG : SHORT_IMG, 2, axes, &status);
    std::vector<float> values(1200);
    for (std::size_t i = 0; i < values.size(); ++i)
        values[i] = std::round(100 + 50 * std::sin(static_cast<float>(i) * 0.01F)) + (floating ? static_cast<float>(i * 7919 % 101) * 0.01F : 0.0F);
    std::vector<short> shorts(values.begin(), values.end());
    fits_write_img(file, floating ? TFLOAT : TSHORT, 1, 1200, floating ? static_cast<void*>(values.data()) : static_cast<void*>(shorts.data()), &status);
    fits_close_file(file, &status);
    if (status != 0) throw std::runtime_error("cfitsio can't write the sample, status " + std::to_string(status));
    return read_file(path);
}

std::string gzipped(std::string_view bytes) {
    const TemporaryFolder folder;
    const std::string path = folder.path("x.gz");
    gzFile file = gzopen(path.c_str(), "wb");
    gzwrite(file, bytes.data(), static_cast<unsigned>(bytes.size()));
    gzclose(file);
    return read_file(path);
}

std::string read_file(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

} // namespace samples
