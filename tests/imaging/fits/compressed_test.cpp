// Tables of compressed tiles made by hand: what cfitsio would not write, and others do.

#include "imaging/fits/open_fits.hpp"
#include "tests/imaging/fits/sample_files.hpp"

#include <array>
#include <cmath>
#include <doctest/doctest.h>

using namespace cubelink::imaging;

namespace {

using Cards = std::vector<std::string>;

std::string table(const Cards& sizes, const Cards& more, const std::string& data) {
    Cards cards{"XTENSION= 'BINTABLE'", "BITPIX  = 8"};
    cards.insert(cards.end(), sizes.begin(), sizes.end());
    cards.insert(cards.end(), {"GCOUNT  = 1", "ZIMAGE  = T", "ZCMPTYPE= 'NOCOMPRESS'", "TTYPE1  = 'COMPRESSED_DATA'", "TFORM1  = '1PB(8)'"});
    cards.insert(cards.end(), more.begin(), more.end());
    return samples::primary_header(8, {}) + samples::header(cards) + samples::padded(data);
}

/// Of 2 × 1 quantised pixels, 0 and -7, and what stands for blanks in a column.
std::array<float, 2> pixels_with_blank(const std::string& form, const std::string& blank) {
    const samples::TemporaryFolder folder;
    const std::string descriptor("\0\0\0\x08\0\0\0\0", 8), heap("\0\0\0\0\xff\xff\xff\xf9", 8);
    const std::string row_size = "NAXIS1  = " + std::to_string(8 + blank.size());
    const std::string bytes = table({"NAXIS   = 2", row_size, "NAXIS2  = 1", "PCOUNT  = 8"},
                                    {"TFIELDS = 2", "TTYPE2  = 'ZBLANK'", "TFORM2  = '" + form + "'", "ZBITPIX = -32", "ZNAXIS  = 2", "ZNAXIS1 = 2", "ZNAXIS2 = 1",
                                     "ZSCALE  = 2.0", "ZZERO   = 1.0"},
                                    descriptor + blank + heap);
    std::array<float, 2> pixels{};
    open_fits(folder.write("blank.fits", bytes), "").source->read({0, 0, 2, 1}, {0, 0}, pixels, 1, {});
    return pixels;
}

} // namespace

TEST_CASE("blanks by a column of any type of number") {
    using std::string_literals::operator""s;
    for (const auto& column : {std::pair{"1J", "\xff\xff\xff\xf9"s}, {"1I", "\xff\xf9"s}, {"1K", "\xff\xff\xff\xff\xff\xff\xff\xf9"s},
                                      {"1E", "\xc0\xe0\0\0"s}, {"1D", "\xc0\x1c\0\0\0\0\0\0"s}}) {
        const auto& form = column.first; // no structured binding: clang 14 captures none
        CAPTURE(std::string(form));
        const auto pixels = pixels_with_blank(form, column.second);
        CHECK(pixels[0] == 1);
        CHECK(std::isnan(pixels[1]));
    }
    // No pixel has a number like these.
    for (const auto& column : {std::pair{"1B", "\xf9"s}, {"1D", "\x7f\xef\xff\xff\xff\xff\xff\xff"s}, {"1D", "\x7f\xf8\0\0\0\0\0\0"s},
                                      {"1K", "\x7f\xff\xff\xff\xff\xff\xff\xff"s}}) {
        const auto& form = column.first; // no structured binding: clang 14 captures none
        CAPTURE(std::string(form));
        CHECK(pixels_with_blank(form, column.second) == std::array{1.0F, -13.0F});
    }
}

TEST_CASE("sizes whose products are beyond 64 bits") {
    const samples::TemporaryFolder folder;
    const auto refused = [&](const std::string& bytes) { CHECK_THROWS_AS(open_fits(folder.write("huge.fits", bytes), ""), ImageError); };
    const Cards small{"TFIELDS = 1", "ZBITPIX = 8", "ZNAXIS  = 2", "ZNAXIS1 = 2", "ZNAXIS2 = 2"};
    refused(table({"NAXIS   = 2", "NAXIS1  = 8", "NAXIS2  = 1", "PCOUNT  = 0"},
                  {"TFIELDS = 1", "ZBITPIX = 8", "ZNAXIS  = 4", "ZNAXIS1 = 2147483647", "ZNAXIS2 = 2147483647", "ZNAXIS3 = 2147483647", "ZNAXIS4 = 2147483647"},
                  std::string(8, '\0')));
    // NAXIS2 is none of the data's lengths, and yet the table's number of rows.
    refused(table({"NAXIS   = 1", "NAXIS1  = 8", "NAXIS2  = 9223372036854775807", "PCOUNT  = 0"}, small, std::string(8, '\0')));
    refused(table({"NAXIS   = 1", "NAXIS1  = 8", "NAXIS2  = -9223372036854775808", "PCOUNT  = 0"}, small, std::string(8, '\0')));
}
