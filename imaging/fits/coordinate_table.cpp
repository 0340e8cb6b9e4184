#include "imaging/fits/coordinate_table.hpp"

#include "imaging/fits/table_columns.hpp"

#include <algorithm>
#include <charconv>

namespace cubelink::imaging {

namespace {

/// "(3,128)"; empty if it makes no sense.
std::vector<int> lengths_of(std::string_view text) {
    std::vector<int> lengths;
    if (!text.starts_with('(') || !text.ends_with(')')) return {};
    text = text.substr(1, text.size() - 2);
    while (true) {
        text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
        int length = 0;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), length);
        if (error != std::errc() || length < 1 || lengths.size() > 8) return {};
        lengths.push_back(length);
        text.remove_prefix(static_cast<std::size_t>(end - text.data()));
        text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
        if (text.empty()) return lengths;
        if (text.front() != ',') return {};
        text.remove_prefix(1);
    }
}

std::optional<CoordinateArray> array_of(const CoordinateTable& table, const ArrayRequest& request) {
    const auto shape = table_shape(table.header);
    if (!shape || request.row < 1 || static_cast<std::size_t>(request.row) > table.rows.size() / shape->row_size) return std::nullopt;
    const TableColumn* column = shape->find(request.column);
    // Numbers only: others have no width by which their count is known to lie within the row.
    if (column == nullptr || column->repeat < 1 || std::string_view("BIJKED").find(column->type) == std::string_view::npos) return std::nullopt;
    const auto number = std::to_string(column - shape->columns.data() + 1);
    CoordinateArray array{{static_cast<int>(column->repeat)}, {}};
    if (const auto text = table.header.text("TDIM" + number)) {
        array.lengths = lengths_of(*text);
        std::int64_t product = array.lengths.empty() ? 0 : 1;
        for (const int length : array.lengths) {
            if (__builtin_mul_overflow(product, std::int64_t{length}, &product)) return std::nullopt;
        }
        if (product != column->repeat) return std::nullopt;
    }
    const auto row = std::span(table.rows).subspan(static_cast<std::size_t>(request.row - 1) * shape->row_size, shape->row_size);
    const double scale = table.header.number("TSCAL" + number).value_or(1), zero = table.header.number("TZERO" + number).value_or(0);
    array.values.reserve(static_cast<std::size_t>(column->repeat));
    for (std::size_t i = 0; i < static_cast<std::size_t>(column->repeat); ++i) array.values.push_back(cell_value(*column, row, i) * scale + zero);
    return array;
}

} // namespace

std::set<std::string> coordinate_table_names(const Header& header) {
    std::set<std::string> names;
    for (int axis = 1; axis <= 9; ++axis) {
        const std::string number = std::to_string(axis);
        const auto type = header.text("CTYPE" + number), table = header.text("PS" + number + "_0");
        if (type && type->ends_with("-TAB") && table) names.insert(*table);
    }
    return names;
}

std::optional<CoordinateArray> find_coordinate_array(std::span<const CoordinateTable> tables, const ArrayRequest& request) {
    for (const CoordinateTable& table : tables) {
        const Header& header = table.header;
        if (header.text("EXTNAME") != request.table || header.integer("EXTVER").value_or(1) != request.version || header.integer("EXTLEVEL").value_or(1) != request.level)
            continue;
        if (auto array = array_of(table, request)) return array;
    }
    return std::nullopt;
}

} // namespace cubelink::imaging
