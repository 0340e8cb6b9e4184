#pragma once
/// The rows of a table that pass a test, in the order of a sort; and their values, page by page.

#include "imaging/base/budget_cache.hpp"
#include "imaging/base/cancel.hpp"
#include "imaging/base/cancellable_turn.hpp"
#include "imaging/base/scratch_memory.hpp"
#include "imaging/base/thread_share.hpp"
#include "imaging/tables/views/row_test.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace cubelink::imaging {

/// Rows are numbered by 32 bits, in files of catalogs as in the ICD.
inline constexpr std::size_t most_table_rows = 0x7FFFFFFF;

struct ViewSpec {
    RowTestPtr test{};                       // null: all rows pass
    std::optional<std::size_t> sort_column{}; // nothing: the order of the file. REQUIRES: no unsupported column
    bool descending = false;
};

/// Numbers of rows, in memory of the budget or on the scratch disk.
class RowNumbers {
public:
    RowNumbers(std::size_t count, BudgetCache& budget, const std::string& scratch, const CancelToken& cancel);
    std::span<std::uint32_t> writable() { return {reinterpret_cast<std::uint32_t*>(memory_.data()), count_}; }
    std::span<const std::uint32_t> get() const { return {reinterpret_cast<const std::uint32_t*>(memory_.data()), count_}; }
    /// Whether the scratch disk has failed: what was read until now may be zeros.
    bool lost() const { return memory_.lost(); }
    /// Throws TableError if it has. To be called after reading, before what was read is used.
    void check() const;

private:
    std::size_t count_;
    ScratchMemory memory_;
};
using RowNumbersPtr = std::shared_ptr<const RowNumbers>;

/// Immutable; any thread.
class TableView {
public:
    /// `order`: null: all rows of the table as they are.
    TableView(TablePtr table, std::size_t rows, RowNumbersPtr order) : table(std::move(table)), rows_(rows), order_(std::move(order)) {}

    const TablePtr table;
    std::size_t rows() const { return rows_; }
    /// Rows of the table that are out.size() rows of the view from `begin` on. REQUIRES: there are so many. Throws TableError if they are lost; then another view is to
    /// be made.
    void rows(std::size_t begin, std::span<std::uint32_t> out) const;
    bool lost() const { return order_ && order_->lost(); }

private:
    const std::size_t rows_;
    const RowNumbersPtr order_;
};
using TableViewPtr = std::shared_ptr<const TableView>;

/// Appends values of these rows to `out`, in the column's own type, little-endian; booleans as bytes. REQUIRES: a column of numbers or booleans.
/// Throws TableError if the column is lost.
void gather_numbers(const Column& column, std::span<const std::uint32_t> rows, std::string& out);
/// The texts of these rows, which live as long as the column: Column::check() says whether they were read well. REQUIRES: a column of strings. Throws TableError if
/// the column is lost.
void gather_texts(const Column& column, std::span<const std::uint32_t> rows, std::vector<std::string_view>& out);

struct ViewOptions {
    BudgetCache& budget;
    std::string scratch = {}; // folder for what the budget has no room for
    CancelToken cancel = {};
    ThreadShare threads = {};
};

/// Makes views of one table, and keeps what the next one is likely to need: the last view, the rows that its test let pass, and the order of all rows by the
/// columns that were sorted by last. Thread-safe: views are made one at a time, and who waits for another's can be cancelled.
class ViewCache {
public:
    explicit ViewCache(TablePtr table) : table_(std::move(table)) {}

    /// Sorting is stable; missing values and NaN come last, ascending and descending, and texts are ordered by their bytes. Throws OverBudget, ImageError, Cancelled;
    /// TableError if the scratch disk has failed.
    TableViewPtr view(const ViewSpec& spec, const ViewOptions& options);

private:
    struct Passing {
        std::string key;
        std::vector<std::uint64_t> bits; // empty: all
        Reservation memory;
        std::size_t rows = 0;
    };
    struct Order {
        std::size_t column = 0;
        bool descending = false;
        RowNumbersPtr rows;
    };
    const Passing& passing(const RowTestPtr& test, const ViewOptions& options) CUBELINK_REQUIRES(turn_);
    RowNumbersPtr order(const ViewSpec& spec, const Passing& passing, const ViewOptions& options) CUBELINK_REQUIRES(turn_);
    RowNumbersPtr all_in_order(std::size_t column, bool descending, const ViewOptions& options) CUBELINK_REQUIRES(turn_);

    const TablePtr table_;
    CancellableTurn turn_; // taken while a view is made
    std::string key_ CUBELINK_GUARDED_BY(turn_);
    TableViewPtr last_ CUBELINK_GUARDED_BY(turn_);
    Passing passing_ CUBELINK_GUARDED_BY(turn_);
    std::vector<Order> orders_ CUBELINK_GUARDED_BY(turn_); // the newest last
};

/// The rows of a table in order: rows that have a value by that, then those that have none; equal ones as they are in `rows`, which ascend. For ViewCache, and tests.
/// Throws as ViewCache::view() does; what the caller's spans lie in is for the caller to check.
void sort_rows(const Column& column, bool descending, std::span<const std::uint32_t> rows, std::span<std::uint32_t> sorted, const ViewOptions& options);

} // namespace cubelink::imaging
