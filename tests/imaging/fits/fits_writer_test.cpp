#include "imaging/fits/fits_writer.hpp"
#include "imaging/fits/open_fits.hpp"
#include "imaging/source/memory_image.hpp"
#include "platform/mutex.hpp"
#include "tests/imaging/fits/sample_files.hpp"
#include "tests/support/random_seed.hpp"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <doctest/doctest.h>
#include <map>
#include <random>
#include <stdexcept>

using namespace cubelink::imaging;

namespace {

/// The bytes of a file, and that each was given once.
class Collector {
public:
    explicit Collector(std::uint64_t size) : bytes_(size, '\0'), given_(size) {}
    FitsSink sink() {
        return [this](std::uint64_t at, std::span<const std::byte> part) {
            const cubelink::platform::MutexLock lock(mutex_);
            REQUIRE(at + part.size() <= bytes_.size());
            std::memcpy(bytes_.data() + at, part.data(), part.size());
            for (std::size_t i = 0; i < part.size(); ++i) ++given_[at + i];
        };
    }
    bool is_complete() const {
        return std::all_of(given_.begin(), given_.end(), [](int times) { return times == 1; });
    }
    const std::string& bytes() const { return bytes_; }

private:
    cubelink::platform::Mutex mutex_;
    std::string bytes_;
    std::vector<int> given_;
};

std::string written(const FitsFile& file, int threads = 2) {
    Collector collector(file.size());
    FitsWriteSettings settings;
    settings.threads = threads;
    file.write(collector.sink(), settings);
    CHECK(collector.is_complete());
    CHECK(file.size() % 2880 == 0);
    return collector.bytes();
}

float value(std::int64_t x, std::int64_t y, std::int64_t channel, std::int64_t stokes) { return static_cast<float>(x * 1.5 + y * 1e3 + channel * 1e6 - stokes * 1e9); }

/// Any size, without memory for its pixels.
class Formula final : public ImageSource {
public:
    Formula(const ImageShape& shape, PixelType type = PixelType::float32) : shape_(shape), type_(type) {
        capabilities_.random_access = true;
        capabilities_.prefers_double = type == PixelType::float64 || type == PixelType::int32;
        if (type == PixelType::int64) capabilities_.int64 = Int64Kind::with_sign;
    }
    const ImageShape& shape() const override { return shape_; }
    PixelType stored_type() const override { return type_; }
    const Capabilities& capabilities() const override { return capabilities_; }
    const ImageIdentity& identity() const override { return identity_; }
    void read(const Rect& rect, PlaneId plane, std::span<float> out, int, const CancelToken&) const override { fill(rect, plane, out); }
    void read64(const Rect& rect, PlaneId plane, std::span<double> out, int, const CancelToken&) const override { fill(rect, plane, out); }
    void read_int64(const Rect& rect, PlaneId plane, std::span<std::int64_t> out, int, const CancelToken&) const override { fill(rect, plane, out); }
    void read_spectrum(std::int64_t, std::int64_t, std::int32_t, std::int32_t, std::span<float>, const CancelToken&) const override { throw std::logic_error("not used"); }
    void check_unchanged() const override {}

private:
    template <class T>
    void fill(const Rect& rect, PlaneId plane, std::span<T> out) const {
        check_request(shape_, rect, plane, out.size());
        T* to = out.data();
        for (std::int64_t y = rect.y0; y < rect.y1; ++y)
            for (std::int64_t x = rect.x0; x < rect.x1; ++x) *to++ = static_cast<T>(value(x, y, plane.channel, plane.stokes));
    }
    ImageShape shape_;
    PixelType type_;
    Capabilities capabilities_;
    ImageIdentity identity_ = ImageIdentity::of_computed();
};

std::string card(const std::string& keyword, const std::string& text) {
    std::string made = keyword;
    made.resize(8, ' ');
    made += "= " + text;
    made.resize(80, ' ');
    return made;
}

} // namespace

TEST_CASE("FITS writer: axes in any order of a file, all types, strips shorter and longer than a row") {
    const auto seed = cubelink::test::random_seed();
    CAPTURE(seed);
    std::mt19937_64 random(seed);
    using A = FitsAxis;
    const std::vector<std::vector<A>> orders{{A::x, A::y, A::depth, A::stokes}, {A::x, A::y, A::stokes, A::depth}, {A::x, A::stokes, A::y, A::depth}, {A::stokes, A::x, A::y, A::depth}};
    const samples::TemporaryFolder folder;
    for (const PixelType type : {PixelType::float32, PixelType::float64, PixelType::int32, PixelType::int64}) {
        for (const auto& order : orders) {
            for (const std::int64_t width : {std::int64_t{7}, std::int64_t{300'000}}) {
                const ImageShape shape{width, width > 1000 ? 2 : 9, width > 1000 ? 1 : 3, 2};
                const auto source = std::make_shared<Formula>(shape, type);
                std::string cards;
                for (std::size_t i = 0; i < order.size(); ++i) {
                    const char* names[] = {"'RA---TAN'", "'DEC--TAN'", "'FREQ'", "'STOKES'"};
                    cards += card("CTYPE" + std::to_string(i + 1), names[static_cast<std::size_t>(order[i])]);
                }
                FitsFile file;
                file.add_image({source, order, cards});
                const auto path = folder.write("image.fits", written(file));
                const auto image = open_fits(path, "");
                REQUIRE(image.source->shape() == shape);
                CHECK(image.source->stored_type() == (type == PixelType::int32 ? PixelType::float64 : type));
                bool same = true;
                for (int i = 0; i < 300; ++i) {
                    const auto draw = [&](std::int64_t length) { return std::uniform_int_distribution<std::int64_t>(0, length - 1)(random); };
                    const std::int64_t x = draw(shape.width), y = draw(shape.height);
                    const PlaneId plane{static_cast<std::int32_t>(draw(shape.depth)), static_cast<std::int32_t>(draw(shape.stokes))};
                    double pixel = 0;
                    image.source->read64({x, y, x + 1, y + 1}, plane, {&pixel, 1}, 1, {});
                    const float expected = value(x, y, plane.channel, plane.stokes);
                    same = same && pixel == (type == PixelType::int64 ? static_cast<double>(static_cast<std::int64_t>(expected)) : static_cast<double>(expected));
                }
                CHECK(same);
            }
        }
    }
}

TEST_CASE("FITS writer: several HDUs, structural cards of the header are its own") {
    BudgetCache budget(1 << 20);
    const auto one = std::make_shared<MemoryImage>(ImageShape{5, 4, 1, 1}, budget), two = std::make_shared<MemoryImage>(ImageShape{3, 2, 1, 1}, budget);
    std::fill_n(one->plane({}).data(), 20, 1.0F);
    std::fill_n(two->plane({}).data(), 6, 2.0F);
    FitsFile file;
    const std::string wrong = card("SIMPLE", "F") + card("BITPIX", "8") + card("NAXIS", "7") + card("NAXIS3", "9") + card("BSCALE", "2.0") + card("OBJECT", "'M 31'");
    file.add_image({one, {FitsAxis::x, FitsAxis::y}, wrong});
    file.add_image({two, {FitsAxis::x, FitsAxis::y, FitsAxis::single}, wrong + card("EXTNAME", "'SECOND'")});
    file.add_table({card("TTYPE1", "'A'") + card("TFORM1", "'1J'") + card("EXTNAME", "'TABLE'"), 1, 2, std::vector<std::byte>(8)});
    const samples::TemporaryFolder folder;
    const std::string bytes = written(file);
    CHECK(bytes.size() == 6 * 2880);
    const auto path = folder.write("several.fits", bytes);
    CHECK(list_image_hdus(path).size() == 2);
    CHECK(open_fits(path, "0").info.shape == ImageShape{5, 4, 1, 1});
    const auto second = open_fits(path, "SECOND");
    CHECK(second.info.dimensions == 3);
    float pixel = 0;
    second.source->read({2, 1, 3, 2}, {}, {&pixel, 1}, 1, {});
    CHECK(pixel == 2.0F);
    FitsFile table;
    table.add_table({card("TTYPE1", "'A'") + card("TFORM1", "'1J'"), 1, 2, std::vector<std::byte>(8)});
    CHECK(written(table).starts_with("SIMPLE  =                    T"));
    FitsFile extensions;
    extensions.add_empty_primary();
    extensions.add_image({two, {FitsAxis::x, FitsAxis::y}, card("EXTNAME", "'ONLY'")});
    CHECK(extensions.size() == 3 * 2880);
    const auto with_extensions = folder.write("extensions.fits", written(extensions));
    CHECK(list_image_hdus(with_extensions).size() == 1);
    CHECK(open_fits(with_extensions, "ONLY").info.shape == ImageShape{3, 2, 1, 1});
    CHECK_THROWS_AS(extensions.add_empty_primary(), std::logic_error);
    CHECK_THROWS_AS(file.add_table({"", 1, 3, std::vector<std::byte>(8)}), std::invalid_argument);
    CHECK_THROWS_AS(file.add_image({one, {FitsAxis::y, FitsAxis::x}, ""}), std::invalid_argument);
    CHECK_THROWS_AS(file.add_image({one, {FitsAxis::x}, ""}), std::invalid_argument);
    CHECK_THROWS_AS(file.add_image({one, {FitsAxis::x, FitsAxis::y, FitsAxis::x}, ""}), std::invalid_argument);
}

TEST_CASE("FITS writer: 30,000 × 30,000 × 2 × 4 pixels in a few MiB") {
    const auto source = std::make_shared<Formula>(ImageShape{30'000, 30'000, 2, 4});
    FitsFile file;
    file.add_image({source, {FitsAxis::x, FitsAxis::y, FitsAxis::depth, FitsAxis::stokes}, ""});
    CHECK(file.size() == (std::uint64_t{30'000} * 30'000 * 8 * 4 + 2879) / 2880 * 2880 + 2880);
    BudgetCache budget(64 << 20);
    std::atomic<std::uint64_t> given{0}, largest{0};
    CancelToken cancel;
    FitsWriteSettings settings;
    settings.threads = 2;
    settings.budget = &budget;
    settings.cancel = cancel;
    const auto sink = [&](std::uint64_t, std::span<const std::byte> bytes) {
        given += bytes.size();
        if (bytes.size() > largest) largest = bytes.size();
        if (given > 200'000'000) cancel.cancel(); // the rest is like it
    };
    CHECK_THROWS_AS(file.write(sink, settings), Cancelled);
    CHECK(largest <= 4 << 20);
    CHECK(budget.statistics().refused == 0);
    CHECK(budget.statistics().used == 0);
}

TEST_CASE("FITS writer: with little memory, strips are smaller") {
    const samples::TemporaryFolder folder;
    BudgetCache budget(1 << 20);
    OpenOptions options;
    options.budget = &budget;
    const auto source = open_fits(folder.write("packed.fits", samples::compressed(11, true)), "", options); // RICE_1
    const auto large = std::make_shared<Formula>(ImageShape{5000, 3000, 1, 1});
    for (const auto& image : {source.source, std::shared_ptr<const ImageSource>(large)}) {
        FitsFile file;
        file.add_image({image, {FitsAxis::x, FitsAxis::y}, ""});
        Collector collector(file.size());
        std::atomic<std::size_t> largest{0};
        FitsWriteSettings settings;
        settings.threads = 16;
        settings.budget = &budget;
        file.write(
            [&, sink = collector.sink()](std::uint64_t at, std::span<const std::byte> bytes) {
                if (bytes.size() > largest) largest = bytes.size();
                sink(at, bytes);
            },
            settings);
        CHECK(collector.is_complete());
        CHECK(largest <= std::size_t{64} << 10);
        CHECK(budget.statistics().refused == 0);
    }
}

TEST_CASE("FITS writer: what the sink or the source throws comes out, with nothing reserved") {
    const auto source = std::make_shared<Formula>(ImageShape{1000, 1000, 4, 1});
    FitsFile file;
    file.add_image({source, {FitsAxis::x, FitsAxis::y, FitsAxis::depth}, ""});
    BudgetCache budget(64 << 20);
    FitsWriteSettings settings;
    settings.threads = 2;
    settings.budget = &budget;
    std::atomic<int> calls{0};
    const auto sink = [&](std::uint64_t, std::span<const std::byte>) {
        if (++calls == 5) throw std::runtime_error("full");
    };
    CHECK_THROWS_WITH(file.write(sink, settings), "full");
    CHECK(budget.statistics().used == 0);
}
