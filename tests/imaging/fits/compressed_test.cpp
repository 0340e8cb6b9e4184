// Tables of compressed tiles made by hand: what cfitsio would not write, and others do.

#include "imaging/base/budget_cache.hpp"
#include "imaging/fits/open_fits.hpp"
#include "imaging/pixels/pyramid_cache.hpp"
#include "tests/imaging/fits/sample_files.hpp"

#include <array>
#include <atomic>
#include <bit>
#include <cmath>
#include <doctest/doctest.h>
#include <fitsio.h>
#include <random>
#include <thread>
#include <zlib.h>

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

namespace {

/// Numbers as they stand in a FITS file, `width` bytes each.
std::string big_endian(const std::vector<std::uint64_t>& numbers, int width) {
    std::string bytes;
    for (const std::uint64_t number : numbers)
        for (int shift = 8 * (width - 1); shift >= 0; shift -= 8) bytes += static_cast<char>(number >> shift & 0xff);
    return bytes;
}

/// First bytes first, as GZIP_2 has them.
std::string shuffled(const std::string& bytes, std::size_t width) {
    std::string sorted;
    for (std::size_t plane = 0; plane < width; ++plane)
        for (std::size_t i = plane; i < bytes.size(); i += width) sorted += bytes[i];
    return sorted;
}

/// A table of one tile with 4 × 1 pixels.
std::string gzip_tile(const std::string& method, int bitpix, const std::string& inflated, const Cards& more = {}) {
    const std::string blob = samples::gzipped(inflated);
    Cards cards{"XTENSION= 'BINTABLE'", "BITPIX  = 8", "NAXIS   = 2", "NAXIS1  = 8", "NAXIS2  = 1", "PCOUNT  = " + std::to_string(blob.size()), "GCOUNT  = 1",
                "TFIELDS = 1", "TTYPE1  = 'COMPRESSED_DATA'", "TFORM1  = '1PB(" + std::to_string(blob.size()) + ")'", "ZIMAGE  = T", "ZCMPTYPE= '" + method + "'",
                "ZBITPIX = " + std::to_string(bitpix), "ZNAXIS  = 2", "ZNAXIS1 = 4", "ZNAXIS2 = 1"};
    cards.insert(cards.end(), more.begin(), more.end());
    return samples::primary_header(8, {}) + samples::header(cards) + samples::padded(big_endian({blob.size(), 0}, 4) + blob);
}

std::vector<double> pixels_of(const std::string& bytes) {
    const samples::TemporaryFolder folder;
    const FitsImage image = open_fits(folder.write("tile.fits", bytes), "");
    std::vector<double> wide(4);
    std::vector<float> narrow(4);
    image.source->read64({0, 0, 4, 1}, {0, 0}, wide, 1, {});
    image.source->read({0, 0, 4, 1}, {0, 0}, narrow, 1, {});
    for (std::size_t i = 0; i < 4; ++i) CHECK(narrow[i] == static_cast<float>(wide[i]));
    return wide;
}

std::string error_of(const std::string& bytes) {
    try {
        pixels_of(bytes);
        return "";
    } catch (const ImageError& error) {
        return error.what();
    }
}

} // namespace

TEST_CASE("tiles compressed by GZIP have the width that their length says") {
    const std::vector<double> expected{1, 2, 3, 200};
    for (const char* method : {"GZIP_1", "GZIP_2"}) {
        const auto stored = [&](const std::string& bytes, std::size_t width) { return std::string(method) == "GZIP_2" ? shuffled(bytes, width) : bytes; };
        CAPTURE(method);
        for (const int bitpix : {8, 16, 32, 64}) {
            for (const int width : {1, 2, 4, 8}) {
                CAPTURE(bitpix);
                CAPTURE(width);
                CHECK(pixels_of(gzip_tile(method, bitpix, stored(big_endian({1, 2, 3, 200}, width), static_cast<std::size_t>(width)))) == expected);
            }
        }
        std::vector<std::uint64_t> doubles, floats;
        for (const double value : expected) {
            doubles.push_back(std::bit_cast<std::uint64_t>(value));
            floats.push_back(std::bit_cast<std::uint32_t>(static_cast<float>(value)));
        }
        for (const int bitpix : {-32, -64}) {
            CHECK(pixels_of(gzip_tile(method, bitpix, stored(big_endian(doubles, 8), 8))) == expected);
            CHECK(pixels_of(gzip_tile(method, bitpix, stored(big_endian(floats, 4), 4))) == expected);
            CHECK(error_of(gzip_tile(method, bitpix, stored(big_endian(floats, 2), 2))).find("HDU 1: tile 1 can't be read: its pixels have 2 bytes each") != std::string::npos);
            // Quantised: integers of any width.
            const Cards quantised{"ZSCALE  = 2.0", "ZZERO   = 1.0"};
            for (const int width : {1, 2, 4})
                CHECK(pixels_of(gzip_tile(method, bitpix, stored(big_endian({0, 1, 1, 100}, width), static_cast<std::size_t>(width)), quantised)) == std::vector<double>{1, 3, 3, 201});
            CHECK(error_of(gzip_tile(method, bitpix, stored(big_endian({0, 1, 1, 100}, 8), 8), quantised)).find("quantised pixels have 8 bytes") != std::string::npos);
        }
    }
}

TEST_CASE("a surplus or a lack that fits no type is an error that names the tile") {
    for (const char* method : {"GZIP_1", "GZIP_2"}) {
        for (const std::size_t size : {0, 1, 3, 5, 7, 9, 12, 17, 20, 28, 31, 33}) {
            CAPTURE(size);
            CHECK(error_of(gzip_tile(method, 32, std::string(size, '\1'))).find("HDU 1: tile 1 can't be read: ") != std::string::npos);
        }
        for (const std::size_t size : {34, 1000, 100'000})
            CHECK(error_of(gzip_tile(method, 32, std::string(size, '\1'))).find("longer than 4 pixels of any type") != std::string::npos);
    }
}

namespace {

/// By cfitsio: a noisy image of one tile.
std::string one_tile(long width, long height, int kind) {
    const samples::TemporaryFolder folder;
    const std::string path = folder.path("one.fits");
    fitsfile* file = nullptr;
    int status = 0;
    long axes[2] = {width, height};
    fits_create_diskfile(&file, path.c_str(), &status);
    fits_set_compression_type(file, kind, &status);
    fits_set_tile_dim(file, 2, axes, &status);
    fits_create_img(file, SHORT_IMG, 2, axes, &status);
    std::vector<short> values(static_cast<std::size_t>(width * height));
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<short>(i * 7919 % 1009);
    fits_write_img(file, TSHORT, 1, static_cast<LONGLONG>(values.size()), values.data(), &status);
    fits_close_file(file, &status);
    REQUIRE(status == 0);
    return samples::read_file(path);
}

} // namespace

TEST_CASE("a large tile is decoded once, however many parts of it are read by however many threads") {
    const samples::TemporaryFolder folder;
    for (const int kind : {RICE_1, GZIP_2}) {
        BudgetCache budget(64 << 20, 2000);
        OpenOptions options;
        options.budget = &budget;
        const FitsImage image = open_fits(folder.write("one.fits", one_tile(1000, 800, kind)), "", options);
        std::atomic<int> wrong{0};
        std::vector<std::thread> readers;
        for (int thread = 0; thread < 4; ++thread) {
            readers.emplace_back([&, thread] {
                std::vector<float> band(1000 * 10);
                for (std::int64_t y = thread * 10; y + 10 <= 800; y += 40) {
                    image.source->read({0, y, 1000, y + 10}, {0, 0}, band, 1, {});
                    for (std::size_t i = 0; i < band.size(); ++i)
                        if (band[i] != static_cast<float>((static_cast<std::size_t>(y) * 1000 + i) * 7919 % 1009)) ++wrong;
                }
            });
        }
        for (auto& reader : readers) reader.join();
        std::vector<float> spectrum(1), column(800);
        image.source->read_spectrum(999, 799, 0, 0, spectrum, {});
        CHECK(spectrum[0] == 799'999 * 7919L % 1009);
        image.source->read({3, 0, 4, 800}, {0, 0}, column, 2, {});
        CHECK(column[1] == 1003 * 7919 % 1009);
        CHECK(wrong == 0);
        CHECK(budget.statistics().misses == 1);
        CHECK(budget.statistics().used == budget.statistics().cached);
        CHECK(budget.statistics().used >= 1000 * 800 * sizeof(float));
        // The plane as a whole needs no copy of the tile.
        const auto pyramid = cached_pyramid(budget, *image.source, 1, {}, 2, {});
        CHECK(pyramid->summary().count == 800'000);
        CHECK(budget.statistics().misses == 2);
    }
}

TEST_CASE("what decoding takes is part of the budget: too much is an error, not memory") {
    const samples::TemporaryFolder folder;
    BudgetCache small(1 << 20, 50), enough(8 << 20, 50);
    OpenOptions options;
    const std::string rice = folder.write("rice.fits", one_tile(600, 600, RICE_1)), gzip = folder.write("gzip.fits", one_tile(500, 500, GZIP_2));
    // Its pixels alone are more than the budget.
    options.budget = &small;
    CHECK_THROWS_WITH_AS(open_fits(rice, "", options), "rice.fits, HDU 1: each of its compressed tiles takes 1 MiB when it is decoded, more than the memory limit of 1 MiB", ImageError);
    // Its pixels fit, but not what it takes to make them.
    const FitsImage tight = open_fits(gzip, "", options);
    std::vector<float> rows(500 * 3), plane(500 * 500);
    CHECK_THROWS_AS(tight.source->read({0, 0, 500, 3}, {0, 0}, rows, 1, {}), OverBudget);
    CHECK_THROWS_AS(tight.source->read({0, 0, 500, 500}, {0, 0}, plane, 1, {}), OverBudget);
    CHECK(small.statistics().used == 0);
    options.budget = &enough;
    for (const std::string& path : {rice, gzip}) {
        const FitsImage image = open_fits(path, "", options);
        image.source->read({0, 0, 500, 3}, {0, 0}, rows, 1, {});
        CHECK(rows[1] == 7919 % 1009);
        // It gives way to others, and is refused when they have the memory.
        const auto most = enough.reserve((8 << 20) - (256 << 10), {});
        CHECK_THROWS_AS(image.source->read({0, 0, 500, 3}, {0, 0}, rows, 1, {}), OverBudget);
    }
    // 2³⁰ pixels in one tile, of a few bytes.
    BudgetCache half_a_gigabyte(512 << 20, 50);
    options.budget = &half_a_gigabyte;
    const std::string huge = table({"NAXIS   = 2", "NAXIS1  = 8", "NAXIS2  = 1", "PCOUNT  = 64"},
                                   {"TFIELDS = 1", "ZBITPIX = 16", "ZNAXIS  = 2", "ZNAXIS1 = 32768", "ZNAXIS2 = 32768", "ZTILE1  = 32768", "ZTILE2  = 32768"},
                                   big_endian({64, 0}, 4) + std::string(64, '\0'));
    try {
        open_fits(folder.write("huge.fits", huge), "", options);
        FAIL("it was opened");
    } catch (const ImageError& error) {
        CHECK(std::string(error.what()).find("takes 4096 MiB when it is decoded, more than the memory limit of 512 MiB") != std::string::npos);
    }
    CHECK(half_a_gigabyte.statistics().used == 0);
}

TEST_CASE("decoding a large tile can be cancelled") {
    const samples::TemporaryFolder folder;
    BudgetCache budget(256 << 20);
    OpenOptions options;
    options.budget = &budget;
    const CancelToken cancel;
    cancel.cancel();
    std::vector<float> rows(3000);
    for (const int kind : {RICE_1, GZIP_1}) {
        const FitsImage image = open_fits(folder.write("one.fits", one_tile(1000, 300, kind)), "", options);
        CHECK_THROWS_AS(image.source->read({0, 0, 1000, 3}, {0, 0}, rows, 1, cancel), Cancelled);
        CHECK(budget.statistics().used == 0);
    }
}
