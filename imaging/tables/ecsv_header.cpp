#include "imaging/tables/ecsv_header.hpp"

#include "imaging/tables/cell_text.hpp"
#include "imaging/tables/table_maker.hpp"

#include <array>
#include <string_view>
#include <utility>

namespace cubelink::imaging {

namespace {

ColumnType type_of(std::string_view name) {
    constexpr std::array<std::pair<std::string_view, ColumnType>, 13> names{{{"bool", ColumnType::boolean},
                                                                             {"int8", ColumnType::int8},
                                                                             {"int16", ColumnType::int16},
                                                                             {"int32", ColumnType::int32},
                                                                             {"int64", ColumnType::int64},
                                                                             {"uint8", ColumnType::uint8},
                                                                             {"uint16", ColumnType::uint16},
                                                                             {"uint32", ColumnType::uint32},
                                                                             {"uint64", ColumnType::uint64},
                                                                             {"float16", ColumnType::float32},
                                                                             {"float32", ColumnType::float32},
                                                                             {"float64", ColumnType::float64},
                                                                             {"string", ColumnType::string}}};
    for (const auto& [known, type] : names)
        if (known == name) return type;
    return ColumnType::string;
}

/// A scalar as it stands before ',' or '}' of a flow mapping, or up to the end of a line; `text` loses it.
std::string take_scalar(std::string_view& text, bool flow) {
    text = without_blanks(text);
    std::string value;
    if (text.starts_with('\'') || text.starts_with('"')) {
        const char quote = text.front();
        text.remove_prefix(1);
        while (!text.empty()) {
            const char c = text.front();
            text.remove_prefix(1);
            if (c == quote && !(quote == '\'' && text.starts_with('\''))) break;
            if (c == quote) text.remove_prefix(1); // doubled
            value += c;
        }
        return value;
    }
    const auto end = flow ? text.find_first_of(",}") : std::string_view::npos;
    value = without_blanks(text.substr(0, end));
    text.remove_prefix(std::min(end, text.size()));
    return value;
}

void set(ColumnInfo& column, std::string_view key, const std::string& value) {
    constexpr std::size_t limit = 10'000;
    if (key == "name") column.name = clipped(value, limit);
    else if (key == "unit") column.unit = clipped(value, limit);
    else if (key == "description") column.description = clipped(value, limit);
    else if (key == "datatype") {
        column.source_type = clipped(value, 100);
        column.type = type_of(value);
    } else if (key == "subtype") {
        column.source_type += " " + clipped(value, 100);
    }
}

/// "name: ra, unit: deg, …}" or "name: ra".
void read_entries(ColumnInfo& column, std::string_view text, bool flow) {
    for (;;) {
        text = without_blanks(text);
        const auto colon = text.find(':');
        if (colon == std::string_view::npos) return;
        const auto key = without_blanks(text.substr(0, colon));
        text.remove_prefix(colon + 1);
        text = without_blanks(text);
        if (text.starts_with('!') || text.starts_with('{') || text.starts_with('['))
            return; // tagged or nested: nothing that a column shows
        set(column, key, take_scalar(text, flow));
        text = without_blanks(text);
        if (!flow || !text.starts_with(',')) return;
        text.remove_prefix(1);
    }
}

} // namespace

bool is_ecsv(const std::vector<std::string>& comments) {
    return !comments.empty() && without_blanks(comments.front()).starts_with("%ECSV");
}

EcsvHeader read_ecsv_header(const std::vector<std::string>& comments) {
    EcsvHeader header;
    bool in_columns = false;
    for (const std::string& comment : comments) {
        std::string_view line = comment;
        if (line.starts_with(' ')) line.remove_prefix(1);
        const auto text = without_blanks(line);
        if (text.starts_with("delimiter:")) {
            auto rest = text.substr(10);
            const auto value = take_scalar(rest, false);
            if (value == ",") header.delimiter = ',';
            continue;
        }
        if (text == "datatype:") {
            in_columns = true;
            continue;
        }
        if (!in_columns) continue;
        if (text.starts_with("- ") || text == "-") {
            if (header.columns.size() > column_limit) break;
            header.columns.emplace_back().type = ColumnType::string;
            auto rest = without_blanks(text.substr(1));
            const bool flow = rest.starts_with('{');
            if (flow) rest.remove_prefix(1);
            read_entries(header.columns.back(), rest, flow);
        } else if (line.starts_with("  ") && !header.columns.empty()) {
            read_entries(header.columns.back(), text, false);
        } else {
            in_columns = false;
        }
    }
    return header;
}

} // namespace cubelink::imaging
