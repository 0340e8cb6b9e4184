#pragma once
/// A table of random values of every type, with missing ones, and the same values as rows of a plain struct.

#include "imaging/tables/table_builder.hpp"

#include <cmath>
#include <limits>
#include <optional>
#include <random>
#include <string>
#include <vector>

namespace random_table {

using namespace cubelink::imaging;

struct Row {
    std::optional<double> d; // nothing: missing; NaN: in the file
    std::optional<float> f;
    std::optional<std::int16_t> i;
    std::optional<std::uint64_t> u;
    bool b = false;
    std::string s; // empty: missing
    double lon = 0, lat = 0;
};
enum Columns : std::size_t { d, f, i, u, b, s, lon, lat };

struct Made {
    std::vector<Row> rows;
    TablePtr table;
};

/// `memory_share` as of TableStorage: 0 puts all on the scratch disk.
inline Made make(std::size_t count, std::size_t chunk_rows, std::uint32_t seed, BudgetCache& budget, std::size_t memory_share = std::size_t{1} << 30) {
    std::mt19937_64 random(seed);
    const auto below = [&](std::uint64_t n) { return random() % n; };
    Made made;
    auto table = std::make_shared<Table>();
    table->rows = count;
    table->chunk_rows = chunk_rows;
    const std::pair<const char*, ColumnType> kinds[] = {{"d", ColumnType::float64}, {"f", ColumnType::float32}, {"i", ColumnType::int16},    {"u", ColumnType::uint64},
                                                        {"b", ColumnType::boolean}, {"s", ColumnType::string},  {"lon", ColumnType::float64}, {"lat", ColumnType::float64}};
    TableStorage storage(budget, "/tmp", memory_share);
    std::vector<ColumnBuilder> builders;
    for (const auto& [name, type] : kinds) {
        ColumnInfo info;
        info.name = name, info.type = type;
        table->info.columns.push_back(info);
        builders.emplace_back(info, chunk_rows, storage, CancelToken());
    }
    for (std::size_t n = 0; n < count; ++n) {
        Row row;
        if (below(7) != 0) row.d = below(9) == 0 ? std::nan("") : below(3) == 0 ? double(below(5)) - 2 : std::ldexp(double(random()), -60) - 8;
        if (below(9) == 0 && row.d) row.d = below(2) == 0 ? -0.0 : below(2) == 0 ? HUGE_VAL : -HUGE_VAL;
        if (below(7) != 0) row.f = static_cast<float>(below(20)) / 10 - 1;
        if (below(7) != 0) row.i = static_cast<std::int16_t>(below(3) == 0 ? random() : below(6));
        if (below(7) != 0) row.u = below(3) == 0 ? std::numeric_limits<std::uint64_t>::max() - below(3) : below(4);
        row.b = below(2) == 0;
        for (auto length = below(4) * below(5); length > 0; --length) row.s += "abAB\xC3"[below(5)];
        row.lon = static_cast<double>(below(3600)) / 10, row.lat = static_cast<double>(below(1801)) / 10 - 90;
        const auto put = [&](std::size_t column, const auto& value) { value ? builders[column].append(*value) : builders[column].append_null(); };
        put(d, row.d), put(f, row.f), put(i, row.i), put(u, row.u);
        builders[b].append(std::uint8_t{row.b});
        if (row.s.empty()) builders[s].append_null();
        else builders[s].append_text(row.s);
        builders[lon].append(row.lon), builders[lat].append(row.lat);
        made.rows.push_back(std::move(row));
    }
    for (auto& builder : builders) table->columns.push_back(builder.finish());
    made.table = std::move(table);
    return made;
}

inline std::vector<std::uint32_t> rows_of(const TableView& view) {
    std::vector<std::uint32_t> rows(view.rows());
    view.rows(0, rows);
    return rows;
}

} // namespace random_table
