#pragma once
/// How a table is read. A plain value.

#include "imaging/base/budget_cache.hpp"
#include "imaging/base/cancel.hpp"
#include "imaging/base/thread_share.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>

namespace cubelink::imaging {

struct TableOptions {
    BudgetCache& budget;
    std::string scratch = {};                                          // folder for what the budget has no room for
    std::size_t memory_share = std::size_t{256} << 20;                 // of the budget, that one table may take
    std::string name = {};                                             // of the file, in messages; empty: the last part of its path
    std::int64_t most_rows = std::numeric_limits<std::int64_t>::max(); // reading ends after so many; 0: the header only
    CancelToken cancel = {};
    /// Share of the file that has been read, from 0 to 1. Called by the thread that reads, some times for each MiB.
    std::function<void(double)> progress = {};
    ThreadShare threads = {};
};

/// More is refused: each column has a cost, in clients too.
inline constexpr std::size_t column_limit = 10'000;

} // namespace cubelink::imaging
