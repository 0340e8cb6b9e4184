// Scratch disks that fail while their tables and views are read: an error, and nothing read or written out of bounds. A page of a scratch file that has been cut off
// can't be read, as one of a disk that has failed.

#include "imaging/tables/views/table_view.hpp"
#include "tests/imaging/tables/views/random_table.hpp"
#include "tests/support/faulty_os.hpp"
#include "tests/support/random_seed.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <fcntl.h>
#include <functional>
#include <numeric>
#include <thread>
#include <unistd.h>
#include <vector>

using namespace cubelink::imaging;

namespace {

/// Knows the scratch files that are made while it lives.
class ScratchDisk : public cubelink::test::FaultyOs {
public:
    ~ScratchDisk() override {
        const cubelink::platform::MutexLock lock(files_mutex_);
        for (const auto file : files_) ::close(file);
    }
    int openat(int folder, const char* path, int flags, mode_t mode = 0) override {
        const int file = FaultyOs::openat(folder, path, flags, mode);
        if (file < 0 || (flags & O_ACCMODE) != O_RDWR) return file;
        const cubelink::platform::MutexLock lock(files_mutex_);
        files_.push_back(::dup(file));
        return file;
    }
    /// All files that there are.
    void fail() const {
        const cubelink::platform::MutexLock lock(files_mutex_);
        for (const auto file : files_) CHECK(::ftruncate(file, 0) == 0);
    }
    std::size_t files() const {
        const cubelink::platform::MutexLock lock(files_mutex_);
        return files_.size();
    }

private:
    mutable cubelink::platform::Mutex files_mutex_;
    std::vector<int> files_ CUBELINK_GUARDED_BY(files_mutex_);
};

std::vector<std::uint32_t> all_rows(const Table& table) {
    std::vector<std::uint32_t> rows(table.rows);
    std::iota(rows.begin(), rows.end(), 0u);
    return rows;
}

/// A test that is there for what it does before it looks at a chunk.
class Before final : public RowTest {
public:
    Before(std::size_t chunk, std::function<void()> act, RowTestPtr test) : chunk_(chunk), act_(std::move(act)), test_(std::move(test)) {}
    std::string key() const override { return "before"; }
    void apply(const Table& table, std::size_t chunk, std::span<std::uint64_t> bits, const CancelToken& cancel) const override {
        if (chunk == chunk_) act_();
        test_->apply(table, chunk, bits, cancel);
    }

private:
    const std::size_t chunk_;
    const std::function<void()> act_;
    const RowTestPtr test_;
};

} // namespace

TEST_CASE("texts whose ends have become zeros are empty") {
    const std::uint32_t ends[] = {3, 7, 0, 2, 0};
    const Column::Texts texts{ends, "abcdefg"};
    CHECK(texts[0] == "abc");
    CHECK(texts[1] == "defg");
    CHECK(texts[2].empty());
    CHECK(texts[3] == "ab");
    CHECK(texts[4].empty());
}

TEST_CASE("pages of a column that is lost") {
    ScratchDisk disk;
    BudgetCache budget(std::size_t{64} << 20);
    const auto made = random_table::make(20'000, 1024, 3, budget, 0);
    REQUIRE(disk.files() == 1);
    const auto rows = all_rows(*made.table);
    std::string bytes;
    std::vector<std::string_view> texts;
    for (const auto& column : made.table->columns) CHECK_NOTHROW(column->check());
    gather_numbers(*made.table->columns[random_table::d], rows, bytes);
    gather_texts(*made.table->columns[random_table::s], rows, texts);
    disk.fail();
    bytes.clear(), texts.clear();
    CHECK_THROWS_WITH_AS(gather_numbers(*made.table->columns[random_table::d], rows, bytes),
                         "the disk with the scratch folder has failed, values of the column \"d\" are lost: open the file again", TableError);
    CHECK_THROWS_AS(gather_texts(*made.table->columns[random_table::s], rows, texts), TableError);
    CHECK_THROWS_AS(check_columns(*made.table), TableError);
}

TEST_CASE("columns in memory don't mind the disk") {
    ScratchDisk disk;
    BudgetCache budget(std::size_t{64} << 20);
    const auto made = random_table::make(2000, 64, 3, budget);
    disk.fail();
    CHECK_NOTHROW(check_columns(*made.table));
    CHECK(ViewCache(made.table).view({.sort_column = random_table::s}, {.budget = budget})->rows() == 2000);
}

TEST_CASE("a disk that fails during a filter") {
    for (const std::size_t chunk : {std::size_t{0}, std::size_t{5}, std::size_t{19}}) {
        CAPTURE(chunk);
        ScratchDisk disk;
        BudgetCache budget(std::size_t{64} << 20);
        const auto made = random_table::make(20'000, 1024, 4, budget, 0);
        ViewCache views(made.table);
        const auto& table = *made.table;
        const auto conditions = any_of({compare_numbers(table, random_table::d, Comparison::less, -7), match_text(random_table::s, TextMatch::regex, "[ab]B"),
                                        within_cone(random_table::lon, random_table::lat, 20, 0, 30), is_missing(random_table::i)});
        const auto test = std::make_shared<Before>(chunk, [&] { disk.fail(); }, conditions);
        CHECK_THROWS_AS(views.view({.test = test}, {.budget = budget, .threads = 2}), TableError);
        CHECK_THROWS_AS(views.view({.test = conditions, .sort_column = random_table::s}, {.budget = budget, .threads = 2}), TableError);
        CHECK_THROWS_AS(views.view({.sort_column = random_table::d}, {.budget = budget, .threads = 2}), TableError);
        CHECK(views.view({}, {.budget = budget})->rows() == 20'000); // reads nothing
    }
}

TEST_CASE("a disk that fails at any time during a sort") {
    const auto seed = cubelink::test::random_seed();
    INFO("seed " << seed);
    std::mt19937 random(seed);
    std::size_t lost = 0;
    for (const std::size_t column : {random_table::s, random_table::s, random_table::d, random_table::s, random_table::u, random_table::s, random_table::s, random_table::s}) {
        ScratchDisk disk;
        BudgetCache budget(std::size_t{256} << 20);
        // Some blocks of the sort; the limit of the budget below lets its items lie on the disk too.
        const auto made = random_table::make(300'000, 4096, static_cast<std::uint32_t>(random()), budget, 0);
        const auto expected = random_table::rows_of(*ViewCache(made.table).view({.sort_column = column}, {.budget = budget, .threads = 2}));
        BudgetCache little(std::size_t{24} << 20);
        std::atomic<bool> ready{false};
        const auto delay = std::chrono::microseconds(random() % 60'000);
        std::thread failing([&] {
            while (!ready) std::this_thread::yield();
            std::this_thread::sleep_for(delay);
            disk.fail();
        });
        ready = true;
        try {
            const auto rows = random_table::rows_of(*ViewCache(made.table).view({.sort_column = column}, {.budget = little, .scratch = "/tmp", .threads = 2}));
            CHECK(rows == expected);
        } catch (const TableError&) { ++lost; }
        failing.join();
        CHECK_THROWS_AS(ViewCache(made.table).view({.sort_column = column}, {.budget = budget}), TableError);
    }
    MESSAGE(lost << " of 8 sorts were lost");
}

TEST_CASE("an order that is lost is made again") {
    BudgetCache budget(std::size_t{64} << 20);
    const auto made = random_table::make(100'000, 4096, 6, budget);
    ScratchDisk disk;
    BudgetCache little(std::size_t{2} << 20); // 400 kB of row numbers are more than an eighth of it
    ViewCache views(made.table);
    const ViewOptions options{.budget = little, .scratch = "/tmp", .threads = 2};
    const ViewOptions in_memory{.budget = budget};
    const ViewSpec spec{.sort_column = random_table::d}, filtered{.test = compare_numbers(*made.table, random_table::b, Comparison::equal, 1), .sort_column = random_table::d};
    const auto expected = random_table::rows_of(*ViewCache(made.table).view(spec, in_memory));
    const auto expected_filtered = random_table::rows_of(*ViewCache(made.table).view(filtered, in_memory));
    const auto view = views.view(spec, options);
    CHECK(random_table::rows_of(*view) == expected);
    REQUIRE(disk.files() > 0);
    disk.fail();
    std::vector<std::uint32_t> rows(view->rows());
    CHECK_THROWS_AS(view->rows(0, rows), TableError);
    CHECK(view->lost());
    // Of what is kept, nothing that is lost is used again.
    CHECK(random_table::rows_of(*views.view(filtered, options)) == expected_filtered);
    CHECK(random_table::rows_of(*views.view(spec, options)) == expected);
    // Found out only while the order of all is filtered.
    disk.fail();
    CHECK_THROWS_AS(views.view(filtered, options), TableError);
    CHECK(random_table::rows_of(*views.view(filtered, options)) == expected_filtered);
}
