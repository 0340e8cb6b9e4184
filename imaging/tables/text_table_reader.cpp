#include "imaging/tables/text_table_reader.hpp"

#include "imaging/tables/cell_text.hpp"
#include "imaging/tables/ecsv_header.hpp"
#include "imaging/tables/ipac_header.hpp"
#include "imaging/tables/table_maker.hpp"
#include "imaging/tables/text_cells.hpp"
#include "imaging/tables/text_records.hpp"
#include "platform/utf8.hpp"

#include <algorithm>
#include <limits>
#include <utility>

namespace cubelink::imaging {

namespace {

constexpr std::size_t look_rows = 10'000; // of the first look

/// A cell that says that there is no value.
bool is_missing(std::string_view cell) {
    using namespace std::string_view_literals;
    if (cell.empty()) return true;
    for (const auto word : {"null"sv, "NULL"sv, "--"sv, "N/A"sv, "n/a"sv})
        if (cell == word) return true;
    return false;
}

bool is_digits(std::string_view cell) {
    if (cell.starts_with('-') || cell.starts_with('+')) cell.remove_prefix(1);
    return !cell.empty() && std::all_of(cell.begin(), cell.end(), [](char c) { return c >= '0' && c <= '9'; });
}

bool is_number(std::string_view cell) {
    double value = 0;
    return parse_real(cell, value);
}

/// What all cells of a column that were seen can be.
class Guess {
public:
    void see(std::string_view cell) {
        if (is_missing(cell)) return;
        any_ = true;
        std::int64_t integer = 0;
        std::uint8_t yes = 0;
        const bool digits = is_digits(cell);
        const bool fits = digits && parse_integer(cell, integer);
        std::uint64_t natural = 0;
        integers_ = integers_ && fits;
        naturals_ = naturals_ && digits && parse_integer(cell, natural);
        // A number with more digits than 64 bits hold is a name.
        reals_ = reals_ && (digits ? fits : is_number(cell));
        booleans_ = booleans_ && !digits && parse_boolean(cell, yes);
    }
    /// Whether there was a value at all.
    bool seen() const { return any_; }
    ColumnType type() const {
        if (!any_) return ColumnType::string;
        return integers_ ? ColumnType::int64 : naturals_ ? ColumnType::uint64 : reals_ ? ColumnType::float64 : booleans_ ? ColumnType::boolean : ColumnType::string;
    }

private:
    bool any_ = false, integers_ = true, naturals_ = true, reals_ = true, booleans_ = true;
};

/// The first look was too short: a later cell is of another type.
struct WrongGuess {};

class Reader {
public:
    Reader(const OpenText& open, const TableOptions& options) : open_(open), options_(options) {}

    TablePtr run() {
        look(look_rows);
        if (!whole_ && options_.most_rows > static_cast<std::int64_t>(look_rows)) {
            try {
                return read(true);
            } catch (const WrongGuess&) {
                look(std::numeric_limits<std::size_t>::max());
            }
        }
        return read(false);
    }

private:
    /// Reads the header and guesses the columns' types from so many rows.
    void look(std::size_t rows) {
        TextRecords records(open_(false));
        columns_.clear();
        read_header(records);
        std::vector<Guess> guesses(columns_.size());
        whole_ = true;
        for (std::size_t row = 0; next(records); ++row) {
            if (row == rows) {
                whole_ = false;
                break;
            }
            const auto& cells = records.cells();
            // Sentences are no table.
            if (records.delimiter() == ' ' && !ecsv_ && cells.size() != columns_.size())
                throw TableError("this is no table that can be read: row " + std::to_string(row + 1) + " (" + records.where() + ") has " +
                                 std::to_string(cells.size()) + " cells between blanks, the first row has " +
                                 std::to_string(columns_.size()));
            for (std::size_t i = 0; i < std::min(cells.size(), guesses.size()); ++i)
                if (!ipac_ || cells[i] != ipac_->nulls[i]) guesses[i].see(cells[i]);
        }
        seen_.assign(columns_.size(), true);
        for (std::size_t i = 0; i < columns_.size() && !typed_; ++i) {
            seen_[i] = guesses[i].seen();
            columns_[i].type = guesses[i].type();
            columns_[i].source_type = columns_[i].type == ColumnType::string ? "text" : std::string(name_of(columns_[i].type));
        }
    }

    /// Rows that the header took and that belong to the table come again.
    bool next(TextRecords& records) {
        if (!again_) return records.next();
        again_ = false;
        return true;
    }

    /// Sets columns_ with names. Afterwards next() gives the first row of the table.
    void read_header(TextRecords& records) {
        again_ = false;
        // The comments come with the first row, but their header says how that is cut.
        typed_ = false;
        if (first_look_) ipac_ = read_ipac_header(open_(false));
        if (ipac_) {
            first_look_ = false;
            records.set_bars(ipac_->bars);
            columns_ = ipac_->columns;
            typed_ = ipac_->typed;
            description_ = ipac_->description;
            return;
        }
        if (first_look_) {
            TextRecords first(open_(false));
            first.set_delimiter(',');
            if (!first.next()) throw TableError("the file has no row");
            ecsv_ = is_ecsv(first.comments());
            if (ecsv_) declared_ = read_ecsv_header(first.comments());
            first_look_ = false;
        }
        if (ecsv_) records.set_delimiter(declared_.delimiter);
        if (!records.next()) throw TableError("the file has no row");
        const auto& comments = records.comments();
        description_.clear();
        for (const auto& line : comments) {
            if (description_.size() > (64 << 10) || ecsv_) break;
            if (!without_blanks(line).empty()) description_ += (description_.empty() ? "" : "\n") + clipped(without_blanks(line), 1000);
        }
        const auto& cells = records.cells();
        const bool numbers = std::any_of(cells.begin(), cells.end(), [](std::string_view cell) { return is_number(cell); });
        if (numbers && !ecsv_ && !second_row_has_numbers_below_names(records)) {
            std::vector<std::string> names;
            if (!comments.empty()) names = records.split(without_blanks(comments.back()));
            for (std::size_t i = 0; i < cells.size(); ++i)
                add_column(names.size() == cells.size() ? names[i] : "column " + std::to_string(i + 1));
            again_ = true;
        } else {
            for (const auto cell : cells) add_column(cell);
            if (ecsv_ && declared_.columns.size() == columns_.size()) {
                columns_ = declared_.columns;
                typed_ = true;
                return;
            }
            read_units(records);
        }
    }

    /// Names may be numbers, "12" as of a band, or look like them: "inf". It is a header if a name that is none has a number below.
    bool second_row_has_numbers_below_names(const TextRecords& records) const {
        const std::vector<std::string> names(records.cells().begin(), records.cells().end());
        TextRecords ahead(open_(false));
        ahead.set_delimiter(records.delimiter());
        if (!ahead.next() || !ahead.next()) return false;
        const auto& below = ahead.cells();
        for (std::size_t i = 0; i < std::min(names.size(), below.size()); ++i)
            if (!is_missing(names[i]) && !is_number(names[i]) && is_number(below[i])) return true;
        return false;
    }

    void add_column(std::string_view name) {
        if (columns_.size() >= column_limit) throw TableError("the table has more than " + std::to_string(column_limit) + " columns");
        ColumnInfo column;
        column.name = name.empty() ? "column " + std::to_string(columns_.size() + 1) : clipped(platform::utf8_or_latin1(name), 1000);
        columns_.push_back(std::move(column));
    }

    /// VizieR's: a row of units, or none, and a row of dashes. A second pass over the same text gets them in the same way.
    void read_units(TextRecords& records) {
        if (!records.next()) return;
        if (is_dashes(records.cells())) return;
        std::vector<std::string> second(records.cells().begin(), records.cells().end());
        if (second.size() != columns_.size() || !looks_like_units(second)) {
            again_ = true;
            return;
        }
        TextRecords ahead(open_(false));
        ahead.set_delimiter(records.delimiter());
        if (!ahead.next() || !ahead.next() || !ahead.next() || !is_dashes(ahead.cells())) {
            again_ = true;
            return;
        }
        for (std::size_t i = 0; i < second.size(); ++i) columns_[i].unit = clipped(second[i], 100);
        records.next();
    }
    static bool is_dashes(const std::vector<std::string_view>& cells) {
        return !cells.empty() && std::all_of(cells.begin(), cells.end(), [](std::string_view cell) {
            return cell.find('-') != std::string_view::npos && cell.find_first_not_of("-:") == std::string_view::npos; // Markdown's have colons
        });
    }
    static bool looks_like_units(const std::vector<std::string>& cells) {
        return std::none_of(cells.begin(), cells.end(), [](const std::string& cell) { return is_number(cell); });
    }

    TablePtr read(bool guessed) {
        TextRecords records(open_(true));
        auto types = std::move(columns_);
        columns_.clear();
        read_header(records); // again, to get past it
        columns_ = std::move(types);
        TableMaker maker(options_);
        maker.info.format = TableInfo::Format::text;
        maker.info.description = description_;
        maker.info.columns = columns_;
        maker.begin_rows();
        TextCells cells(maker, ipac_ ? ipac_->nulls : std::vector<std::optional<std::string>>(columns_.size()), platform::utf8_or_latin1);
        std::int64_t row = 0;
        std::int64_t extra = 0;
        std::int64_t overrun = 0;
        std::string first_extra, first_overrun;
        for (; row < options_.most_rows && next(records); ++row) {
            const auto& texts = records.cells();
            const auto count = std::min(texts.size(), columns_.size());
            for (std::size_t i = 0; i < count; ++i) {
                if (guessed && !seen_[i] && !is_missing(texts[i])) throw WrongGuess();
                if (!cells.is_text(i) && is_missing(texts[i])) {
                    cells.append_missing(i);
                } else if (!cells.append(i, texts[i])) {
                    if (guessed && !typed_) throw WrongGuess();
                    maker.count_bad_cell(row, i, texts[i], [&] { return records.where(); });
                } else if (guessed && (columns_[i].type == ColumnType::int64 || columns_[i].type == ColumnType::uint64) && !typed_ && !is_digits(texts[i])) {
                    throw WrongGuess(); // "1e5" and "1.0" are integers here, but the column is one of reals
                }
            }
            if (records.overruns() && overrun++ == 0) first_overrun = "row " + std::to_string(row + 1) + " (" + records.where() + ")";
            if (texts.size() > columns_.size() && extra++ == 0)
                first_extra = "row " + std::to_string(row + 1) + " (" + records.where() + ")";
            if (count == columns_.size()) continue;
            maker.count_missing_cells(row, columns_.size() - count, [&] { return records.where(); });
            for (std::size_t i = count; i < columns_.size(); ++i) cells.append_missing(i);
        }
        if (extra > 0) maker.info.warnings.push_back("There are rows with more cells than columns, the first is " + first_extra + ".");
        if (overrun > 0) maker.info.warnings.push_back("There are rows with characters below the bars of the header or behind the last one, which are left out; the first is " + first_overrun + ".");
        return maker.finish(row);
    }

    const OpenText& open_;
    const TableOptions& options_;
    std::vector<ColumnInfo> columns_;
    std::vector<bool> seen_; // columns that had values in the first look
    std::string description_;
    EcsvHeader declared_;
    std::optional<IpacHeader> ipac_;
    bool ecsv_ = false, typed_ = false, first_look_ = true;
    bool whole_ = false; // the first look saw all rows
    bool again_ = false;
};

} // namespace

TablePtr read_text_table(const OpenText& open, const TableOptions& options) { return Reader(open, options).run(); }

} // namespace cubelink::imaging
