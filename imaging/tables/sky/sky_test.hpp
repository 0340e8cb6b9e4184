#pragma once
/// Conditions on where a row is on the sky.

#include "imaging/tables/sky/sky_columns.hpp"
#include "imaging/tables/views/row_test.hpp"

#include <functional>
#include <span>
#include <string>

namespace cubelink::imaging {

/// Says of each position whether it passes; at most some thousand at once, NaN where there is none. Called by several threads at once.
using PassingPositions = std::function<void(std::span<const SkyPoint> positions, std::span<bool> passes)>;

/// `key`: what `passes` depends on, but for the columns.
RowTestPtr at_positions(const SkyColumns& columns, std::string key, PassingPositions passes);

/// Within `radius` degrees of `center` (in the columns' frame) along the great circle.
RowTestPtr within_cone(const SkyColumns& columns, SkyPoint center, double radius);

} // namespace cubelink::imaging
