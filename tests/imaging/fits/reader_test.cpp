#include "imaging/fits/open_fits.hpp"
#include "imaging/kernels/byteswap.hpp"
#include "tests/imaging/fits/sample_files.hpp"

#include <array>
#include <cmath>
#include <cstring>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <filesystem>
#include <fitsio.h>
#include <fstream>
#include <random>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

using namespace cubelink::imaging;

namespace {

std::vector<float> read(const ImageSource& source, const Rect& rect, PlaneId plane, int threads = 2) {
    std::vector<float> out(static_cast<std::size_t>(rect.size()));
    source.read(rect, plane, out, threads, {});
    return out;
}

bool same_bits(const void* a, const void* b, std::size_t size) { return size == 0 || std::memcmp(a, b, size) == 0; }

} // namespace

TEST_CASE("all kernels agree with the plain one, NaN and infinity included") {
    std::mt19937_64 random(7);
    std::vector<std::byte> in(8 * 1003 + 1);
    for (auto& byte : in) byte = static_cast<std::byte>(random());
    // Some special values: infinity, NaN and blanks in all widths.
    for (std::size_t i = 0; i < 64; ++i) in[16 * i] = std::byte{0x7f}, in[16 * i + 1] = std::byte{static_cast<unsigned char>(i % 2 ? 0x80 : 0xf0)};
    const std::array scalings{Scaling{}, Scaling{1, 32768, {}}, Scaling{0.25, -3, 5}, Scaling{1, 9223372036854775808.0, {}}, Scaling{1, 9223372036854775808.0, 0}};
    for (const auto type : {PixelType::uint8, PixelType::int16, PixelType::int32, PixelType::int64, PixelType::float32, PixelType::float64}) {
        for (const Scaling& scaling : scalings) {
            for (const std::size_t count : {0, 1, 7, 64, 1003}) {
                std::vector<float> plain(count), fast(count);
                std::vector<double> plain64(count), fast64(count);
                float_converter(type, scaling, SimdLevel::plain)(in.data() + 1, plain.data(), count, scaling);
                double_converter(type, scaling, SimdLevel::plain)(in.data() + 1, plain64.data(), count, scaling);
                for (const auto level : {SimdLevel::avx2, SimdLevel::avx512}) {
                    if (level > simd_level()) continue;
                    float_converter(type, scaling, level)(in.data() + 1, fast.data(), count, scaling);
                    double_converter(type, scaling, level)(in.data() + 1, fast64.data(), count, scaling);
                    CHECK(same_bits(plain.data(), fast.data(), count * 4));
                    CHECK(same_bits(plain64.data(), fast64.data(), count * 8));
                }
            }
        }
    }
}

TEST_CASE("rectangles, planes and spectra of a cube") {
    const samples::TemporaryFolder folder;
    const FitsImage image = open_fits(folder.write("cube.fits", samples::cube()), "");
    const ImageSource& source = *image.source;
    CHECK(source.shape() == ImageShape{8, 6, 5, 2});
    CHECK(source.capabilities().random_access);
    CHECK_FALSE(source.capabilities().prefers_double);
    const auto value = [](int x, int y, int channel, int stokes) { return static_cast<float>(x + 8 * (y + 6 * (channel + 5 * stokes))); };
    for (int stokes = 0; stokes < 2; ++stokes) {
        for (int channel = 0; channel < 5; ++channel) {
            const Rect rect{2, 1, 7, 5};
            const auto pixels = read(source, rect, {channel, stokes});
            for (int y = 1; y < 5; ++y) {
                for (int x = 2; x < 7; ++x) CHECK(pixels[static_cast<std::size_t>((y - 1) * 5 + x - 2)] == value(x, y, channel, stokes));
            }
        }
    }
    std::array<float, 3> spectrum{};
    source.read_spectrum(3, 2, 1, 2, spectrum, {});
    for (int i = 0; i < 3; ++i) CHECK(spectrum[static_cast<std::size_t>(i)] == value(3, 2, i + 2, 1));
    CHECK(read(source, {0, 0, 0, 0}, {0, 0}).empty());
    for (const Rect& rect : {Rect{-1, 0, 2, 2}, Rect{0, 0, 9, 2}, Rect{0, 0, 2, 7}, Rect{5, 0, 2, 2}}) {
        std::vector<float> out(static_cast<std::size_t>(std::max<std::int64_t>(0, rect.size())));
        CHECK_THROWS_AS(source.read(rect, {0, 0}, out, 1, {}), std::out_of_range);
    }
    CHECK_THROWS_AS(read(source, {0, 0, 1, 1}, {5, 0}), std::out_of_range);
    CHECK_THROWS_AS(read(source, {0, 0, 1, 1}, {0, 2}), std::out_of_range);
    CHECK_THROWS_AS(source.read_spectrum(8, 0, 0, 0, spectrum, {}), std::out_of_range);
    CHECK_THROWS_AS(source.read_spectrum(0, 0, 0, 3, spectrum, {}), std::out_of_range);
    const CancelToken cancel;
    cancel.cancel();
    std::vector<float> out(48);
    CHECK_THROWS_AS(source.read({0, 0, 8, 6}, {0, 0}, out, 2, cancel), Cancelled);
}

TEST_CASE("rows longer than the staging buffer") {
    const samples::TemporaryFolder folder;
    std::vector<float> values(200'003 * 3);
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i);
    const FitsImage image = open_fits(folder.write("long.fits", samples::primary_header(-32, {200'003, 3}) + samples::padded(samples::floats(values))), "");
    CHECK(read(*image.source, {0, 0, 200'003, 3}, {0, 0}) == values);
    const auto part = read(*image.source, {1, 1, 200'002, 3}, {0, 0});
    CHECK(part.front() == values[200'004]);
    CHECK(part.back() == values[200'003 * 3 - 2]);
}

TEST_CASE("a file that is written again, shrinks or is replaced") {
    const samples::TemporaryFolder folder;
    const std::string path = folder.write("cube.fits", samples::cube());
    const auto reopen = [&] { return open_fits(folder.write("cube.fits", samples::cube()), ""); };
    {
        const FitsImage image = reopen();
        image.source->check_unchanged();
        std::filesystem::resize_file(path, 4000);
        CHECK_THROWS_AS(image.source->check_unchanged(), ImageChanged);
        CHECK_THROWS_AS(read(*image.source, {0, 0, 8, 6}, {4, 1}), ImageChanged);
    }
    {
        const FitsImage image = reopen();
        folder.write("other.fits", samples::cube());
        std::filesystem::rename(folder.path("other.fits"), path);
        CHECK_THROWS_AS(image.source->check_unchanged(), ImageChanged);
        CHECK(read(*image.source, {1, 0, 2, 1}, {0, 0})[0] == 1); // the open one can still be read
    }
    {
        const FitsImage image = reopen();
        std::filesystem::last_write_time(path, std::filesystem::file_time_type::clock::now() + std::chrono::seconds(5));
        CHECK_THROWS_AS(image.source->check_unchanged(), ImageChanged);
        CHECK_THROWS_AS(read(*image.source, {0, 0, 8, 6}, {0, 0}), ImageChanged);
    }
    { // 64 bits of nanoseconds since 1970 end in 2262
        const auto touch = [&](std::time_t seconds) {
            const std::array times{timespec{seconds, 0}, timespec{seconds, 0}};
            return utimensat(AT_FDCWD, path.c_str(), times.data(), 0);
        };
        REQUIRE(touch(10'413'792'000) == 0); // in 2300
        const FitsImage image = open_fits(path, "");
        CHECK(read(*image.source, {1, 0, 2, 1}, {0, 0})[0] == 1);
        REQUIRE(touch(10'413'792'001) == 0);
        CHECK_THROWS_AS(image.source->check_unchanged(), ImageChanged);
    }
}

TEST_CASE("compressed images, on many threads at once") {
    const samples::TemporaryFolder folder;
    for (const int kind : {RICE_1, GZIP_1, GZIP_2, HCOMPRESS_1, PLIO_1}) {
        for (const bool floating : {false, true}) {
            if (kind == PLIO_1 && floating) continue;
            const std::string path = folder.write("compressed.fits.fz", samples::compressed(kind, floating));
            const FitsImage image = open_fits(path, "");
            CHECK(image.info.hdu == "1");
            CHECK_FALSE(image.source->capabilities().random_access);
            const auto once = read(*image.source, {0, 0, 40, 30}, {0, 0}, 1);
            CHECK(once[0] == doctest::Approx(100).epsilon(0.02));
            std::vector<std::thread> threads;
            std::array<bool, 4> equal{};
            for (std::size_t i = 0; i < 4; ++i)
                threads.emplace_back([&, i] { equal[i] = read(*image.source, {0, 0, 40, 30}, {0, 0}, 2) == once; });
            for (auto& thread : threads) thread.join();
            for (const bool same : equal) CHECK(same);
            const auto part = read(*image.source, {5, 7, 25, 9}, {0, 0});
            CHECK(part[0] == once[7 * 40 + 5]);
            CHECK(part[39] == once[8 * 40 + 24]);
        }
    }
}

TEST_CASE("gzipped files: progress, cancel, headers without the disk") {
    const samples::TemporaryFolder folder;
    const std::string path = folder.write("cube.fits.gz", samples::gzipped(samples::cube()));
    OpenOptions options;
    double last = 0;
    options.progress = [&](double part) {
        CHECK(part >= last);
        last = part;
    };
    options.scratch = folder.path("");
    const FitsImage image = open_fits(path, "", options);
    CHECK(last == 1.0);
    CHECK(read(*image.source, {3, 0, 4, 1}, {0, 0})[0] == 3);
    CHECK(std::distance(std::filesystem::directory_iterator(folder.path("")), {}) == 1); // nothing is left in the scratch folder
    options.scratch = folder.path("missing");
    CHECK_THROWS_AS(open_fits(path, "", options), ImageError);
    CHECK(read_info(path, "", options).shape == ImageShape{8, 6, 5, 2});
    options.scratch = folder.path("");
    options.cancel.cancel();
    CHECK_THROWS_AS(open_fits(path, "", options), Cancelled);
}

TEST_CASE("a gzipped file that promises more than the disk holds is refused before it is inflated") {
    const samples::TemporaryFolder folder;
    const std::string bomb = samples::gzipped(samples::primary_header(-32, {1'000'000, 1'000'000, 100'000}) + std::string(1 << 20, '\0'));
    CHECK_THROWS_AS(open_fits(folder.write("bomb.fits.gz", bomb), ""), ImageError);
}

TEST_CASE("a sparse cube of a terabyte opens at once") {
    const samples::TemporaryFolder folder;
    const std::string header = samples::primary_header(-32, {4096, 4096, 16384});
    const std::string path = folder.write("sparse.fits", header);
    std::error_code error;
    std::filesystem::resize_file(path, header.size() + std::uintmax_t{4096} * 4096 * 16384 * 4, error);
    if (error) return; // this file system has no files so large
    const FitsImage image = open_fits(path, "");
    CHECK(image.source->shape().depth == 16384);
    CHECK(read(*image.source, {4095, 4095, 4096, 4096}, {16383, 0})[0] == 0);
}

TEST_CASE("HDUs: which are listed, which is opened") {
    const samples::TemporaryFolder folder;
    const std::string extension = samples::header({"XTENSION= 'IMAGE'", "BITPIX  = 8", "NAXIS   = 2", "NAXIS1  = 3", "NAXIS2  = 2", "PCOUNT  = 0", "GCOUNT  = 1", "EXTNAME = 'SCI'"});
    const std::string table = samples::header({"XTENSION= 'BINTABLE'", "BITPIX  = 8", "NAXIS   = 2", "NAXIS1  = 8", "NAXIS2  = 2", "PCOUNT  = 0", "GCOUNT  = 1", "TFIELDS = 1", "TFORM1  = '1D'"});
    const std::string bytes = samples::primary_header(8, {}) + table + samples::padded(std::string(16, '\0')) + extension + samples::padded("\1\2\3\4\5\6");
    const std::string path = folder.write("several.fits", bytes);
    const auto hdus = list_image_hdus(path);
    REQUIRE(hdus.size() == 1);
    CHECK(hdus[0].number == 2);
    CHECK(hdus[0].extname == "SCI");
    for (const char* hdu : {"", "2", "SCI"}) CHECK(read(*open_fits(path, hdu).source, {0, 0, 3, 2}, {0, 0})[5] == 6);
    const auto infos = read_all_info(path);
    REQUIRE(infos.size() == 1);
    CHECK(infos[0].computed[2].name == "Extension name");
    for (const char* hdu : {"0", "1", "3", "-1", "SCI2", "99999999999999999999"}) CHECK_THROWS_AS(open_fits(path, hdu), ImageError);
}

TEST_CASE("anything but a regular file is refused without blocking") {
    const samples::TemporaryFolder folder;
    REQUIRE(mkfifo(folder.path("fifo").c_str(), 0600) == 0);
    CHECK_THROWS_AS(open_fits(folder.path("fifo"), ""), ImageError);
    CHECK_THROWS_AS(open_fits("/dev/zero", ""), ImageError);
    CHECK_THROWS_AS(open_fits(folder.path(""), ""), ImageError);
}

TEST_CASE("END as writers leave it") {
    const samples::TemporaryFolder folder;
    const std::string good = samples::cube();
    const auto end = good.find("END     ");
    REQUIRE(end != std::string::npos);
    for (const std::string& text : {std::string("END") + std::string(77, '\0'), std::string("END\0", 4) + std::string(76, ' '), std::string("END =") + std::string(75, ' '), std::string("END$%&%^*%*") + std::string(69, ' ')}) {
        std::string bytes = good;
        bytes.replace(end, 80, text);
        const FitsImage image = open_fits(folder.write("end.fits", bytes), "");
        CHECK(image.source->shape() == ImageShape{8, 6, 5, 2});
        CHECK(image.info.header.size() == open_fits(folder.write("good.fits", good), "").info.header.size());
    }
    // NULs for all of the padding; and what only begins like END is a card.
    std::string bytes = good;
    std::fill(bytes.begin() + static_cast<std::ptrdiff_t>(end) + 3, bytes.begin() + 2880, '\0');
    CHECK(open_fits(folder.write("end.fits", bytes), "").source->shape() == ImageShape{8, 6, 5, 2});
    bytes = samples::primary_header(8, {4, 3}, {"END_TIME= 5", "ENDING  = 6", "END-DATE= 7"}) + samples::padded(std::string(12, 'x'));
    CHECK(open_fits(folder.write("end.fits", bytes), "").info.find("END-DATE") != nullptr);
}

TEST_CASE("without an HDU's name the first image with pixels is opened") {
    const samples::TemporaryFolder folder;
    const std::string empty = samples::primary_header(8, {0, 3}, {"EXTEND  = T"});
    const std::string second = samples::header({"XTENSION= 'IMAGE   '", "BITPIX  = 8", "NAXIS   = 2", "NAXIS1  = 0", "NAXIS2  = 0", "PCOUNT  = 0", "GCOUNT  = 1"});
    const std::string third = samples::header({"XTENSION= 'IMAGE   '", "BITPIX  = 8", "NAXIS   = 2", "NAXIS1  = 4", "NAXIS2  = 3", "PCOUNT  = 0", "GCOUNT  = 1", "CRVAL1  = 7.0"}) + samples::padded(std::string(12, 'x'));
    const std::string path = folder.write("empty.fits", empty + second + third);
    CHECK(open_fits(path, "").info.hdu == "2");
    CHECK(open_fits(path, "").info.find("CRVAL1") != nullptr);
    CHECK(read_info(path, "").hdu == "2");
    CHECK(read_all_info(path).size() == 1);
    CHECK_THROWS_WITH_AS(open_fits(path, "1"), doctest::Contains("no pixels"), ImageError);
    CHECK_THROWS_WITH_AS(open_fits(folder.write("none.fits", empty + second), ""), doctest::Contains("no pixels"), ImageError);
}
