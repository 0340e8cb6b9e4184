#include "imaging/tables/fits_rows.hpp"

#include "imaging/base/parallel.hpp"
#include "imaging/tables/stored_cells.hpp"
#include "platform/utf8.hpp"

#include <algorithm>
#include <atomic>
#include <limits>
#include <string_view>
#include <utility>
#include <vector>

namespace cubelink::imaging {

namespace {

constexpr std::size_t block_size = 256 << 10; // bytes that are read at once, to stay in the processor's cache
constexpr std::size_t alignment = 64;

/// What one thread needs for a chunk, used again for the next.
struct Stage {
    std::vector<std::byte> block;  // rows as they lie in the file
    std::vector<std::byte> values; // of all columns of numbers, where the storage has no memory for them
    struct Texts {
        std::vector<std::uint32_t> ends;
        std::vector<char> bytes;
    };
    std::vector<Texts> texts;                  // by column
    std::vector<std::vector<std::byte>> nulls; // by column; empty: none
};

class Rows {
public:
    Rows(ByteSource& source, std::int64_t offset, const FitsTableShape& shape, std::int64_t rows, TableMaker& maker)
        : source_(source), offset_(offset), shape_(shape), rows_(rows), maker_(maker),
          chunk_rows_(static_cast<std::int64_t>(maker.chunk_rows())), at_(shape.columns.size()) {
        place_columns();
    }

    void run(bool parallel) {
        const auto chunks = (rows_ + chunk_rows_ - 1) / chunk_rows_;
        chunks_.resize(shape_.columns.size());
        for (std::size_t i = 0; i < chunks_.size(); ++i)
            if (kept(i)) chunks_[i].resize(static_cast<std::size_t>(chunks));
        // Each thread holds a chunk.
        const auto all = maker_.options().threads;
        const auto chunk_bytes = std::max<std::size_t>(value_bytes_ + text_bytes_, 1) * maker_.chunk_rows();
        const int most = parallel ? std::clamp<int>(static_cast<int>((std::size_t{128} << 20) / chunk_bytes), 1, all.most()) : 1;
        const ThreadShare share(most, [all] { return all.now(); });
        std::vector<Stage> stages(static_cast<std::size_t>(most));
        parallel_for(share, chunks, maker_.options().cancel, [&](std::int64_t chunk, int thread) {
            read_chunk(chunk, stages[static_cast<std::size_t>(thread)]);
            const auto done = chunks_done_.fetch_add(1) + 1;
            if (thread == 0 && maker_.options().progress)
                maker_.options().progress(static_cast<double>(done) / static_cast<double>(chunks));
        });
        for (std::size_t i = 0; i < chunks_.size(); ++i)
            if (kept(i))
                maker_.set_column(i, std::make_shared<const Column>(shape_.columns[i].info, static_cast<std::size_t>(rows_),
                                                                    maker_.chunk_rows(), std::move(chunks_[i])));
    }

private:
    bool kept(std::size_t column) const { return shape_.columns[column].info.type != ColumnType::unsupported; }

    /// Where a column's cells are in a block: as in the file or, if rows are long and little of them is wanted, one wanted cell after the
    /// other.
    void place_columns() {
        for (std::size_t i = 0; i < shape_.columns.size(); ++i) {
            if (!kept(i)) continue;
            const auto& column = shape_.columns[i];
            at_[i] = column.offset;
            if (column.info.type == ColumnType::string) text_bytes_ += column.width;
            value_bytes_ += column.info.type == ColumnType::string ? sizeof(std::uint32_t) : size_of(column.info.type);
            wanted_bytes_ += column.width;
        }
        stride_ = shape_.row_size;
        if (shape_.row_size <= block_size * 4 && wanted_bytes_ >= shape_.row_size / 16) return;
        picked_ = true;
        stride_ = 0;
        for (std::size_t i = 0; i < shape_.columns.size(); ++i)
            if (kept(i)) at_[i] = std::exchange(stride_, stride_ + shape_.columns[i].width);
    }

    void read_at(std::int64_t row, std::size_t offset, std::span<std::byte> out) {
        const auto at = offset_ + row * static_cast<std::int64_t>(shape_.row_size) + static_cast<std::int64_t>(offset);
        const auto count = source_.read(at, out);
        if (count == out.size()) return;
        const auto whole = row + static_cast<std::int64_t>((offset + count) / shape_.row_size);
        throw TableError("the file ends within row " + std::to_string(whole + 1) + " of " + std::to_string(shape_.rows));
    }

    void load(std::int64_t row, std::size_t count, Stage& stage) {
        stage.block.resize(count * stride_);
        if (!picked_) return read_at(row, 0, stage.block);
        for (std::size_t i = 0; i < count; ++i)
            for (std::size_t c = 0; c < shape_.columns.size(); ++c)
                if (kept(c))
                    read_at(row + static_cast<std::int64_t>(i), shape_.columns[c].offset,
                            std::span(stage.block).subspan(i * stride_ + at_[c], shape_.columns[c].width));
    }

    void read_chunk(std::int64_t chunk, Stage& stage) {
        const auto first = chunk * chunk_rows_;
        const auto count = static_cast<std::size_t>(std::min(chunk_rows_, rows_ - first));
        const auto& cancel = maker_.options().cancel;
        // The numbers of all columns in one piece of memory: large pages, one system call.
        std::vector<std::size_t> begin(shape_.columns.size());
        std::size_t size = 0;
        for (std::size_t i = 0; i < begin.size(); ++i) {
            if (!kept(i) || shape_.columns[i].info.type == ColumnType::string) continue;
            begin[i] = std::exchange(size, size + (count * size_of(shape_.columns[i].info.type) + alignment - 1) / alignment * alignment);
        }
        const auto memory = size > 0 ? maker_.storage().allocate(size) : nullptr;
        if (!memory) stage.values.resize(size);
        const auto values = memory ? memory->writable() : std::span(stage.values);
        stage.texts.resize(begin.size());
        stage.nulls.assign(begin.size(), {});
        for (auto& texts : stage.texts) {
            texts.ends.clear();
            texts.bytes.clear();
        }
        const auto step = std::clamp<std::size_t>(block_size / std::max<std::size_t>(stride_, 1), 1, count);
        for (std::size_t row = 0; row < count; row += step) {
            cancel.throw_if_cancelled();
            const auto some = std::min(step, count - row);
            load(first + static_cast<std::int64_t>(row), some, stage);
            for (std::size_t i = 0; i < begin.size(); ++i) {
                if (!kept(i)) continue;
                const CellRun run{stage.block.data() + at_[i], stride_, some};
                if (shape_.columns[i].info.type == ColumnType::string) take_texts(i, run, row, count, stage);
                else take_numbers(i, run, values.data() + begin[i], row, count, stage);
            }
        }
        const TableBlockPtr block = memory ? TableBlockPtr(memory) : maker_.storage().keep(std::span(stage.values).first(size), cancel);
        for (std::size_t i = 0; i < begin.size(); ++i) {
            if (!kept(i)) continue;
            auto& made = chunks_[i][static_cast<std::size_t>(chunk)];
            if (shape_.columns[i].info.type == ColumnType::string) {
                made.values = maker_.storage().keep(std::as_bytes(std::span(stage.texts[i].ends)), cancel);
                made.texts = maker_.storage().keep(std::as_bytes(std::span(stage.texts[i].bytes)), cancel);
            } else {
                made.values = std::make_shared<PartOfBlock>(block, begin[i], count * size_of(shape_.columns[i].info.type));
            }
            if (!stage.nulls[i].empty()) made.nulls = maker_.storage().keep(stage.nulls[i], cancel);
        }
    }

    static void mark(std::vector<std::byte>& nulls, std::size_t row, std::size_t count) {
        if (nulls.empty()) nulls.assign((count + 7) / 8, std::byte{0});
        nulls[row / 8] |= std::byte{1} << (row % 8);
    }

    /// `row`: of the first cell in the chunk, which has `count`.
    void take_numbers(std::size_t index, CellRun run, std::byte* values, std::size_t row, std::size_t count, Stage& stage) const {
        const auto& column = shape_.columns[index];
        const auto size = size_of(column.info.type);
        std::byte* const out = values + row * size;
        const auto missing = [&](std::size_t i) {
            put_missing(column.info.type, out + i * size);
            mark(stage.nulls[index], row + i, count);
        };
        if (column.info.type == ColumnType::boolean) gather_booleans(run, out, missing);
        else if (column.scaled) gather_scaled(run, column.stored, column.scale, column.zero, out);
        else gather(run, column.info.type, column.flip_sign, out);
        if (column.null) find_nulls(run, column.stored, *column.null, missing);
    }

    void take_texts(std::size_t index, CellRun run, std::size_t row, std::size_t count, Stage& stage) const {
        auto& texts = stage.texts[index];
        const auto width = shape_.columns[index].width;
        for (std::size_t i = 0; i < run.rows; ++i) {
            std::string_view text(reinterpret_cast<const char*>(run.first + i * run.stride), width);
            text = text.substr(0, text.find('\0'));
            while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
            if (platform::is_utf8(text)) {
                texts.bytes.insert(texts.bytes.end(), text.begin(), text.end());
            } else {
                const auto valid = platform::make_utf8(text);
                texts.bytes.insert(texts.bytes.end(), valid.begin(), valid.end());
            }
            if (texts.bytes.size() > std::numeric_limits<std::uint32_t>::max())
                throw TableError("column \"" + shape_.columns[index].info.name + "\": more than 4 GiB of text in " + std::to_string(count) +
                                 " rows");
            texts.ends.push_back(static_cast<std::uint32_t>(texts.bytes.size()));
            if (text.empty()) mark(stage.nulls[index], row + i, count);
        }
    }

    ByteSource& source_;
    const std::int64_t offset_;
    const FitsTableShape& shape_;
    const std::int64_t rows_;
    TableMaker& maker_;
    const std::int64_t chunk_rows_;
    std::vector<std::size_t> at_; // of columns in a row of a block
    std::size_t stride_ = 0, value_bytes_ = 0, text_bytes_ = 0, wanted_bytes_ = 0;
    bool picked_ = false;
    std::vector<std::vector<Column::Chunk>> chunks_; // by column
    std::atomic<std::int64_t> chunks_done_{0};
};

} // namespace

void read_fits_rows(ByteSource& source, std::int64_t offset, const FitsTableShape& shape, std::int64_t rows, bool parallel,
                    TableMaker& maker) {
    Rows(source, offset, shape, rows, maker).run(parallel);
}

} // namespace cubelink::imaging
