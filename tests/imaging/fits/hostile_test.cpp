// Files that lie. Whatever they say, the answer is an image or an ImageError, soon, and without memory beyond what they hold.

#include "imaging/fits/open_fits.hpp"
#include "tests/imaging/fits/sample_files.hpp"
#include "tests/support/cpu_clock.hpp"
#include "tests/support/effort.hpp"

#include <algorithm>
#include <cstdlib>
#include <doctest/doctest.h>
#include <fitsio.h>
#include <random>
#include <sys/resource.h>

using namespace cubelink::imaging;

namespace {

/// Opens it and reads some of it, as a server would. The text of the error, empty if there was none.
std::string try_file(const std::string& path, const std::string& scratch) {
    OpenOptions options;
    options.scratch = scratch;
    options.support_aips_beam = true;
    std::string error;
    try {
        list_image_hdus(path);
    } catch (const ImageError& caught) {
        error = caught.what();
    }
    try {
        read_all_info(path, options);
    } catch (const ImageError&) {
    }
    try {
        const FitsImage image = open_fits(path, "", options);
        const ImageShape& shape = image.source->shape();
        const Rect rect{0, 0, std::min<std::int64_t>(shape.width, 64), std::min<std::int64_t>(shape.height, 64)};
        std::vector<float> out(static_cast<std::size_t>(rect.size()));
        image.source->read(rect, {static_cast<std::int32_t>(shape.depth - 1), static_cast<std::int32_t>(shape.stokes - 1)}, out, 2, {});
        std::vector<double> wide(out.size());
        image.source->read64(rect, {0, 0}, wide, 1, {});
        std::vector<float> spectrum(static_cast<std::size_t>(std::min<std::int64_t>(shape.depth, 16)));
        image.source->read_spectrum(shape.width - 1, shape.height - 1, 0, 0, spectrum, {});
        if (image.wcs) {
            image.wcs->plane_pixel(image.wcs->plane_world({1, 1}));
            image.wcs->format_plane_value(0, image.wcs->plane_world({0, 0})[0]);
        }
    } catch (const ImageError& caught) {
        error = caught.what();
        CHECK_FALSE(error.empty());
    }
    return error;
}

std::vector<std::string> corpus() {
    std::vector<std::string> files{samples::cube(), samples::gzipped(samples::cube())};
    std::string complex = samples::cube();
    const auto type = complex.find("'STOKES");
    REQUIRE(type != std::string::npos);
    files.push_back(complex.replace(type, 10, "'COMPLEX '"));
    for (const int kind : {RICE_1, GZIP_1, GZIP_2, HCOMPRESS_1, PLIO_1}) {
        files.push_back(samples::compressed(kind, false));
        if (kind != PLIO_1) files.push_back(samples::compressed(kind, true));
    }
    const std::string beams = samples::header({"XTENSION= 'BINTABLE'", "BITPIX  = 8", "NAXIS   = 2", "NAXIS1  = 20", "NAXIS2  = 5", "PCOUNT  = 0", "GCOUNT  = 1", "TFIELDS = 5",
                                               "EXTNAME = 'BEAMS'", "TTYPE1  = 'BMAJ'", "TFORM1  = '1E'", "TUNIT1  = 'arcsec'", "TTYPE2  = 'BMIN'", "TFORM2  = '1E'", "TTYPE3  = 'BPA'",
                                               "TFORM3  = '1E'", "TTYPE4  = 'CHAN'", "TFORM4  = '1J'", "TTYPE5  = 'POL'", "TFORM5  = '1J'"});
    auto cards = samples::cube_cards();
    cards.push_back("CASAMBM = T");
    files.push_back(samples::primary_header(-32, {8, 6, 5, 2}, cards) + samples::padded(std::string(8 * 6 * 5 * 2 * 4, '\1')) + beams + samples::padded(std::string(100, '\2')));
    return files;
}

const std::vector<std::string> nasty_numbers{"0", "-1", "1", "2147483647", "2147483648", "-2147483648", "9223372036854775807", "-9223372036854775808",
                                             "99999999999999999999999", "1E308", "1E-308", "NaN", "'text'", "T", "", "3.5", "65536", "4294967297"};

/// One random change: bytes, a card's value, two cards changed over, something cut out or off.
void mutate(std::string& bytes, std::mt19937_64& random) {
    const auto below = [&](std::size_t n) { return static_cast<std::size_t>(random() % std::max<std::size_t>(n, 1)); };
    switch (below(7)) {
    case 0:
        for (std::size_t i = 0; i < 1 + below(8); ++i) bytes[below(bytes.size())] = static_cast<char>(random());
        break;
    case 1: {
        const std::size_t at = below(bytes.size() / 80) * 80;
        std::string record = bytes.substr(at, 10) + nasty_numbers[below(nasty_numbers.size())];
        record.resize(80, ' ');
        if (at + 80 <= bytes.size()) bytes.replace(at, 80, record);
        break;
    }
    case 2: {
        const std::size_t a = below(bytes.size() / 80) * 80, b = below(bytes.size() / 80) * 80;
        if (std::max(a, b) + 80 <= bytes.size()) std::swap_ranges(bytes.begin() + static_cast<std::ptrdiff_t>(a), bytes.begin() + static_cast<std::ptrdiff_t>(a) + 80, bytes.begin() + static_cast<std::ptrdiff_t>(b));
        break;
    }
    case 3: bytes.resize(below(bytes.size())); break;
    case 4: bytes.erase(below(bytes.size()), below(200)); break;
    case 5: bytes.insert(below(bytes.size()), std::string(below(100), static_cast<char>(random()))); break;
    case 6: {
        // The digits of a number somewhere.
        const std::size_t from = below(bytes.size()), at = bytes.find_first_of("0123456789", from);
        if (at != std::string::npos) bytes[at] = static_cast<char>('0' + below(10));
        break;
    }
    }
    if (bytes.empty()) bytes = "S";
}

} // namespace

TEST_CASE("clear errors, each naming what is wrong") {
    const samples::TemporaryFolder folder;
    const auto error = [&](const std::string& bytes) { return try_file(folder.write("bad.fits", bytes), folder.path("")); };
    const auto mentions = [](const std::string& text, const char* part) { return text.find(part) != std::string::npos; };
    const std::string cube = samples::cube();
    CHECK(mentions(error(""), "empty"));
    CHECK(mentions(error("hello"), "not a FITS file"));
    CHECK(mentions(error(cube.substr(0, 1000)), "END"));
    CHECK(mentions(error(cube.substr(0, 3000)), "cut off"));
    CHECK(mentions(error(cube.substr(0, 3000)), "3000"));
    CHECK(mentions(error(samples::primary_header(-32, {0, 5})), "NAXIS1 is 0"));
    CHECK(mentions(error(samples::primary_header(-32, {5, -5})), "NAXIS2 is -5"));
    CHECK(mentions(error(samples::primary_header(-32, {2147483647, 2147483647, 2147483647})), "beyond"));
    CHECK(mentions(error(samples::primary_header(-32, {4294967296, 5})), "NAXIS1 is 4294967296"));
    CHECK(mentions(error(samples::primary_header(-32, {10})), "2D, 3D or 4D"));
    CHECK(mentions(error(samples::primary_header(-32, {1, 1, 1, 1, 1}) + samples::padded("1234")), "2D, 3D or 4D"));
    CHECK(mentions(error(samples::primary_header(17, {5, 5})), "BITPIX is 17"));
    CHECK(mentions(error(samples::header({"SIMPLE  = T", "BITPIX  = 8", "NAXIS   = 2", "NAXIS1  = 5"})), "NAXIS2 is missing"));
    CHECK(mentions(error(samples::gzipped(cube).substr(0, 300)), "cut off"));
    std::string damaged = samples::gzipped(cube);
    std::fill(damaged.begin() + 100, damaged.begin() + 140, '\x55');
    CHECK_FALSE(error(damaged).empty());
    // No END in 70 MB of cards.
    std::string endless;
    endless.reserve(70 << 20);
    endless = samples::primary_header(-32, {5, 5});
    endless.replace(endless.find("END     "), 8, "COMMENT ");
    endless.append(70 << 20, ' ');
    CHECK(mentions(error(endless), "END"));
}

TEST_CASE("thousands of cards") {
    const samples::TemporaryFolder folder;
    std::vector<std::string> cards = samples::cube_cards();
    for (int i = 0; i < 50'000; ++i) cards.push_back("HISTORY line " + std::to_string(i));
    for (int i = 0; i < 50'000; ++i) cards.push_back("K" + std::to_string(i) + (i < 10000 ? "  " : " ") + " = " + std::to_string(i));
    const std::string path = folder.write("long.fits", samples::primary_header(-32, {8, 6, 5, 2}, cards) + samples::padded(std::string(1920, '\0')));
    const cubelink::test::CpuClock clock;
    const FitsImage image = open_fits(path, "");
    CHECK(image.info.header.size() > 100'000);
    CHECK(image.wcs);
    CHECK(clock.seconds() < (cubelink::test::sanitized ? 200 : 20)); // each card looked at in each other's turn: minutes
}

TEST_CASE("mutated files: an image or an error") {
    const samples::TemporaryFolder folder;
    const char* given_seed = std::getenv("CUBELINK_SEED");
    const std::uint64_t seed = given_seed != nullptr ? std::strtoull(given_seed, nullptr, 10) : 20240611;
    const char* given_rounds = std::getenv("CUBELINK_ROUNDS");
    const int rounds = given_rounds != nullptr ? std::atoi(given_rounds) : cubelink::test::effort(300);
    INFO("seed ", seed);
    std::mt19937_64 random(seed);
    const auto files = corpus();
    int errors = 0, images = 0;
    for (int round = 0; round < rounds; ++round) {
        for (std::size_t i = 0; i < files.size(); ++i) {
            std::string bytes = files[i];
            for (std::uint64_t count = 1 + random() % 4; count > 0; --count) mutate(bytes, random);
            const cubelink::test::CpuClock clock;
            const std::string error = try_file(folder.write("mutated.fits", bytes), folder.path(""));
            CHECK_MESSAGE(clock.seconds() < 30, "file ", i, " round ", round);
            (error.empty() ? images : errors) += 1;
        }
    }
    CHECK(images > rounds);
    CHECK(errors > rounds);
    struct rusage usage {};
    getrusage(RUSAGE_SELF, &usage);
    CHECK(usage.ru_maxrss < (2 << 20)); // KiB
}
