#include "imaging/fits/fits_format.hpp"
#include "imaging/formats.hpp"
#include "tests/imaging/source/text_format.hpp"
#include "tests/support/temporary_folder.hpp"

#include <doctest/doctest.h>
#include <numeric>
#include <sys/stat.h>

using namespace cubelink::imaging;
using cubelink::test::TemporaryFolder;

namespace {

FormatRegistry both() {
    FormatRegistry registry;
    registry.add(fits_format());
    registry.add(std::make_shared<test::TextFormat>());
    return registry;
}

std::string error_of(const FormatRegistry& registry, const std::string& path) {
    try {
        registry.read_info(path, "");
        return "";
    } catch (const ImageError& error) {
        return error.what();
    }
}

} // namespace

TEST_CASE("a file is opened by the format that recognises it") {
    const TemporaryFolder folder;
    const ImageShape shape{3, 2, 4, 1};
    std::vector<float> pixels(24);
    std::iota(pixels.begin(), pixels.end(), 0.0F);
    BudgetCache budget(1 << 20);
    OpenOptions options;
    options.budget = &budget;
    options.name = "shown";
    const FormatRegistry registry = both();
    // By what is in it: as a file of any name, and as a folder.
    for (const char* name : {"image.test", "image.fits", "folder/image"}) {
        std::string path = folder.write(name, test::text_image(shape, pixels));
        if (path.ends_with("/image")) path = folder.path("folder");
        const OpenedImage image = registry.open(path, "", options);
        CHECK(image.source->shape() == shape);
        CHECK(image.info.name == "shown");
        std::vector<float> out(6);
        image.source->read({0, 0, 3, 2}, {2, 0}, out, 1, {});
        CHECK(out == std::vector<float>{12, 13, 14, 15, 16, 17});
        CHECK(registry.read_info(path, "", options).shape == shape);
        CHECK(registry.read_all_info(path, options).size() == 1);
        CHECK(budget.statistics().used == 24 * sizeof(float));
    }
    CHECK(budget.statistics().used == 0);
    std::string header = "SIMPLE  =                    T";
    for (const char* card : {"BITPIX  = 8", "NAXIS   = 2", "NAXIS1  = 2", "NAXIS2  = 1", "END"}) {
        header.resize((header.size() + 79) / 80 * 80, ' ');
        header += card;
    }
    header.resize(2880, ' ');
    const OpenedImage fits = registry.open(folder.write("image.dat", header + std::string(2880, '\5')), "", options);
    CHECK(fits.source->shape() == ImageShape{2, 1, 1, 1});
    CHECK_FALSE(fits.source->identity().is_computed());
}

TEST_CASE("what no format recognises is an error that says what it is") {
    const TemporaryFolder folder;
    const FormatRegistry registry = both();
    CHECK(error_of(registry, folder.write("text.fits", "hello")).find("text.fits: not a FITS file") == 0);
    CHECK(error_of(registry, folder.path("missing.fits")) == "missing.fits: No such file or directory");
    CHECK(error_of(registry, folder.text()).find("is a folder, and not an image in a format that is read here (FITS and Test)") != std::string::npos);
    REQUIRE(mkfifo(folder.path("fifo").c_str(), 0600) == 0);
    CHECK(error_of(registry, folder.path("fifo")) == "fifo: is not a regular file"); // and nobody waits for a writer
    CHECK(error_of(registry, std::string("a\0b", 3)).find("NUL") != std::string::npos);
    CHECK(error_of(FormatRegistry(), folder.path("text.fits")).find("no image format") != std::string::npos);
}

TEST_CASE("names and extensions") {
    FormatRegistry registry = both();
    CHECK_THROWS_AS(registry.add(fits_format()), std::invalid_argument);
    REQUIRE(registry.by_extension("A.FITS.GZ"));
    CHECK(registry.by_extension("A.FITS.GZ")->name() == "FITS");
    CHECK(registry.by_extension("b.test")->name() == "Test");
    CHECK(registry.by_extension("test") == nullptr);
    CHECK(registry.find("Test") != nullptr);
    CHECK(registry.find("HDF5") == nullptr);
    CHECK(formats().find("FITS") != nullptr);
    FileProbe probe;
    probe.name = "x.fits.gz";
    probe.first_bytes = "\x1f\x8b";
    CHECK(formats().recognise(probe) != nullptr);
    probe.name = "x.tar.gz";
    CHECK(formats().recognise(probe) == nullptr);
}
