#include "imaging/tables/text_records.hpp"

#include "imaging/tables/cell_text.hpp"
#include "imaging/tables/table.hpp"
#include "imaging/tables/table_options.hpp"

#include <algorithm>

namespace cubelink::imaging {

namespace {

constexpr std::size_t record_limit = std::size_t{16} << 20; // bytes
constexpr std::size_t comment_limit = 10'000, comment_length = 2'000;

bool separates(char c, char delimiter) { return c == delimiter || (delimiter == ' ' && c == '\t'); }

/// Cells of a line without quotes.
template <class Add>
void cut_plain(std::string_view line, char delimiter, Add&& add) {
    if (delimiter == ' ') {
        for (;;) {
            line = without_blanks(line);
            if (line.empty()) return;
            const auto end = line.find_first_of(" \t");
            add(line.substr(0, end));
            line.remove_prefix(std::min(end, line.size()));
        }
    }
    for (;;) {
        const auto end = line.find(delimiter);
        add(without_blanks(line.substr(0, end)));
        if (end == std::string_view::npos) return;
        line.remove_prefix(end + 1);
    }
}

/// Whether it begins and ends with a bar.
bool is_enclosed(std::string_view line) {
    line = without_blanks(line);
    return line.size() > 2 && line.starts_with('|') && line.ends_with('|');
}

/// What is quoted does not count.
std::string without_quoted(std::string_view line) {
    std::string plain;
    bool quoted = false;
    for (const char c : line) {
        if (c == '"') quoted = !quoted;
        else if (!quoted) plain += c;
    }
    return plain;
}

} // namespace

std::optional<TextLine> text_line(InputBuffer& input) {
    TextLine line;
    std::size_t searched = 0;
    for (;;) {
        const auto rest = input.rest();
        const auto end = rest.find('\n', searched);
        if (end != std::string_view::npos) {
            line = {rest.substr(0, end), end + 1};
            break;
        }
        searched = rest.size();
        if (searched > record_limit) throw TableError(input.where() + ": the line is longer than 16 MiB");
        if (input.more()) continue;
        line = {input.rest(), input.rest().size()};
        if (line.text.empty()) return std::nullopt;
        break;
    }
    if (line.text.ends_with('\r')) line.text.remove_suffix(1);
    return line;
}

bool TextRecords::next() {
    input_.consume(std::exchange(used_, 0));
    for (;;) {
        const auto found = text_line(input_);
        if (!found) return false;
        const auto [line, size] = *found;
        if (!begun_ && !bars_.empty() && (line.starts_with('|') || line.starts_with('\\'))) {
            input_.consume(size);
            continue;
        }
        if (line.starts_with('#')) {
            if (!begun_ && comments_.size() < comment_limit) comments_.emplace_back(line.substr(1, comment_length));
            input_.consume(size);
            continue;
        }
        if (std::all_of(line.begin(), line.end(), [](char c) { return c == ' ' || c == '\t'; }) && (delimiter_ != '\t' || line.empty())) {
            input_.consume(size);
            continue;
        }
        if (!begun_ && line.find('\r') != std::string_view::npos) throw TableError(input_.where() + ": lines end with a carriage return alone: save the file with line feeds");
        if (delimiter_ == 0 && bars_.empty()) choose_delimiter(line, input_.rest().substr(size));
        if (!begun_) enclosed_ = delimiter_ == '|' && is_enclosed(line);
        begun_ = true;
        cells_.clear();
        unquoted_.clear();
        if (!bars_.empty()) {
            cut_at_bars(line);
            used_ = size;
        } else if (line.find('"') == std::string_view::npos) {
            cut(line);
            used_ = size;
        } else {
            used_ = cut_quoted();
        }
        if (enclosed_ && cells_.size() > 2 && cells_.front().empty() && cells_.back().empty()) {
            cells_.pop_back();
            cells_.erase(cells_.begin());
        }
        return true;
    }
}

void TextRecords::choose_delimiter(std::string_view line, std::string_view behind) {
    const auto plain = without_quoted(line), next = without_quoted(behind.substr(0, behind.find('\n')));
    const auto count = [](const std::string& text, char c) { return std::count(text.begin(), text.end(), c); };
    delimiter_ = 0;
    for (const char c : {'\t', ',', ';', '|'}) {
        if (count(plain, c) == 0) continue;
        if (delimiter_ == 0) delimiter_ = c;
        if (count(plain, c) != count(next, c)) continue; // "id;x,y" is cut where the next row is, too
        delimiter_ = c;
        return;
    }
    if (delimiter_ != 0) return;
    delimiter_ = ',';
    if (without_blanks(plain).find_first_of(" \t") != std::string_view::npos) delimiter_ = ' ';
}

void TextRecords::cut(std::string_view line) {
    cut_plain(line, delimiter_, [this](std::string_view cell) {
        if (cells_.size() > column_limit)
            throw TableError(input_.where() + ": the row has more than " + std::to_string(column_limit) + " cells");
        cells_.push_back(cell);
    });
}

void TextRecords::cut_at_bars(std::string_view line) {
    overruns_ = bars_.back() < line.size() && !without_blanks(line.substr(bars_.back())).empty();
    for (std::size_t i = 0; i + 1 < bars_.size(); ++i) {
        const auto bar = bars_[i];
        overruns_ = overruns_ || (bar < line.size() && !is_blank(line[bar]));
        cells_.push_back(bar < line.size() ? without_blanks(line.substr(bar + 1, bars_[i + 1] - bar - 1)) : std::string_view{});
    }
}

std::vector<std::string> TextRecords::split(std::string_view line) const {
    std::vector<std::string> cells;
    cut_plain(line, delimiter_, [&](std::string_view cell) {
        if (cells.size() <= column_limit) cells.emplace_back(cell);
    });
    return cells;
}

/// A row with quotes, which may have several lines. Returns its size.
std::size_t TextRecords::cut_quoted() {
    for (bool last = false;;) {
        cells_.clear();
        unquoted_.clear();
        if (const auto size = try_quoted(input_.rest(), last)) return *size;
        if (last) throw TableError(input_.where() + ": the file ends within quotes");
        if (input_.rest().size() > record_limit)
            throw TableError(input_.where() + ": a row is longer than 16 MiB: is a quote without its end?");
        last = !input_.more();
    }
}

/// The size of the row at the beginning of `text`; nothing if it does not end there. `last`: no more text follows.
std::optional<std::size_t> TextRecords::try_quoted(std::string_view text, bool last) {
    for (std::size_t at = 0;; ++at) {
        while (at < text.size() && (text[at] == ' ' || text[at] == '\t') && (text[at] != delimiter_ || delimiter_ == ' ')) ++at;
        if (cells_.size() > column_limit)
            throw TableError(input_.where() + ": the row has more than " + std::to_string(column_limit) + " cells");
        const auto begin = at;
        const bool quoted = at < text.size() && text[at] == '"';
        if (quoted) {
            std::string& cell = unquoted_.emplace_back();
            for (++at;; ++at) {
                const auto quote = text.find('"', at);
                if (quote == std::string_view::npos) return std::nullopt;
                cell += text.substr(at, quote - at);
                at = quote + 1;
                if (at == text.size() || text[at] != '"') break;
                cell += '"';
            }
            cells_.push_back(cell);
        }
        while (at < text.size() && !separates(text[at], delimiter_) && text[at] != '\n') ++at; // what is behind a quoted cell is dropped
        if (!quoted) {
            const auto cell = without_blanks(text.substr(begin, at - begin));
            if (delimiter_ != ' ' || !cell.empty()) cells_.push_back(cell);
        }
        if (at == text.size()) return last ? std::optional(at) : std::nullopt;
        if (text[at] == '\n') return at + 1;
    }
}

} // namespace cubelink::imaging
