#include "imaging/tables/views/table_view.hpp"

#include "imaging/base/parallel.hpp"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstring>
#include <numeric>

namespace cubelink::imaging {

namespace {

/// Orders of all rows that a table keeps.
constexpr std::size_t kept_orders = 2;
/// Rows that a thread works on at once.
constexpr std::size_t rows_at_once = 65536;

constexpr const char* order_lost = "the disk with the scratch folder has failed, the order of the rows is lost: ask for them again";

std::size_t words_for(std::size_t rows) { return (rows + 63) / 64; }

/// Fills `out` with the elements of `from` that pass, in their order: as many as it has room for.
template <class From, class Passes>
void select(std::size_t count, std::span<std::uint32_t> out, const ViewOptions& options, From&& from, Passes&& passes) {
    const auto parts = (count + rows_at_once - 1) / rows_at_once;
    std::vector<std::size_t> starts(parts + 1, 0);
    const auto range = [&](std::size_t part) { return std::pair(part * rows_at_once, std::min(count, (part + 1) * rows_at_once)); };
    parallel_for(options.threads, static_cast<std::int64_t>(parts), options.cancel, [&](std::int64_t part, int) {
        const auto bounds = range(static_cast<std::size_t>(part));
        std::size_t n = 0;
        for (auto i = bounds.first; i < bounds.second; ++i) n += passes(from(i)) ? 1u : 0u;
        starts[static_cast<std::size_t>(part) + 1] = n;
    });
    std::partial_sum(starts.begin(), starts.end(), starts.begin());
    if (starts.back() != out.size()) throw TableError(order_lost); // rows were zeros
    parallel_for(options.threads, static_cast<std::int64_t>(parts), options.cancel, [&](std::int64_t part, int) {
        const auto bounds = range(static_cast<std::size_t>(part));
        auto at = starts[static_cast<std::size_t>(part)];
        const auto end = starts[static_cast<std::size_t>(part) + 1]; // more may pass now, where rows are read from a disk that has just failed
        for (auto i = bounds.first; i < bounds.second && at < end; ++i)
            if (const auto row = from(i); passes(row)) out[at++] = row;
    });
}

bool is_set(const std::vector<std::uint64_t>& bits, std::uint32_t row) { return (bits[row / 64] >> (row % 64) & 1) != 0; }

template <class T>
void gather(const Column& column, std::span<const std::uint32_t> rows, char* out) {
    const auto shift = std::countr_zero(column.chunk_rows());
    const auto mask = column.chunk_rows() - 1;
    std::size_t chunk = column.chunks();
    std::span<const T> values;
    for (const auto row : rows) {
        if (const std::size_t here = row >> shift; here != chunk) values = column.values<T>(chunk = here);
        std::memcpy(out, &values[row & mask], sizeof(T));
        out += sizeof(T);
    }
}

} // namespace

RowNumbers::RowNumbers(std::size_t count, BudgetCache& budget, const std::string& scratch, const CancelToken& cancel)
    : count_(count), memory_(std::max<std::size_t>(1, count) * sizeof(std::uint32_t), budget, scratch, cancel) {}

void RowNumbers::check() const {
    if (lost()) throw TableError(order_lost);
}

void TableView::rows(std::size_t begin, std::span<std::uint32_t> out) const {
    if (!order_) return std::iota(out.begin(), out.end(), static_cast<std::uint32_t>(begin));
    std::copy_n(order_->get().begin() + static_cast<std::ptrdiff_t>(begin), out.size(), out.begin());
    order_->check();
}

void gather_numbers(const Column& column, std::span<const std::uint32_t> rows, std::string& out) {
    const auto size = size_of(column.info.type);
    const auto at = out.size();
    out.resize(at + rows.size() * size);
    switch (size) {
    case 1: gather<std::uint8_t>(column, rows, out.data() + at); break;
    case 2: gather<std::uint16_t>(column, rows, out.data() + at); break;
    case 4: gather<std::uint32_t>(column, rows, out.data() + at); break;
    default: gather<std::uint64_t>(column, rows, out.data() + at);
    }
    column.check();
}

void gather_texts(const Column& column, std::span<const std::uint32_t> rows, std::vector<std::string_view>& out) {
    const auto shift = std::countr_zero(column.chunk_rows());
    const auto mask = column.chunk_rows() - 1;
    std::size_t chunk = column.chunks();
    Column::Texts texts;
    out.reserve(out.size() + rows.size());
    for (const auto row : rows) {
        if (const std::size_t here = row >> shift; here != chunk) texts = column.texts(chunk = here);
        out.push_back(texts[row & mask]);
    }
    column.check();
}

TableViewPtr ViewCache::view(const ViewSpec& spec, const ViewOptions& options) {
    const TakenTurn taken(turn_, options.cancel);
    auto key = (spec.sort_column ? std::to_string(*spec.sort_column) + (spec.descending ? ">" : "<") : std::string()) + "|" + (spec.test ? spec.test->key() : std::string());
    if (last_ && key == key_ && !last_->lost()) return last_;
    last_.reset();
    std::erase_if(orders_, [](const Order& order) { return order.rows->lost(); });
    const auto& passed = passing(spec.test, options);
    auto made = std::make_shared<const TableView>(table_, passed.rows, order(spec, passed, options));
    key_ = std::move(key);
    last_ = made;
    return made;
}

const ViewCache::Passing& ViewCache::passing(const RowTestPtr& test, const ViewOptions& options) {
    auto key = test ? test->key() : std::string();
    if (!test) {
        passing_ = {};
        passing_.rows = table_->rows;
        return passing_;
    }
    if (!passing_.bits.empty() && passing_.key == key) return passing_;
    passing_ = {};
    Passing made;
    made.key = std::move(key);
    const auto words = words_for(table_->rows);
    made.memory = options.budget.reserve(std::max<std::size_t>(1, words * sizeof(std::uint64_t)), options.cancel);
    made.bits.assign(std::max<std::size_t>(1, words), 0);
    // Chunks may be small: a thread takes several. Each has whole words, but for the last one.
    const auto chunks = (table_->rows + table_->chunk_rows - 1) / table_->chunk_rows;
    const auto at_once = std::max<std::size_t>(1, rows_at_once / table_->chunk_rows);
    std::atomic<std::size_t> rows{0};
    parallel_for(options.threads, static_cast<std::int64_t>((chunks + at_once - 1) / at_once), options.cancel, [&](std::int64_t part, int) {
        const auto begin = static_cast<std::size_t>(part) * at_once, end = std::min(chunks, begin + at_once);
        std::vector<std::uint64_t> bits;
        std::size_t count = 0;
        for (auto chunk = begin; chunk < end; ++chunk) {
            options.cancel.throw_if_cancelled();
            const auto first = chunk * table_->chunk_rows, n = std::min(table_->chunk_rows, table_->rows - first);
            bits.assign(words_for(n), ~std::uint64_t{0});
            if (n % 64 != 0) bits.back() = (std::uint64_t{1} << (n % 64)) - 1;
            test->apply(*table_, chunk, bits, options.cancel);
            if (n % 64 != 0) bits.back() &= (std::uint64_t{1} << (n % 64)) - 1;
            for (const auto word : bits) count += static_cast<std::size_t>(std::popcount(word));
            std::copy(bits.begin(), bits.end(), made.bits.begin() + static_cast<std::ptrdiff_t>(first / 64));
        }
        rows += count;
    });
    made.rows = rows;
    check_columns(*table_); // nobody knows here which of them the test has read
    passing_ = std::move(made);
    return passing_;
}

RowNumbersPtr ViewCache::order(const ViewSpec& spec, const Passing& passed, const ViewOptions& options) {
    const auto all = table_->rows;
    const bool everything = passed.rows == all;
    const auto passes = [&passed](std::uint32_t row) { return is_set(passed.bits, row); };
    const auto selected = [&](auto&& from) {
        auto rows = std::make_shared<RowNumbers>(passed.rows, options.budget, options.scratch, options.cancel);
        select(all, rows->writable(), options, from, passes);
        rows->check();
        return rows;
    };
    const auto in_file_order = [](std::size_t i) { return static_cast<std::uint32_t>(i); };
    if (!spec.sort_column) return everything ? nullptr : selected(in_file_order);
    const auto known = std::find_if(orders_.begin(), orders_.end(), [&](const Order& o) { return o.column == *spec.sort_column && o.descending == spec.descending; });
    // A few rows are sorted alone; the order of all is worth keeping.
    if (known == orders_.end() && passed.rows < all / 4) {
        const auto rows = selected(in_file_order);
        auto sorted = std::make_shared<RowNumbers>(passed.rows, options.budget, options.scratch, options.cancel);
        sort_rows(*table_->columns[*spec.sort_column], spec.descending, rows->get(), sorted->writable(), options);
        rows->check();
        sorted->check();
        return sorted;
    }
    const auto ordered = all_in_order(*spec.sort_column, spec.descending, options);
    if (everything) return ordered;
    auto rows = selected([rows = ordered->get()](std::size_t i) { return rows[i]; });
    ordered->check();
    return rows;
}

RowNumbersPtr ViewCache::all_in_order(std::size_t column, bool descending, const ViewOptions& options) {
    const auto known = std::find_if(orders_.begin(), orders_.end(), [&](const Order& o) { return o.column == column && o.descending == descending; });
    if (known != orders_.end()) {
        std::rotate(known, known + 1, orders_.end());
        return orders_.back().rows;
    }
    if (orders_.size() >= kept_orders) orders_.erase(orders_.begin());
    RowNumbers all(table_->rows, options.budget, options.scratch, options.cancel);
    std::iota(all.writable().begin(), all.writable().end(), 0u);
    auto sorted = std::make_shared<RowNumbers>(table_->rows, options.budget, options.scratch, options.cancel);
    sort_rows(*table_->columns[column], descending, all.get(), sorted->writable(), options);
    all.check();
    sorted->check();
    orders_.push_back({column, descending, sorted});
    return sorted;
}

} // namespace cubelink::imaging
