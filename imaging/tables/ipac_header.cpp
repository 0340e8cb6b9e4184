#include "imaging/tables/ipac_header.hpp"

#include "imaging/tables/cell_text.hpp"
#include "imaging/tables/input_buffer.hpp"
#include "imaging/tables/table_maker.hpp"
#include "imaging/tables/text_records.hpp"
#include "platform/text.hpp"

#include <algorithm>
#include <array>

namespace cubelink::imaging {

namespace {

constexpr std::size_t comment_lines = 10'000, description_limit = 64 << 10;

/// Of a line that begins and ends with a bar, blanks behind it aside; none of others.
std::vector<std::size_t> bars_of(std::string_view line) {
    std::vector<std::size_t> bars;
    while (!line.empty() && is_blank(line.back())) line.remove_suffix(1);
    if (line.size() < 3 || line.front() != '|' || line.back() != '|') return bars;
    for (std::size_t at = 0; at != std::string_view::npos; at = line.find('|', at + 1)) {
        if (bars.size() > column_limit) throw TableError("the table has more than " + std::to_string(column_limit) + " columns");
        bars.push_back(at);
    }
    return bars;
}

std::vector<std::string_view> cells_of(std::string_view line, const std::vector<std::size_t>& bars) {
    std::vector<std::string_view> cells;
    for (std::size_t i = 0; i + 1 < bars.size(); ++i) cells.push_back(without_blanks(line.substr(bars[i] + 1, bars[i + 1] - bars[i] - 1)));
    return cells;
}

/// Dashes may stand for blanks around names, types and units.
std::string_view without_dashes(std::string_view text) {
    const auto begin = text.find_first_not_of("- ");
    if (begin == std::string_view::npos) return {};
    return text.substr(begin, text.find_last_not_of("- ") - begin + 1);
}

/// Types may be cut short.
std::optional<ColumnType> type_of(std::string_view name) {
    static constexpr std::pair<std::string_view, ColumnType> types[] = {{"integer", ColumnType::int64},  {"long", ColumnType::int64},    {"float", ColumnType::float64}, {"real", ColumnType::float64},
                                                                        {"double", ColumnType::float64}, {"character", ColumnType::string}, {"date", ColumnType::string}};
    const auto lower = platform::lower_case(without_dashes(name));
    if (lower.empty()) return std::nullopt;
    for (const auto& [whole, type] : types)
        if (whole.starts_with(lower)) return type;
    return std::nullopt;
}

} // namespace

std::optional<IpacHeader> read_ipac_header(std::unique_ptr<ByteFeed> feed) {
    InputBuffer input(std::move(feed));
    IpacHeader header;
    std::string first;
    std::size_t lines = 0; // with bars
    bool said_so = false;  // by a line that only such tables have
    for (std::size_t comments = 0;;) {
        // Other kinds of tables are known by their first byte.
        if (!input.more_until(1)) break;
        const char begin = input.rest().front();
        if (begin != '\\' && begin != '|' && !(lines > 0 || begin == '\n' || begin == '\r')) return std::nullopt;
        if (begin != '|' && lines > 0) break;
        const auto line = text_line(input);
        if (begin == '\\') {
            said_so = true;
            const auto text = without_blanks(line->text.substr(1));
            if (++comments <= comment_lines && !text.empty() && header.description.size() < description_limit)
                header.description += (header.description.empty() ? "" : "\n") + clipped(text, 1000);
        } else if (begin == '|') {
            const auto bars = bars_of(line->text);
            if (bars.size() < 2 && lines == 0) return std::nullopt;
            if (bars.size() != (lines == 0 ? bars.size() : header.bars.size())) {
                if (!said_so) return std::nullopt;
                throw TableError(input.where() + ": the header of the table has " + std::to_string(header.bars.size()) + " bars in its first line, and other ones here");
            }
            const auto cells = cells_of(line->text, bars);
            if (lines == 0) {
                header.bars = bars;
                for (const auto cell : cells) {
                    const auto name = without_dashes(cell);
                    header.columns.emplace_back().name = name.empty() ? "column " + std::to_string(header.columns.size()) : clipped(name, 1000);
                }
                header.nulls.resize(header.columns.size());
            } else if (lines == 1) {
                for (std::size_t i = 0; i < cells.size(); ++i) {
                    const auto type = type_of(cells[i]);
                    if (!type && !said_so) return std::nullopt; // a table with bars between its cells
                    if (!type) throw TableError(input.where() + ": column \"" + header.columns[i].name + "\": the type \"" + clipped(cells[i], 60) + "\" is none of IPAC's");
                    header.columns[i].type = *type;
                    header.columns[i].source_type = without_dashes(cells[i]);
                }
                header.typed = said_so = true;
            } else {
                for (std::size_t i = 0; i < cells.size(); ++i) {
                    if (lines == 2) header.columns[i].unit = clipped(without_dashes(cells[i]), 100);
                    else if (lines == 3 && !cells[i].empty()) header.nulls[i] = clipped(cells[i], 1000);
                }
            }
            ++lines;
        }
        input.consume(line->size);
    }
    if (lines == 0) return std::nullopt;
    if (said_so) return header;
    // One line with bars may be that of a table with bars between its cells.
    const auto row = text_line(input);
    if (!row || std::any_of(header.bars.begin(), header.bars.end(), [&](std::size_t bar) { return bar < row->text.size() && !is_blank(row->text[bar]); })) return std::nullopt;
    return header;
}

} // namespace cubelink::imaging
