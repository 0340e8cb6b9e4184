#pragma once
/// Conditions on rows as our own methods take them: maps that may be nested. docs/reference.md, "Conditions on rows", has the grammar.

#include "imaging/base/budget_cache.hpp"
#include "imaging/tables/views/row_test.hpp"
#include "rpc/values/value.hpp"
#include "server/session/session.hpp"

#include <functional>

namespace cubelink::server {

/// A condition that has been checked, and of which what takes longer than a command may is left: masks of regions. Null: all rows pass.
using DeferredTest = std::function<imaging::RowTestPtr(imaging::BudgetCache& cache, const imaging::CancelToken& cancel)>;

/// By a command. `where`: null, or a map. Throws BadArguments with the path of what is wrong.
DeferredTest catalog_where(Session& session, const imaging::TablePtr& table, rpc::Value&& where);

} // namespace cubelink::server
