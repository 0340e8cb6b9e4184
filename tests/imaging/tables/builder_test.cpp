#include "imaging/tables/table_builder.hpp"


#include <doctest/doctest.h>

#include <cmath>
#include <optional>
#include <random>

using namespace cubelink::imaging;

namespace {

/// Fills a column of doubles and one of texts with random values, and reads them back.
void check_round_trip(std::size_t rows, std::size_t chunk_rows, std::size_t memory_share, std::uint32_t seed) {
    CAPTURE(rows);
    CAPTURE(chunk_rows);
    BudgetCache budget(std::size_t{16} << 20);
    {
        TableStorage storage(budget, "/tmp", memory_share);
        ColumnBuilder numbers({"x", "deg", "", "D", "", ColumnType::float64, ""}, chunk_rows, storage, {});
        ColumnBuilder shorts({"n", "", "", "I", "", ColumnType::int16, ""}, chunk_rows, storage, {});
        ColumnBuilder texts({"s", "", "", "A", "", ColumnType::string, ""}, chunk_rows, storage, {});
        std::vector<std::optional<double>> expected(rows);
        std::mt19937 random(seed);
        for (auto& one : expected)
            if (random() % 5 != 0) one = static_cast<double>(random());
        for (const auto& one : expected) {
            if (one) numbers.append(*one), texts.append_text(std::string(random() % 20, 'a') + std::to_string(*one));
            else numbers.append_null(), texts.append_null();
        }
        for (std::size_t row = 0; row < rows;) {
            if (shorts.rows_left_in_chunk() == 0) shorts.append(std::int16_t(row)), ++row; // begins the next chunk
            else {
                const auto count = std::min({rows - row, shorts.rows_left_in_chunk(), std::size_t{1 + random() % 100}});
                const auto bytes = shorts.extend(count);
                for (std::size_t i = 0; i < count; ++i) {
                    const auto value = static_cast<std::int16_t>(row + i);
                    std::memcpy(bytes.data() + i * sizeof(value), &value, sizeof(value));
                    if (!expected[row + i]) shorts.mark_null(i);
                }
                row += count;
            }
        }
        const auto x = numbers.finish(), n = shorts.finish(), s = texts.finish();
        REQUIRE(x->rows() == rows);
        REQUIRE(n->rows() == rows);
        REQUIRE(s->rows() == rows);
        CHECK((memory_share == 0) == (storage.in_memory() == 0));
        std::size_t wrong = 0;
        for (std::size_t row = 0; row < rows; ++row) {
            const auto chunk = row / chunk_rows, within = row % chunk_rows;
            const double value = x->values<double>(chunk)[within];
            const auto text = s->texts(chunk)[within];
            if (expected[row]) wrong += value != *expected[row] || x->is_null(row) || text.substr(text.find_first_not_of('a')) != std::to_string(*expected[row]);
            else wrong += !std::isnan(value) || !x->is_null(row) || !text.empty() || !s->is_null(row);
            wrong += n->values<std::int16_t>(chunk)[within] != static_cast<std::int16_t>(row);
        }
        CHECK(wrong == 0);
    }
    CHECK(budget.statistics().used == 0);
}

} // namespace

TEST_CASE("columns keep what was appended, in memory, on the disk, and partly in each") {
    for (const std::size_t share : {std::size_t{0}, std::size_t{1} << 30, std::size_t{20000}})
        for (const std::size_t rows : {1, 63, 64, 65, 1000, 5000}) check_round_trip(rows, 64, share, static_cast<std::uint32_t>(rows));
    check_round_trip(200'000, 65'536, std::size_t{1} << 20, 7);
}

TEST_CASE("a budget that is used up sends the rest to the disk") {
    BudgetCache budget(1 << 16, 10);
    TableStorage storage(budget, "/tmp", std::size_t{1} << 30);
    const auto taken = budget.reserve(1 << 16, {});
    const std::vector<std::byte> bytes(5000, std::byte{42});
    const auto block = storage.keep(bytes, {});
    CHECK(storage.in_memory() == 0);
    CHECK(storage.on_disk() == 5000);
    CHECK(std::equal(bytes.begin(), bytes.end(), block->bytes().begin(), block->bytes().end()));
}

TEST_CASE("no scratch folder, and a cancelled reader") {
    BudgetCache budget(1 << 20);
    TableStorage storage(budget, "/does/not/exist", 0);
    const std::vector<std::byte> bytes(10);
    CHECK_THROWS_AS(storage.keep(bytes, {}), TableError);
    CancelToken cancel;
    cancel.cancel();
    CHECK_THROWS_AS(storage.keep(bytes, cancel), Cancelled);
}

TEST_CASE("chunks of many columns are small") {
    CHECK(chunk_rows_for(1) == 65'536);
    CHECK(chunk_rows_for(20) == 65'536);
    CHECK(chunk_rows_for(1000) == 8192);
    CHECK(chunk_rows_for(100'000) == 64);
}
