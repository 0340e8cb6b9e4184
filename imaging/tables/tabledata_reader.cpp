#include "imaging/tables/tabledata_reader.hpp"

#include "imaging/tables/cell_text.hpp"
#include "imaging/tables/text_cells.hpp"
#include "imaging/tables/xml_text.hpp"

#include <optional>

namespace cubelink::imaging {

namespace {

constexpr std::size_t cell_limit = std::size_t{16} << 20; // bytes

class Reader {
public:
    Reader(InputBuffer& input, std::span<const VotableField> fields, TableMaker& maker, const std::function<void()>& begin_rows)
        : input_(input), fields_(fields), maker_(maker), begin_rows_(begin_rows) {}

    std::int64_t run() {
        for (;;) {
            if (in_row_) read_plain_cells();
            if (!to_markup()) continue;
            if (skip_aside(input_)) continue;
            const auto tag = tag_at(input_);
            const auto name = tag.name;
            if (tag.end && name == "TABLEDATA") {
                if (in_row_) fail("TABLEDATA ends within row " + std::to_string(rows_ + 1));
                return rows_;
            }
            if (tag.end) {
                if (name != "TR" || !in_row_) unexpected(tag);
                input_.consume(tag.size);
                end_row();
            } else if (name == "TR" && !in_row_) {
                if (rows_ == maker_.options().most_rows) return std::max<std::int64_t>(rows_, 1);
                if (rows_ == 0) begin();
                input_.consume(tag.size);
                in_row_ = true;
                column_ = 0;
                if (tag.empty) end_row();
            } else if (name == "TD" && in_row_) {
                const bool encoded = tag.text.find("encoding") != std::string_view::npos;
                const bool empty = tag.empty;
                input_.consume(tag.size);
                text_.clear();
                if (!empty) read_cell();
                if (encoded && !text_.empty() && column_ < cells_->columns() && cells_->supported(column_)) {
                    cells_->append_missing(column_);
                    put_odd("encoded bytes", input_.rest().data());
                    ++column_;
                } else {
                    put(encoded ? std::string_view{} : text_, input_.rest().data());
                }
            } else {
                unexpected(tag);
            }
        }
    }

private:
    void begin() {
        begin_rows_();
        std::vector<std::optional<std::string>> nulls;
        for (const auto& field : fields_) nulls.push_back(field.null);
        cells_.emplace(maker_, nulls);
    }

    /// Cells as almost all are, "<TD>text</TD>", as far as they lie in memory.
    void read_plain_cells() {
        const auto rest = input_.rest();
        const char *at = rest.data(), *const end = at + rest.size();
        for (;;) {
            const char* tag = at;
            while (tag < end && is_blank(*tag)) ++tag;
            if (end - tag < 5) break;
            if (std::memcmp(tag, "<TD>", 4) == 0) {
                const char* const text = tag + 4;
                const auto* stop = static_cast<const char*>(std::memchr(text, '<', static_cast<std::size_t>(end - text)));
                if (stop == nullptr || end - stop < 5 || std::memcmp(stop, "</TD>", 5) != 0) break;
                const std::string_view value(text, static_cast<std::size_t>(stop - text));
                // References can't be in numbers, where they are noticed when the number isn't one.
                if (column_ < cells_->columns() && cells_->is_text(column_) && (value.find('&') != std::string_view::npos || value.find('\r') != std::string_view::npos)) {
                    text_.clear();
                    append_decoded(text_, value);
                    put(text_, text);
                } else {
                    put(value, text);
                }
                at = stop + 5;
            } else if (std::memcmp(tag, "<TD/>", 5) == 0) {
                put({}, tag);
                at = tag + 5;
            } else {
                break;
            }
        }
        input_.consume(static_cast<std::size_t>(at - rest.data()));
    }

    void put(std::string_view text, const char* at) {
        if (column_ >= cells_->columns()) {
            if (extra_cells_++ == 0) first_extra_ = "row " + std::to_string(rows_ + 1) + " (" + input_.where(at) + ")";
            return;
        }
        if (cells_->is_text(column_)) text = without_blanks(text); // as documents are indented
        if (!cells_->append(column_, text)) [[unlikely]]
            put_odd(text, at);
        ++column_;
    }

    /// The value is missing already.
    void put_odd(std::string_view text, const char* at) {
        maker_.count_bad_cell(rows_, column_, text, [&] { return input_.where(at); });
    }

    void end_row() {
        in_row_ = false;
        if (column_ < cells_->columns()) {
            maker_.count_missing_cells(rows_, cells_->columns() - column_, [this] { return input_.where(); });
            for (; column_ < cells_->columns(); ++column_) cells_->append_missing(column_);
        }
        ++rows_;
        if (extra_cells_ > 0 && extra_warned_ == 0) {
            extra_warned_ = 1;
            maker_.info.warnings.push_back("There are more cells than columns, the first in " + first_extra_ + ".");
        }
    }

    /// Consumes what is before the next '<'; false if it has to be called again.
    bool to_markup() {
        const auto rest = input_.rest();
        const auto at = rest.find('<');
        if (at != std::string_view::npos) {
            input_.consume(at);
            return true;
        }
        input_.consume_all();
        if (!input_.more()) fail("the file ends within TABLEDATA, after " + std::to_string(rows_) + " rows");
        return false;
    }

    /// The text up to "</TD>", in any form that XML has for it.
    void read_cell() {
        for (;;) {
            const auto rest = input_.rest();
            const auto at = rest.find('<');
            // A reference must not be cut, nor the end of a line.
            auto text = rest.substr(0, at);
            if (at == std::string_view::npos && text.size() < cell_limit) {
                const auto reference = text.rfind('&');
                if (reference != std::string_view::npos && text.size() - reference < 16) text = text.substr(0, reference);
                if (text.ends_with('\r')) text.remove_suffix(1);
            }
            append_decoded(text_, text);
            input_.consume(text.size());
            if (text_.size() > cell_limit) too_long();
            if (at == std::string_view::npos) {
                if (!input_.more()) fail("the file ends within a cell of row " + std::to_string(rows_ + 1));
                continue;
            }
            if (read_cdata(input_, text_, cell_limit)) {
                if (text_.size() > cell_limit) too_long();
                continue;
            }
            if (skip_aside(input_)) continue;
            const auto tag = tag_at(input_);
            if (!tag.end || tag.name != "TD") unexpected(tag);
            input_.consume(tag.size);
            return;
        }
    }

    [[noreturn]] void too_long() const {
        fail("row " + std::to_string(rows_ + 1) + ", column " +
             (column_ < fields_.size() ? "\"" + fields_[column_].info.name + "\"" : std::to_string(column_ + 1)) +
             ": the cell is longer than " + std::to_string(cell_limit >> 20) + " MiB");
    }
    [[noreturn]] void fail(const std::string& what) const { throw TableError(input_.where() + ": " + what); }
    [[noreturn]] void unexpected(const XmlTag& tag) const {
        fail(std::string(tag.end ? "</" : "<") + clipped(tag.name, 60) + "> is out of place in " + (in_row_ ? "a row" : "TABLEDATA"));
    }

    InputBuffer& input_;
    const std::span<const VotableField> fields_;
    TableMaker& maker_;
    const std::function<void()>& begin_rows_;
    std::optional<TextCells> cells_;
    std::string text_;
    std::int64_t rows_ = 0, extra_cells_ = 0;
    int extra_warned_ = 0;
    std::string first_extra_;
    std::size_t column_ = 0;
    bool in_row_ = false;
};

} // namespace

std::int64_t read_tabledata(InputBuffer& input, std::span<const VotableField> fields, TableMaker& maker,
                            const std::function<void()>& begin_rows) {
    return Reader(input, fields, maker, begin_rows).run();
}

void skip_tabledata(InputBuffer& input) {
    constexpr std::string_view name = "TABLEDATA";
    for (;;) {
        const auto rest = input.rest();
        for (auto at = rest.find(name); at != std::string_view::npos; at = rest.find(name, at + 1)) {
            // "</TABLEDATA", or "</vot:TABLEDATA".
            const auto from = at - std::min<std::size_t>(at, 100);
            const auto open = rest.substr(from, at - from).rfind('<');
            if (open == std::string_view::npos || rest[from + open + 1] != '/') continue;
            input.consume(from + open);
            return;
        }
        input.consume(rest.size() - std::min<std::size_t>(rest.size(), 128));
        if (!input.more()) throw TableError(input.where() + ": the file ends within TABLEDATA");
    }
}

} // namespace cubelink::imaging
