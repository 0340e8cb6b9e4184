// Sorting by blocks: each is sorted by one thread, samples of all say where the sorted whole is cut, and each piece of it is merged by one thread. So all steps
// run on all threads, and none of them is longer than the sort of a block.
//
// Texts, rows and items may lie on a scratch disk that fails, and become zeros between any two steps. Then the order is wrong, which is seen at the end; but no step
// may leave the bounds of its memory on that account: std::sort may, when an order changes under it.

#include "imaging/base/parallel.hpp"
#include "imaging/tables/views/table_view.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <optional>
#include <type_traits>

namespace cubelink::imaging {

namespace {

/// A row with what it is sorted by: unsigned numbers in the order of the values; of texts the first eight bytes.
struct Item {
    std::uint64_t key;
    std::uint32_t row;
};

/// Unsigned numbers in the order of the values. Zeros of both signs are equal.
template <class T>
std::uint64_t key_of(T value) {
    if constexpr (std::is_floating_point_v<T>) {
        const auto bits = std::bit_cast<std::uint64_t>(static_cast<double>(value) + 0.0);
        return bits >> 63 ? ~bits : bits | std::uint64_t{1} << 63;
    } else if constexpr (std::is_signed_v<T>) {
        return static_cast<std::uint64_t>(static_cast<std::int64_t>(value)) ^ std::uint64_t{1} << 63;
    } else {
        return value;
    }
}

std::uint64_t key_of_text(std::string_view text) {
    unsigned char bytes[8] = {};
    std::memcpy(bytes, text.data(), std::min<std::size_t>(8, text.size()));
    std::uint64_t key = 0;
    for (const auto byte : bytes) key = key << 8 | byte;
    return key;
}

std::string_view text_of(const Column& column, std::uint32_t row) {
    return column.texts(row / column.chunk_rows())[row % column.chunk_rows()];
}

[[noreturn]] void throw_lost() { throw TableError("the disk with the scratch folder has failed while rows were sorted"); }

/// Sorted items that follow each other, the first from runs[0] to runs[1], become one. `buffer` has the size of `items`.
template <class Less>
void merge_runs(std::vector<Item>& items, std::vector<Item>& buffer, std::vector<std::size_t> runs, const CancelToken& cancel, Less less) {
    while (runs.size() > 2) {
        std::vector<std::size_t> next{0};
        for (std::size_t i = 0; i + 1 < runs.size(); i += 2) {
            cancel.throw_if_cancelled();
            const auto at = [&](std::size_t run) { return items.begin() + static_cast<std::ptrdiff_t>(runs[std::min(run, runs.size() - 1)]); };
            std::merge(at(i), at(i + 1), at(i + 1), at(i + 2), buffer.begin() + static_cast<std::ptrdiff_t>(runs[i]), less);
            next.push_back(runs[std::min(i + 2, runs.size() - 1)]);
        }
        items.swap(buffer);
        runs = std::move(next);
    }
}

/// Within its bounds, whatever `less` says. For few.
template <class Less>
void insertion_sort(std::span<Item> items, Less less) {
    for (std::size_t i = 1; i < items.size(); ++i) {
        const auto item = items[i];
        auto to = i;
        for (; to > 0 && less(item, items[to - 1]); --to) items[to] = items[to - 1];
        items[to] = item;
    }
}

/// Rows of one block that a thread sorts: some 20 ms, but for tables of which that would be more blocks than is sensible.
std::size_t block_rows_of(std::size_t rows) { return std::max<std::size_t>(std::size_t{1} << 17, (rows + 255) / 256); }

/// Whether a row has a value, and its key.
template <class Use>
void for_each_key(const Column& column, std::span<const std::uint32_t> rows, Use&& use) {
    const auto each = [&](auto&& key, auto&& missing) {
        for (const auto row : rows) use(row, missing(row) ? std::nullopt : std::optional(key(row)));
    };
    if (column.info.type == ColumnType::string)
        return each([&](std::uint32_t row) { return key_of_text(text_of(column, row)); }, [&](std::uint32_t row) { return text_of(column, row).empty(); });
    const auto mask = column.chunk_rows() - 1;
    std::size_t at = 0;
    while (at < rows.size()) {
        const auto chunk = rows[at] / column.chunk_rows();
        auto end = at;
        while (end < rows.size() && rows[end] / column.chunk_rows() == chunk) ++end;
        const bool nulls = column.has_nulls(chunk);
        with_numbers(column, chunk, [&](const auto& values) {
            using T = std::remove_cvref_t<decltype(values[0])>;
            for (; at < end; ++at) {
                const auto value = values[rows[at] & mask];
                bool missing = nulls && column.is_null(rows[at]);
                if constexpr (std::is_floating_point_v<T>) missing = missing || std::isnan(value);
                use(rows[at], missing ? std::nullopt : std::optional(key_of(value)));
            }
        });
    }
}

class Sorter {
public:
    Sorter(const Column& column, bool descending, const ViewOptions& options)
        : column_(column), texts_(column.info.type == ColumnType::string), descending_(descending), options_(options) {}

    void sort(std::span<const std::uint32_t> rows, std::span<std::uint32_t> sorted) const {
        const auto block_rows = block_rows_of(rows.size());
        const auto parts = (rows.size() + block_rows - 1) / block_rows;
        const auto part_of = [&](std::size_t part) { return rows.subspan(part * block_rows, std::min(block_rows, rows.size() - part * block_rows)); };
        std::vector<std::size_t> starts(parts + 1, 0); // of items that have a value
        parallel_for(options_.threads, static_cast<std::int64_t>(parts), options_.cancel, [&](std::int64_t part, int) {
            std::size_t count = 0;
            for_each_key(column_, part_of(static_cast<std::size_t>(part)), [&](std::uint32_t, std::optional<std::uint64_t> key) { count += key ? 1u : 0u; });
            starts[static_cast<std::size_t>(part) + 1] = count;
        });
        for (std::size_t part = 0; part < parts; ++part) starts[part + 1] += starts[part];
        const auto valued = starts[parts];
        ScratchMemory memory(std::max<std::size_t>(1, valued) * sizeof(Item), options_.budget, options_.scratch, options_.cancel);
        const std::span<Item> items(reinterpret_cast<Item*>(memory.data()), valued);
        parallel_for(options_.threads, static_cast<std::int64_t>(parts), options_.cancel, [&](std::int64_t number, int) {
            const auto part = static_cast<std::size_t>(number);
            const auto rows_here = part_of(part);
            const auto count = starts[part + 1] - starts[part];
            const auto reserved = options_.budget.reserve(std::max<std::size_t>(1, count) * (count > rows_at_once() ? 2 : 1) * sizeof(Item), options_.cancel);
            std::vector<Item> block;
            block.reserve(count);
            auto missing = valued + part * block_rows - starts[part];
            const auto missing_end = missing + rows_here.size() - count;
            for_each_key(column_, rows_here, [&](std::uint32_t row, std::optional<std::uint64_t> key) {
                if (key && block.size() < count) block.push_back({descending_ ? ~*key : *key, row});
                else if (!key && missing < missing_end) sorted[missing++] = row;
            });
            if (block.size() != count || missing != missing_end) throw_lost();
            sort_block(block);
            std::copy(block.begin(), block.end(), items.begin() + static_cast<std::ptrdiff_t>(starts[part]));
        });
        merge(items, starts, sorted.first(valued));
        if (memory.lost()) throw_lost();
        column_.check();
    }

private:
    /// A total order: equal values are in the order of their rows.
    bool before(const Item& a, const Item& b) const {
        if (a.key != b.key) return a.key < b.key;
        if (texts_)
            if (const auto order = text_of(column_, a.row).compare(text_of(column_, b.row)); order != 0) return descending_ ? order > 0 : order < 0;
        return a.row < b.row;
    }

    /// Rows that are sorted before they are merged with others.
    std::size_t rows_at_once() const { return texts_ ? 16 : std::size_t{1} << 17; }

    void sort_block(std::vector<Item>& block) const {
        std::vector<std::size_t> runs{0};
        while (runs.back() < block.size()) {
            options_.cancel.throw_if_cancelled();
            const auto run = std::span(block).subspan(runs.back(), std::min(rows_at_once(), block.size() - runs.back()));
            const auto less = [this](const Item& a, const Item& b) { return before(a, b); };
            if (texts_) insertion_sort(run, less);
            else std::sort(run.begin(), run.end(), less);
            runs.push_back(runs.back() + run.size());
        }
        if (runs.size() <= 2) return;
        std::vector<Item> buffer(block.size());
        merge_runs(block, buffer, std::move(runs), options_.cancel, [this](const Item& a, const Item& b) { return before(a, b); });
    }

    /// Sorted blocks become one, of which only the rows are kept.
    void merge(std::span<const Item> items, const std::vector<std::size_t>& starts, std::span<std::uint32_t> sorted) const {
        const auto blocks = starts.size() - 1;
        if (blocks <= 1) {
            for (std::size_t i = 0; i < items.size(); ++i) sorted[i] = items[i].row;
            return;
        }
        const auto less = [this](const Item& a, const Item& b) { return before(a, b); };
        // Regular samples of each block, so that no piece of the whole is much larger than a block.
        std::vector<Item> samples;
        for (std::size_t block = 0; block < blocks; ++block)
            for (std::size_t i = 1; i < blocks; ++i)
                if (const auto size = starts[block + 1] - starts[block]; size > 0) samples.push_back(items[starts[block] + size * i / blocks]);
        sort_block(samples);
        // cuts[p * blocks + b]: where piece p begins in block b.
        std::vector<std::size_t> cuts((blocks + 1) * blocks);
        std::vector<std::size_t> begins(blocks + 1, 0); // of pieces, in the whole
        parallel_for(options_.threads, static_cast<std::int64_t>(blocks) + 1, options_.cancel, [&](std::int64_t number, int) {
            const auto piece = static_cast<std::size_t>(number);
            for (std::size_t block = 0; block < blocks; ++block) {
                auto cut = starts[block];
                if (piece == blocks) cut = starts[block + 1];
                else if (piece > 0 && !samples.empty()) {
                    const auto first = items.begin() + static_cast<std::ptrdiff_t>(starts[block]), last = items.begin() + static_cast<std::ptrdiff_t>(starts[block + 1]);
                    cut = static_cast<std::size_t>(std::lower_bound(first, last, samples[samples.size() * piece / blocks], less) - items.begin());
                }
                cuts[piece * blocks + block] = cut;
                begins[piece] += cut - starts[block];
            }
        });
        for (std::size_t i = 0; i < blocks * blocks; ++i)
            if (cuts[i + blocks] < cuts[i]) throw_lost();
        parallel_for(options_.threads, static_cast<std::int64_t>(blocks), options_.cancel, [&](std::int64_t number, int) {
            const auto piece = static_cast<std::size_t>(number);
            merge_piece(items, &cuts[piece * blocks], &cuts[(piece + 1) * blocks], blocks, sorted.subspan(begins[piece], begins[piece + 1] - begins[piece]));
        });
    }

    void merge_piece(std::span<const Item> items, const std::size_t* from, const std::size_t* to, std::size_t blocks, std::span<std::uint32_t> sorted) const {
        const auto less = [this](const Item& a, const Item& b) { return before(a, b); };
        const auto memory = options_.budget.reserve(std::max<std::size_t>(1, sorted.size()) * 2 * sizeof(Item), options_.cancel);
        std::vector<Item> items_here, merged(sorted.size());
        items_here.reserve(sorted.size());
        std::vector<std::size_t> runs{0};
        for (std::size_t block = 0; block < blocks; ++block) {
            if (from[block] == to[block]) continue;
            items_here.insert(items_here.end(), items.begin() + static_cast<std::ptrdiff_t>(from[block]), items.begin() + static_cast<std::ptrdiff_t>(to[block]));
            runs.push_back(items_here.size());
        }
        merge_runs(items_here, merged, std::move(runs), options_.cancel, less);
        for (std::size_t i = 0; i < sorted.size(); ++i) sorted[i] = items_here[i].row;
    }

    const Column& column_;
    const bool texts_, descending_;
    const ViewOptions& options_;
};

} // namespace

void sort_rows(const Column& column, bool descending, std::span<const std::uint32_t> rows, std::span<std::uint32_t> sorted, const ViewOptions& options) {
    Sorter(column, descending, options).sort(rows, sorted);
}

} // namespace cubelink::imaging
