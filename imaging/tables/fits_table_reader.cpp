#include "imaging/tables/fits_table_reader.hpp"

#include "imaging/fits/gzip_source.hpp"
#include "imaging/fits/hdu.hpp"
#include "imaging/tables/byte_feed.hpp"
#include "imaging/tables/cell_text.hpp"
#include "imaging/tables/fits_rows.hpp"
#include "imaging/tables/table_maker.hpp"
#include "imaging/tables/text_cells.hpp"

#include <algorithm>
#include <cmath>

namespace cubelink::imaging {

namespace {

constexpr int hdu_limit = 100'000;
constexpr std::size_t summary_limit = 1000;
constexpr std::size_t wanted_limit = std::size_t{64} << 20; // bytes of a row's cells that are kept

/// A table that the file has.
struct Found {
    int number = 0;
    HduHeader hdu;
};

class Reader {
public:
    Reader(const std::shared_ptr<const FileHandle>& file, const TableOptions& options)
        : gzipped_(is_gzipped(*file)), shown_(file->shown()), options_(options), maker_(options) {
        if (gzipped_) source_ = std::make_unique<GzipHeaderSource>(file, options.cancel);
        else source_ = std::make_unique<FileSource>(file);
    }

    TablePtr run() {
        std::int64_t offset = 0;
        int number = 0;
        for (; number < hdu_limit && !done_; ++number) {
            if (number > 0 && !source_->may_continue(offset)) break;
            std::optional<HduHeader> hdu;
            try {
                hdu = read_hdu_header(*source_, number, offset, shown_, options_.cancel);
            } catch (const ImageError& error) {
                if (!table_) throw;
                damaged_ = error.what();
                break;
            }
            if (!hdu) break;
            offset = hdu->next_offset;
            const auto error = hdu->error.empty() ? std::string() : place(number) + hdu->error;
            if (is_table(*hdu)) look_at(number, std::move(*hdu));
            if (!error.empty()) {
                damaged_ = error;
                break; // the next one begins at an unknown place
            }
        }
        if (!table_) return without_rows(number);
        finish_info();
        return std::move(table_);
    }

private:
    static bool is_table(const HduHeader& hdu) {
        if (hdu.type == "TABLE") return true;
        return (hdu.type == "BINTABLE" || hdu.type == "A3DTABLE") && !hdu.header.is_true("ZIMAGE");
    }
    std::string place(int number) const { return shown_ + ", HDU " + std::to_string(number) + ": "; }

    void look_at(int number, HduHeader hdu) {
        const auto rows = hdu.axes.size() >= 2 ? hdu.axes[1] : 0;
        const bool wanted = !table_ && rows > 0 && hdu.axes[0] > 0 && hdu.header.integer("TFIELDS").value_or(1) != 0;
        if (!wanted) {
            if (others_.size() < summary_limit) others_.emplace_back(number, summary_of(number, hdu));
            if (!first_ && hdu.header.integer("TFIELDS").value_or(0) > 0) first_ = Found{number, std::move(hdu)};
            return;
        }
        if (!hdu.error.empty()) throw TableError(place(number) + hdu.error);
        try {
            read(hdu);
        } catch (const TableError& error) {
            throw TableError(place(number) + error.what());
        }
        // What else a gzipped file holds is found by inflating it.
        done_ = options_.most_rows == 0 && gzipped_;
    }

    static std::string summary_of(int number, const HduHeader& hdu) {
        auto text = "HDU " + std::to_string(number) + " (";
        if (const auto name = hdu.header.text("EXTNAME"); name && !name->empty()) text += "\"" + *name + "\", ";
        const auto columns = hdu.header.integer("TFIELDS").value_or(0), rows = hdu.axes.size() >= 2 ? hdu.axes[1] : 0;
        return text + std::to_string(columns) + (columns == 1 ? " column, " : " columns, ") + std::to_string(rows) +
               (rows == 1 ? " row)" : " rows)");
    }

    void begin(const HduHeader& hdu, const FitsTableShape& shape) {
        maker_.info = fits_table_info(hdu.header);
        maker_.info.rows = shape.rows;
        std::size_t wanted = 0;
        for (const auto& column : shape.columns) {
            maker_.info.columns.push_back(column.info);
            if (column.info.type == ColumnType::unsupported) continue;
            wanted += std::max(column.width, size_of(column.info.type)) + sizeof(std::uint32_t);
            if (wanted > wanted_limit)
                throw TableError("column \"" + column.info.name + "\" (TFORM \"" + column.info.source_type + "\"): rows are longer than " +
                                 std::to_string(wanted_limit >> 20) + " MiB");
        }
        maker_.begin_rows(wanted);
    }

    void read(const HduHeader& hdu) {
        const auto shape = fits_table_shape(hdu.header, hdu.type);
        begin(hdu, shape);
        const auto rows = std::min(shape.rows, options_.most_rows);
        if (const auto size = source_->size(); size && rows > 0) {
            const auto there = std::max<std::int64_t>(*size - hdu.data_offset, 0) / static_cast<std::int64_t>(shape.row_size);
            if (there < rows)
                throw TableError("the file ends within row " + std::to_string(there + 1) + " of " + std::to_string(shape.rows) +
                                 ", after " + std::to_string(*size) + " bytes");
        }
        if (rows > 0 && shape.ascii) read_ascii(hdu.data_offset, shape, rows);
        else if (rows > 0) read_fits_rows(*source_, hdu.data_offset, shape, rows, !gzipped_, maker_);
        table_ = maker_.finish(rows);
    }

    void read_ascii(std::int64_t offset, const FitsTableShape& shape, std::int64_t rows) {
        std::vector<std::optional<std::string>> nulls;
        for (const auto& column : shape.columns) nulls.push_back(column.null_text);
        TextCells cells(maker_, nulls);
        if (shape.row_size > wanted_limit) throw TableError("rows of " + std::to_string(shape.row_size) + " bytes are more than 64 MiB");
        const auto step = std::max<std::int64_t>((256 << 10) / static_cast<std::int64_t>(shape.row_size), 1);
        std::string block;
        for (std::int64_t row = 0; row < rows; row += step) {
            options_.cancel.throw_if_cancelled();
            const auto count = std::min(step, rows - row);
            block.resize(static_cast<std::size_t>(count) * shape.row_size);
            const auto got =
                source_->read(offset + row * static_cast<std::int64_t>(shape.row_size), std::as_writable_bytes(std::span(block)));
            if (got < block.size())
                throw TableError("the file ends within row " + std::to_string(row + static_cast<std::int64_t>(got / shape.row_size) + 1) +
                                 " of " + std::to_string(shape.rows));
            for (std::int64_t i = 0; i < count; ++i)
                for (std::size_t c = 0; c < shape.columns.size(); ++c)
                    take_ascii(cells, shape.columns[c], c,
                               std::string_view(block).substr(static_cast<std::size_t>(i) * shape.row_size + shape.columns[c].offset,
                                                              shape.columns[c].width),
                               row + i);
            if (options_.progress) options_.progress(static_cast<double>(row + count) / static_cast<double>(rows));
        }
    }

    void take_ascii(TextCells& cells, const FitsTableColumn& column, std::size_t index, std::string_view text, std::int64_t row) {
        const auto type = column.info.type;
        if (type == ColumnType::unsupported) return;
        text = text.substr(0, text.find('\0'));
        while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
        if (column.null_text && without_blanks(text) == without_blanks(*column.null_text)) return cells.append_missing(index);
        if (type == ColumnType::string) {
            cells.append(index, text);
            return;
        }
        text = without_blanks(text);
        double value = 0;
        const bool point = text.find_first_of(".eEdD") != std::string_view::npos;
        if (type == ColumnType::float64 && (column.scaled || (column.decimals > 0 && !point)) && parse_real(text, value)) {
            if (column.decimals > 0 && !point && std::isfinite(value)) value /= std::pow(10.0, column.decimals);
            maker_.column(index)->append(column.zero + column.scale * value);
            return;
        }
        if (!cells.append(index, text)) maker_.count_bad_cell(row, index, text, [] { return std::string(); });
    }

    void finish_info() {
        auto table = std::make_shared<Table>(*table_);
        for (auto& one : others_) table->info.other_tables.push_back(std::move(one.second));
        if (!damaged_.empty()) table->info.warnings.push_back("The file is damaged behind the table: " + damaged_ + ".");
        table_ = std::move(table);
    }

    TablePtr without_rows(int hdus) {
        if (!damaged_.empty()) throw TableError(damaged_);
        if (!first_)
            throw TableError(shown_ + ": the file holds no table: it has " + std::to_string(hdus) + (hdus == 1 ? " HDU" : " HDUs") +
                             " with other things");
        try {
            auto shape = fits_table_shape(first_->hdu.header, first_->hdu.type);
            shape.rows = 0;
            begin(first_->hdu, shape);
        } catch (const TableError& error) {
            throw TableError(place(first_->number) + error.what());
        }
        std::erase_if(others_, [this](const auto& one) { return one.first == first_->number; });
        table_ = maker_.finish(0);
        finish_info();
        return std::move(table_);
    }

    const bool gzipped_;
    const std::string shown_;
    const TableOptions& options_;
    std::unique_ptr<ByteSource> source_;
    TableMaker maker_;
    TablePtr table_;
    std::optional<Found> first_;
    std::vector<std::pair<int, std::string>> others_;
    std::string damaged_;
    bool done_ = false;
};

} // namespace

TablePtr read_fits_table(const std::shared_ptr<const FileHandle>& file, const TableOptions& options) { return Reader(file, options).run(); }

} // namespace cubelink::imaging
