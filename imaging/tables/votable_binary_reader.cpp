#include "imaging/tables/votable_binary_reader.hpp"

#include "imaging/fits/big_endian.hpp"
#include "imaging/tables/cell_text.hpp"
#include "imaging/tables/stored_cells.hpp"
#include "platform/utf8.hpp"

#include <algorithm>
#include <bit>
#include <optional>
#include <string>
#include <vector>

namespace cubelink::imaging {

namespace {

constexpr std::size_t text_limit = std::size_t{16} << 20; // bytes of a cell
constexpr std::size_t block_size = 256 << 10;

bool is_integer(ColumnType type) {
    return type == ColumnType::uint8 || type == ColumnType::int16 || type == ColumnType::int32 || type == ColumnType::int64;
}

/// What a column's cells take in a row, and how they are read.
struct Cell {
    const VotableField* field = nullptr;
    ColumnBuilder* builder = nullptr; // nullptr: skipped
    ColumnType type = ColumnType::unsupported;
    std::size_t offset = 0; // in a row, if all rows are equally long
    std::optional<std::int64_t> null;
    std::optional<std::string> null_text;
};

class Reader {
public:
    Reader(InputBuffer& input, bool flags, ArrayLengths lengths, std::span<const VotableField> fields, TableMaker& maker,
           const std::function<void()>& begin_rows)
        : base64_(input), lengths_(lengths), fields_(fields), maker_(maker), begin_rows_(begin_rows),
          flag_bytes_(flags ? (fields.size() + 7) / 8 : 0) {
        fixed_ = true;
        row_size_ = static_cast<std::int64_t>(flag_bytes_);
        for (const auto& field : fields) {
            if (!field.known)
                throw TableError(input.where() + ": column \"" + field.info.name + "\" has no datatype of VOTable (" +
                                 field.info.source_type + "), which binary data need");
            fixed_ = fixed_ && !field.variable;
            if (field.info.type == ColumnType::string && !field.variable && field.cell_size() > static_cast<std::int64_t>(text_limit))
                throw TableError(input.where() + ": column \"" + field.info.name + "\": cells of " + std::to_string(field.cell_size()) +
                                 " bytes are more than 16 MiB");
            if (__builtin_add_overflow(row_size_, field.variable ? 4 : field.cell_size(), &row_size_))
                throw TableError(input.where() + ": column \"" + field.info.name + "\": the rows are longer than any file");
        }
    }

    std::int64_t run() {
        if (row_size_ == 0) return 0;
        if (!ensure(1)) return 0;
        if (maker_.options().most_rows == 0) return 1;
        begin_rows_();
        prepare();
        if (fixed_ && row_size_ <= static_cast<std::int64_t>(block_size)) read_blocks();
        else read_rows();
        return rows_;
    }

private:
    void prepare() {
        std::size_t offset = flag_bytes_;
        for (std::size_t i = 0; i < fields_.size(); ++i) {
            Cell cell;
            cell.field = &fields_[i];
            cell.builder = maker_.column(i);
            cell.type = fields_[i].info.type;
            cell.offset = offset;
            offset += static_cast<std::size_t>(fields_[i].cell_size());
            std::int64_t null = 0;
            if (fields_[i].null && is_integer(cell.type) && parse_integer(*fields_[i].null, null)) cell.null = null;
            if (fields_[i].null && cell.type == ColumnType::string) cell.null_text = fields_[i].null;
            cells_.push_back(std::move(cell));
        }
        runs_.resize(cells_.size());
        for (std::size_t i = cells_.size(); i-- > 0;)
            if (is_number(cells_[i])) runs_[i] = 1 + (i + 1 < cells_.size() ? runs_[i + 1] : 0);
    }
    static bool is_number(const Cell& cell) {
        return cell.builder != nullptr && cell.type != ColumnType::string && cell.type != ColumnType::boolean && !cell.field->variable;
    }

    /// Rows of the same length, many at once.
    void read_blocks() {
        const auto row = static_cast<std::size_t>(row_size_);
        for (;;) {
            maker_.options().cancel.throw_if_cancelled();
            auto most = std::min<std::size_t>(std::max<std::size_t>(block_size / row, 1),
                                              maker_.chunk_rows() - static_cast<std::size_t>(rows_) % maker_.chunk_rows());
            most = static_cast<std::size_t>(std::min<std::int64_t>(static_cast<std::int64_t>(most), maker_.options().most_rows - rows_));
            if (most == 0) return;
            ensure(most * row);
            const auto count = std::min(most, available() / row);
            if (count == 0) {
                if (available() > 0) cut_off(0);
                return;
            }
            for (std::size_t i = 0; i < cells_.size(); ++i)
                if (cells_[i].builder != nullptr) take_block(i, count);
            at_ += count * row;
            rows_ += static_cast<std::int64_t>(count);
        }
    }

    void take_block(std::size_t index, std::size_t count) {
        Cell& cell = cells_[index];
        const auto row = static_cast<std::size_t>(row_size_);
        const CellRun run{decoded_.data() + at_ + cell.offset, row, count};
        const auto flagged = [&](std::size_t i) { return flag_bytes_ > 0 && is_flagged(decoded_.data() + at_ + i * row, index); };
        if (cell.type == ColumnType::string) {
            const auto size = static_cast<std::size_t>(cell.field->cell_size());
            for (std::size_t i = 0; i < count; ++i) {
                if (flagged(i)) cell.builder->append_null();
                else append_text(cell, {run.first + i * row, size});
            }
            return;
        }
        const auto out = cell.builder->extend(count);
        const auto size = size_of(cell.type);
        const auto missing = [&](std::size_t i) {
            put_missing(cell.type, out.data() + i * size);
            cell.builder->mark_null(i);
        };
        if (cell.field->bits) gather_bits(run, out.data());
        else if (cell.type == ColumnType::boolean) gather_booleans(run, out.data(), missing);
        else gather(run, cell.type, false, out.data());
        if (cell.null) find_nulls(run, cell.type, *cell.null, missing);
        if (flag_bytes_ == 0) return;
        for (std::size_t i = 0; i < count; ++i)
            if (flagged(i)) missing(i);
    }

    static bool is_flagged(const std::byte* flags, std::size_t index) {
        return (std::to_integer<unsigned>(flags[index / 8]) >> (7 - index % 8) & 1) != 0;
    }

    /// Rows of any length, one after the other.
    void read_rows() {
        std::vector<std::byte> flags(flag_bytes_);
        for (; rows_ < maker_.options().most_rows; ++rows_) {
            if (rows_ % 1024 == 0) maker_.options().cancel.throw_if_cancelled();
            if (!ensure(1)) return;
            if (!ensure(flag_bytes_)) cut_off(0);
            std::copy_n(decoded_.begin() + static_cast<std::ptrdiff_t>(at_), flag_bytes_, flags.begin());
            at_ += flag_bytes_;
            for (std::size_t i = 0; i < cells_.size();) {
                if (runs_[i] == 0) {
                    read_cell(i, flag_bytes_ > 0 && is_flagged(flags.data(), i));
                    ++i;
                    continue;
                }
                const auto run = runs_[i];
                if (!ensure(run * sizeof(double))) { // may be the end of the data, or of the file's
                    for (const auto end = i + run; i < end; ++i) read_cell(i, flag_bytes_ > 0 && is_flagged(flags.data(), i));
                    continue;
                }
                for (const auto end = i + run; i < end; ++i) {
                    Cell& cell = cells_[i];
                    const auto size = size_of(cell.type);
                    append_number(cell, decoded_.data() + at_, flag_bytes_ > 0 && is_flagged(flags.data(), i));
                    at_ += size;
                }
            }
        }
    }

    void read_cell(std::size_t index, bool flagged) {
        Cell& cell = cells_[index];
        const VotableField& field = *cell.field;
        std::int64_t size = field.cell_size();
        if (field.variable) {
            if (!ensure(4)) cut_off(index);
            const auto elements = static_cast<std::int32_t>(big_endian<std::uint32_t>(decoded_.data() + at_));
            at_ += 4;
            if (elements < 0) fail(index, "a length of " + std::to_string(elements));
            const std::int64_t slice = lengths_ == ArrayLengths::slices ? field.count : 1;
            if (__builtin_mul_overflow(std::int64_t{elements}, slice, &size) || size > (std::int64_t{1} << 58))
                fail(index, "an array that is longer than any file");
            size = field.bits ? (size + 7) / 8 : size * field.element_size;
        }
        if (cell.builder == nullptr) return skip(size, index);
        if (size > static_cast<std::int64_t>(text_limit)) fail(index, "a text of " + std::to_string(size) + " bytes is longer than 16 MiB");
        const auto bytes = static_cast<std::size_t>(size);
        if (!ensure(bytes)) cut_off(index);
        const std::byte* at = decoded_.data() + at_;
        at_ += bytes;
        if (flagged) return cell.builder->append_null();
        if (cell.type == ColumnType::string) return append_text(cell, {at, bytes});
        const CellRun run{at, bytes, 1};
        bool missing = cell.null && stored_integer(at, cell.type) == *cell.null;
        std::byte value[8];
        if (field.bits) gather_bits(run, value);
        else if (cell.type == ColumnType::boolean) gather_booleans(run, value, [&](std::size_t) { missing = true; });
        else gather(run, cell.type, false, value);
        if (missing) return cell.builder->append_null();
        const auto out = cell.builder->extend(1);
        std::copy_n(value, out.size(), out.begin());
    }

    static void append_number(Cell& cell, const std::byte* at, bool missing) {
        if (missing || (cell.null && stored_integer(at, cell.type) == *cell.null)) return cell.builder->append_null();
        switch (cell.type) {
        case ColumnType::uint8: return cell.builder->append(big_endian<std::uint8_t>(at));
        case ColumnType::int16: return cell.builder->append(static_cast<std::int16_t>(big_endian<std::uint16_t>(at)));
        case ColumnType::int32: return cell.builder->append(static_cast<std::int32_t>(big_endian<std::uint32_t>(at)));
        case ColumnType::int64: return cell.builder->append(static_cast<std::int64_t>(big_endian<std::uint64_t>(at)));
        case ColumnType::float32: return cell.builder->append(std::bit_cast<float>(big_endian<std::uint32_t>(at)));
        default: return cell.builder->append(std::bit_cast<double>(big_endian<std::uint64_t>(at)));
        }
    }

    void append_text(Cell& cell, std::span<const std::byte> bytes) {
        std::string_view text;
        if (cell.field->wide_text) {
            decode_wide(bytes);
            text = text_;
        } else {
            text = {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
            text = text.substr(0, text.find('\0'));
            if (!platform::is_utf8(text)) text = text_ = platform::make_utf8(text);
        }
        if (cell.null_text && text == *cell.null_text) cell.builder->append_null();
        else cell.builder->append_text(text);
    }

    /// UCS-2, or UTF-16 as people write.
    void decode_wide(std::span<const std::byte> bytes) {
        text_.clear();
        for (std::size_t i = 0; i + 2 <= bytes.size(); i += 2) {
            std::uint32_t code = big_endian<std::uint16_t>(bytes.data() + i);
            if (code == 0) return;
            if (code >= 0xD800 && code < 0xE000) {
                const std::uint32_t second = i + 4 <= bytes.size() ? big_endian<std::uint16_t>(bytes.data() + i + 2) : 0;
                if (code < 0xDC00 && second >= 0xDC00 && second < 0xE000) {
                    code = 0x10000 + ((code - 0xD800) << 10) + (second - 0xDC00);
                    i += 2;
                } else {
                    code = 0xFFFD;
                }
            }
            platform::append_utf8(text_, code);
        }
    }

    std::size_t available() const { return end_ - at_; }

    /// `size` decoded bytes side by side, from at_ on; false if there are fewer.
    bool ensure(std::size_t size) {
        if (available() >= size) return true;
        std::copy(decoded_.begin() + static_cast<std::ptrdiff_t>(at_), decoded_.begin() + static_cast<std::ptrdiff_t>(end_),
                  decoded_.begin());
        end_ -= at_;
        at_ = 0;
        const auto wanted = std::max(size, block_size);
        if (decoded_.size() < wanted) decoded_.resize(wanted);
        while (end_ < size) {
            const auto count = base64_.read(std::span(decoded_).subspan(end_, decoded_.size() - end_));
            if (count == 0) return false;
            end_ += count;
        }
        return true;
    }

    void skip(std::int64_t size, std::size_t index) {
        while (size > 0) {
            maker_.options().cancel.throw_if_cancelled();
            if (!ensure(1)) cut_off(index);
            const auto count = std::min<std::int64_t>(size, static_cast<std::int64_t>(available()));
            at_ += static_cast<std::size_t>(count);
            size -= count;
        }
    }

    [[noreturn]] void cut_off(std::size_t index) {
        const auto part = fixed_ ? std::string() : ", column \"" + fields_[index].info.name + "\"";
        throw TableError(base64_.input().where() + ": the binary data end within row " + std::to_string(rows_ + 1) + part);
    }
    [[noreturn]] void fail(std::size_t index, const std::string& what) const {
        throw TableError("row " + std::to_string(rows_ + 1) + ", column \"" + fields_[index].info.name + "\" (byte " +
                         std::to_string(base64_.position() - static_cast<std::int64_t>(available())) + " of the binary data): " + what);
    }

    Base64Reader base64_;
    const ArrayLengths lengths_;
    const std::span<const VotableField> fields_;
    TableMaker& maker_;
    const std::function<void()>& begin_rows_;
    const std::size_t flag_bytes_;
    bool fixed_ = false;
    std::int64_t row_size_ = 0; // at least
    std::vector<Cell> cells_;
    std::vector<std::size_t> runs_; // for each column: how many single numbers follow each other from there on
    std::vector<std::byte> decoded_;
    std::size_t at_ = 0, end_ = 0; // of what is decoded and not used
    std::int64_t rows_ = 0;
    std::string text_;
};

} // namespace

std::int64_t read_votable_binary(InputBuffer& input, bool flags, ArrayLengths lengths, std::span<const VotableField> fields,
                                 TableMaker& maker, const std::function<void()>& begin_rows) {
    return Reader(input, flags, lengths, fields, maker, begin_rows).run();
}

} // namespace cubelink::imaging
