// Columns, spectra, boxes and masks of uncompressed images, whose pixels come through a mapping; and files that fail while they are read.

#include "imaging/fits/open_fits.hpp"
#include "imaging/fits/touched_windows.hpp"
#include "tests/imaging/fits/sample_files.hpp"
#include "tests/support/effort.hpp"
#include "tests/support/faulty_os.hpp"
#include "tests/support/random_seed.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cmath>
#include <doctest/doctest.h>
#include <filesystem>
#include <random>
#include <thread>

using namespace cubelink::imaging;
using cubelink::platform::OsOverride;
using cubelink::test::Call;
using cubelink::test::FaultyOs;

namespace {

/// Planes read whole, one after the other: what all other ways are held against.
class Reference {
public:
    explicit Reference(const ImageSource& source) : shape_(source.shape()) {
        for (std::int32_t stokes = 0; stokes < shape_.stokes; ++stokes) {
            for (std::int32_t channel = 0; channel < shape_.depth; ++channel) {
                planes_.emplace_back(static_cast<std::size_t>(shape_.plane_size()));
                source.read({0, 0, shape_.width, shape_.height}, {channel, stokes}, planes_.back(), 1, {});
            }
        }
    }
    float at(std::int64_t x, std::int64_t y, std::int64_t channel, std::int64_t stokes) const {
        return planes_[static_cast<std::size_t>(stokes * shape_.depth + channel)][static_cast<std::size_t>(y * shape_.width + x)];
    }

private:
    ImageShape shape_;
    std::vector<std::vector<float>> planes_;
};

struct Range {
    std::int64_t from, to;
};
Range part_of(std::int64_t length, std::mt19937_64& random) {
    const auto from = static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(length));
    return {from, from + 1 + static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(length - from))};
}

void check_all_ways(const ImageSource& source, std::mt19937_64& random) {
    const Reference reference(source);
    const ImageShape& shape = source.shape();
    for (int round = 0; round < cubelink::test::effort(30); ++round) {
        const Range x = part_of(shape.width, random), y = part_of(shape.height, random), c = part_of(shape.depth, random);
        const auto stokes = static_cast<std::int32_t>(random() % static_cast<std::uint64_t>(shape.stokes));
        const Rect rect{x.from, y.from, round % 3 == 0 ? x.from + 1 : x.to, round % 3 == 1 ? y.from + 1 : y.to};
        const ChannelRange channels{static_cast<std::int32_t>(c.from), static_cast<std::int32_t>(c.to)};
        const int threads = 1 + round % 3;
        std::vector<std::uint8_t> selected(static_cast<std::size_t>(rect.size()));
        for (auto& one : selected) one = random() % 4 != 0 ? 1 : 0;
        const PixelMask mask(rect, selected);
        std::vector<float> plane(static_cast<std::size_t>(rect.size())), box(plane.size() * static_cast<std::size_t>(channels.count())),
            masked(mask.count() * static_cast<std::size_t>(channels.count())), spectrum(static_cast<std::size_t>(channels.count()));
        std::vector<double> wide(plane.size());
        source.read(rect, {channels.from, stokes}, plane, threads, {});
        source.read64(rect, {channels.from, stokes}, wide, threads, {});
        source.read_box(rect, channels, stokes, box, threads, {});
        source.read_masked(mask, channels, stokes, masked, threads, {});
        source.read_spectrum(rect.x0, rect.y0, stokes, channels.from, spectrum, {});
        // Runs in any order, one of them twice.
        std::vector<PixelRun> runs(mask.runs().begin(), mask.runs().end());
        if (!runs.empty()) runs.push_back(runs.front());
        std::shuffle(runs.begin(), runs.end(), random);
        std::size_t in_runs = 0;
        for (const PixelRun& run : runs) in_runs += static_cast<std::size_t>(run.length());
        std::vector<float> some(in_runs * static_cast<std::size_t>(channels.count()));
        std::vector<double> some64(some.size());
        source.read_pixels(runs, channels, stokes, some, {});
        source.read_pixels64(runs, channels, stokes, some64, {});
        std::size_t at = 0, at_masked = 0, at_run = 0, wrong = 0;
        for (std::int32_t channel = channels.from; channel < channels.to; ++channel) {
            for (const PixelRun& run : runs) {
                for (std::int64_t px = run.x0; px < run.x1; ++px, ++at_run) {
                    const float expected = reference.at(px, run.y, channel, stokes);
                    if (some[at_run] != expected || static_cast<float>(some64[at_run]) != expected) ++wrong;
                }
            }
            std::size_t in_plane = 0;
            for (std::int64_t py = rect.y0; py < rect.y1; ++py) {
                for (std::int64_t px = rect.x0; px < rect.x1; ++px, ++in_plane) {
                    const float expected = reference.at(px, py, channel, stokes);
                    if (box[at++] != expected) ++wrong;
                    if (selected[in_plane] != 0 && masked[at_masked++] != expected) ++wrong;
                    if (channel == channels.from && (plane[in_plane] != expected || static_cast<float>(wide[in_plane]) != expected)) ++wrong;
                }
            }
            if (spectrum[static_cast<std::size_t>(channel - channels.from)] != reference.at(rect.x0, rect.y0, channel, stokes)) ++wrong;
        }
        CHECK(wrong == 0);
        CHECK(at_masked == masked.size());
    }
}

/// Column x of the first plane.
std::vector<float> column(const ImageSource& source, std::int64_t x) {
    std::vector<float> out(static_cast<std::size_t>(source.shape().height));
    source.read({x, 0, x + 1, source.shape().height}, {0, 0}, out, 1, {});
    return out;
}

constexpr std::int64_t tall_width = 2000, tall_height = 300;

/// A plane of some pages a row, whose pixel i has the value i.
std::string tall() {
    std::vector<float> values(tall_width * tall_height);
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i);
    return samples::primary_header(-32, {tall_width, tall_height}) + samples::padded(samples::floats(values));
}

bool right(const std::vector<float>& pixels, std::int64_t x) {
    for (std::size_t y = 0; y < pixels.size(); ++y) {
        if (pixels[y] != static_cast<float>(static_cast<std::int64_t>(y) * tall_width + x)) return false;
    }
    return true;
}

template <class Body>
std::string error_of(Body body) {
    try {
        body();
        return "";
    } catch (const ImageError& error) {
        return error.what();
    }
}

bool mentions(const std::string& text, const char* part) { return text.find(part) != std::string::npos; }

} // namespace

TEST_CASE("all ways of reading give the same pixels, whichever axis is which and whatever the type") {
    const samples::TemporaryFolder folder;
    const std::uint64_t seed = cubelink::test::random_seed();
    INFO("seed ", seed);
    std::mt19937_64 random(seed);
    const std::vector<std::string> plain{"CTYPE1  = 'RA---SIN'", "CTYPE2  = 'DEC--SIN'", "CTYPE3  = 'FREQ'", "CTYPE4  = 'STOKES'"},
        spectral_first{"CTYPE1  = 'FREQ'", "CTYPE2  = 'RA---SIN'", "CTYPE3  = 'DEC--SIN'", "CTYPE4  = 'STOKES'"},
        stokes_first{"CTYPE1  = 'STOKES'", "CTYPE2  = 'RA---SIN'", "CTYPE3  = 'DEC--SIN'", "CTYPE4  = 'FREQ'"};
    for (const auto& cards : {plain, spectral_first, stokes_first}) {
        for (const int bitpix : {8, 16, -32, 64}) {
            const std::int64_t pixels = 23 * 17 * 9 * 2;
            std::string data(static_cast<std::size_t>(pixels * std::abs(bitpix) / 8), '\0');
            for (char& byte : data) byte = static_cast<char>(random());
            if (bitpix == -32) {
                std::vector<float> values(static_cast<std::size_t>(pixels));
                for (float& value : values) value = static_cast<float>(random() % 100000) * 0.25F;
                data = samples::floats(values);
            }
            const std::vector<std::int64_t> axes = &cards == &stokes_first ? std::vector<std::int64_t>{2, 23, 17, 9} : std::vector<std::int64_t>{23, 17, 9, 2};
            const FitsImage image = open_fits(folder.write("cube.fits", samples::primary_header(bitpix, axes, cards) + samples::padded(data)), "");
            CAPTURE(bitpix);
            check_all_ways(*image.source, random);
        }
    }
}

TEST_CASE("spectra at one place, before and after its pages are mapped, also read in parts") {
    constexpr std::int64_t width = 130, height = 140, depth = 40; // planes larger than TouchedWindows::window
    static_assert(width * height * 4 > std::int64_t{TouchedWindows::window});
    std::vector<float> values(static_cast<std::size_t>(width * height * depth));
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i);
    const samples::TemporaryFolder folder;
    const FitsImage image = open_fits(folder.write("cube.fits", samples::primary_header(-32, {width, height, depth}) + samples::padded(samples::floats(values))), "");
    for (const std::int64_t y : {std::int64_t{3}, height - 1}) {
        for (std::uint64_t i = 0; i < TouchedWindows::enough + 3; ++i) {
            const auto x = static_cast<std::int64_t>(i);
            std::vector<float> spectrum(depth);
            image.source->read_spectrum(x, y, 0, 0, std::span(spectrum).first(7), {});
            image.source->read_spectrum(x, y, 0, 7, std::span(spectrum).subspan(7), {});
            int wrong = 0;
            for (std::int64_t z = 0; z < depth; ++z) wrong += spectrum[static_cast<std::size_t>(z)] != static_cast<float>(x + width * (y + height * z));
            CHECK(wrong == 0);
        }
    }
}

TEST_CASE("a place is mapped after some spectra, of which parts count once") {
    TouchedWindows windows;
    for (std::uint64_t i = 0; i < TouchedWindows::enough; ++i) {
        CHECK_FALSE(windows.is_worth_mapping(100, true));
        CHECK_FALSE(windows.is_worth_mapping(100, false));
        CHECK_FALSE(windows.is_worth_mapping(TouchedWindows::window * (i + 1), true)); // other places count by themselves
    }
    CHECK(windows.is_worth_mapping(TouchedWindows::window - 1, true));
    CHECK(windows.is_worth_mapping(0, false));
    CHECK_FALSE(windows.is_worth_mapping(TouchedWindows::window * 50, false));
    for (std::size_t i = 1; i <= 200; ++i) windows.is_worth_mapping(TouchedWindows::window * i, true);
    CHECK_FALSE(windows.is_worth_mapping(0, true)); // forgotten
}

TEST_CASE("long runs, and masks of many channels") {
    const samples::TemporaryFolder folder;
    const FitsImage image = open_fits(folder.write("tall.fits", tall()), "");
    CHECK(right(column(*image.source, 7), 7));
    const PixelMask all(std::vector<PixelRun>{{1, 0, tall_width}, {2, 3, 5}});
    std::vector<float> masked(all.count());
    image.source->read_masked(all, {0, 1}, 0, masked, 2, {});
    CHECK(masked[0] == tall_width);
    CHECK(masked[tall_width - 1] == 2 * tall_width - 1);
    CHECK(masked.back() == 2 * tall_width + 4);
    const CancelToken cancel;
    cancel.cancel();
    CHECK_THROWS_AS(image.source->read_masked(all, {0, 1}, 0, masked, 2, cancel), Cancelled);
}

TEST_CASE("long runs near each other are read together, in order or not") {
    constexpr std::int64_t height = 24, depth = 3;
    const samples::TemporaryFolder folder;
    const std::uint64_t seed = cubelink::test::random_seed();
    CAPTURE(seed);
    std::mt19937_64 random(seed);
    for (const std::int64_t width : {700, 90'000}) { // of the latter a row is more than is read at once
        std::vector<float> values(static_cast<std::size_t>(width * height * depth));
        for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i % 16'000'000);
        const FitsImage image = open_fits(folder.write("cube" + std::to_string(width) + ".fits", samples::primary_header(-32, {width, height, depth}) + samples::padded(samples::floats(values))), "");
        for (int round = 0; round < 20; ++round) {
            std::vector<PixelRun> runs;
            std::size_t pixels = 0;
            for (std::int64_t y = static_cast<std::int64_t>(random() % 5); y < height; y += 1 + static_cast<std::int64_t>(random() % 2)) {
                const auto from = static_cast<std::int64_t>(random() % 200);
                runs.push_back({y, from, width - static_cast<std::int64_t>(random() % 200)});
                pixels += static_cast<std::size_t>(runs.back().length());
            }
            if (round % 4 == 3) std::swap(runs.front(), runs.back());
            std::vector<float> some(2 * pixels);
            std::vector<double> wide(some.size());
            image.source->read_pixels(runs, {1, 3}, 0, some, {});
            image.source->read_pixels64(runs, {1, 3}, 0, wide, {});
            std::size_t at = 0, wrong = 0;
            for (std::int64_t channel = 1; channel < 3; ++channel)
                for (const PixelRun& run : runs)
                    for (std::int64_t x = run.x0; x < run.x1; ++x, ++at) {
                        const float expected = values[static_cast<std::size_t>((channel * height + run.y) * width + x)];
                        if (some[at] != expected || wide[at] != static_cast<double>(expected)) ++wrong;
                    }
            CHECK(wrong == 0);
        }
        const CancelToken cancel;
        cancel.cancel();
        std::vector<float> row(static_cast<std::size_t>(width));
        CHECK_THROWS_AS(image.source->read_pixels(std::vector<PixelRun>{{1, 0, width}}, {0, 1}, 0, row, cancel), Cancelled);
    }
}

TEST_CASE("a file that shrinks, vanishes or is replaced: an error for what is read of it, and nothing else") {
    const samples::TemporaryFolder folder;
    const std::string path = folder.write("tall.fits", tall());
    {
        const FitsImage image = open_fits(path, "");
        CHECK(right(column(*image.source, 1), 1)); // mapped from here on
        for (const std::uintmax_t size : {std::filesystem::file_size(path) / 2, std::uintmax_t{0}}) {
            std::filesystem::resize_file(path, size);
            CHECK(mentions(error_of([&] { column(*image.source, 2); }), "tall.fits: the file has"));
            CHECK_THROWS_AS(column(*image.source, 2), ImageChanged);
            std::vector<float> one(1), masked(2);
            CHECK_THROWS_AS(image.source->read_spectrum(0, tall_height - 1, 0, 0, one, {}), ImageChanged);
            CHECK_THROWS_AS(image.source->read_masked(PixelMask(std::vector<PixelRun>{{tall_height - 1, 0, 2}}), {0, 1}, 0, masked, 1, {}), ImageChanged);
        }
    }
    {
        folder.write("tall.fits", tall());
        const FitsImage image = open_fits(path, "");
        CHECK(right(column(*image.source, 1), 1));
        std::filesystem::remove(path); // what is open is still there
        CHECK(right(column(*image.source, 3), 3));
        image.source->check_unchanged();
        folder.write("tall.fits", tall());
        CHECK_THROWS_AS(image.source->check_unchanged(), ImageChanged);
        CHECK(right(column(*image.source, 4), 4));
        const FitsImage another = open_fits(path, "");
        CHECK(right(column(*another.source, 5), 5));
    }
}

TEST_CASE("a file that shrinks and is written again while threads read it: right pixels or an error") {
    const samples::TemporaryFolder folder;
    const std::string bytes = tall(), path = folder.write("tall.fits", bytes);
    std::atomic<bool> done{false};
    std::atomic<int> wrong{0}, good{0}, errors{0};
    std::vector<std::thread> readers;
    for (int thread = 0; thread < 3; ++thread) {
        readers.emplace_back([&, thread] {
            std::int64_t x = thread;
            while (!done) {
                try {
                    const FitsImage image = open_fits(path, "");
                    for (int i = 0; i < 20 && !done; ++i) {
                        x = (x + 17) % tall_width;
                        (right(column(*image.source, x), x) ? good : wrong) += 1;
                    }
                } catch (const ImageError&) {
                    ++errors;
                }
            }
        });
    }
    // Until there was both, many times.
    const auto end = std::chrono::steady_clock::now() + std::chrono::minutes(2);
    for (int round = 0; (round < 30 || good < 100 || errors < 20) && std::chrono::steady_clock::now() < end; ++round) {
        std::filesystem::resize_file(path, static_cast<std::uintmax_t>(round % 3) * bytes.size() / 3);
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
        // The old end is not written into the file that is open, but into another one in its place: a file's own state changes only when it shrinks.
        folder.write("new.fits", bytes);
        std::filesystem::rename(folder.path("new.fits"), path);
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    done = true;
    for (auto& reader : readers) reader.join();
    CHECK(wrong == 0);
    CHECK(good >= 100);
    CHECK(errors >= 20);
}

TEST_CASE("where a file can't be mapped it is read by pread") {
    const samples::TemporaryFolder folder;
    FaultyOs os;
    const OsOverride in_place(os);
    os.fail_from(Call::map, 1, ENODEV);
    const FitsImage image = open_fits(folder.write("tall.fits", tall()), "");
    CHECK(right(column(*image.source, 7), 7));
    os.short_reads(3);
    CHECK(right(column(*image.source, 8), 8));
    os.fail_from(Call::read, 20, EIO);
    CHECK(mentions(error_of([&] { column(*image.source, 9); }), "tall.fits: can't be read: Input/output error"));
    os.heal();
    CHECK(right(column(*image.source, 9), 9));
}

TEST_CASE("a disk that fails, or gives few bytes at a time") {
    const samples::TemporaryFolder folder;
    const std::string path = folder.write("cube.fits", samples::cube()), gzipped = folder.write("cube.fits.gz", samples::gzipped(samples::cube()));
    FaultyOs os;
    const OsOverride in_place(os);
    OpenOptions options;
    options.scratch = folder.text();
    const auto read_all = [&](const std::string& file) {
        const FitsImage image = open_fits(file, "", options);
        std::vector<float> plane(48), spectrum(5);
        image.source->read({0, 0, 8, 6}, {4, 1}, plane, 2, {});
        image.source->read_spectrum(1, 0, 0, 0, spectrum, {});
        CHECK(plane[47] == 479);
        CHECK(spectrum[1] == 49);
    };
    for (const std::string& file : {path, gzipped}) {
        CAPTURE(file);
        os.short_reads(7);
        os.short_writes(11);
        read_all(file);
        os.heal();
        const int before = os.count();
        read_all(file);
        const int calls = os.count() - before;
        CHECK(calls > 5);
        // Each call in turn: an image in spite of it, or an error that names the file.
        int errors = 0;
        for (int call = 1; call <= calls; ++call) {
            os.fail_any(call, EIO);
            const std::string error = error_of([&] { read_all(file); });
            os.heal();
            errors += error.empty() ? 0 : 1;
            CAPTURE(call);
            CHECK((error.empty() || mentions(error, "cube.fits")));
        }
        CHECK(errors > 3);
    }
    os.full_after(4000);
    CHECK(mentions(error_of([&] { read_all(gzipped); }), "cube.fits.gz: can't inflate it in the scratch folder: No space left on device"));
}
