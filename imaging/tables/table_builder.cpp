#include "imaging/tables/table_builder.hpp"

#include "imaging/base/mapped_file.hpp"
#include "imaging/base/pixel_memory.hpp"
#include "platform/mutex.hpp"
#include "platform/os.hpp"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cerrno>
#include <cstdint>
#include <limits>
#include <sys/statvfs.h>
#include <utility>

namespace cubelink::imaging {

using platform::MutexLock;
using platform::os;

namespace {

constexpr std::size_t segment_size = std::size_t{256} << 20; // of the scratch file, mapped at once
constexpr std::size_t disk_reserve = std::size_t{64} << 20;  // stays free on the scratch disk
constexpr std::size_t block_alignment = 64;
constexpr std::size_t text_share = 16; // bytes of a row's text that a builder keeps for itself

/// What all tables of the process have in memory together.
std::atomic<std::size_t> in_all_tables{0};

class MemoryBlock final : public WritableTableBlock {
public:
    MemoryBlock(std::size_t size, Reservation memory) : memory_(std::move(memory)), values_(make_pixels<std::byte>(size)), size_(size) { in_all_tables.fetch_add(size); }
    ~MemoryBlock() override { in_all_tables.fetch_sub(size_); }
    std::span<const std::byte> bytes() const override { return {values_.get(), size_}; }
    std::span<std::byte> writable() override { return {values_.get(), size_}; }

private:
    const Reservation memory_;
    const Pixels<std::byte> values_;
    const std::size_t size_;
};

class MappedBlock final : public TableBlock {
public:
    MappedBlock(std::shared_ptr<const MappedFile> segment, std::size_t offset, std::size_t size) : segment_(std::move(segment)), bytes_(segment_->data() + offset, size) {}
    std::span<const std::byte> bytes() const override { return bytes_; }
    const MappedFile* mapping() const override { return segment_.get(); }

private:
    const std::shared_ptr<const MappedFile> segment_;
    const std::span<const std::byte> bytes_;
};

/// Where the disk is the block of an empty chunk, too.
class EmptyBlock final : public TableBlock {
public:
    std::span<const std::byte> bytes() const override { return {}; }
};

} // namespace

struct TableStorage::State {
    State(BudgetCache& cache, std::string folder, std::size_t share) : budget(cache), scratch(std::move(folder)), memory_share(share) {}
    ~State() {
        if (descriptor >= 0) os().close(descriptor);
    }

    BudgetCache& budget;
    const std::string scratch;
    const std::size_t memory_share;

    platform::Mutex mutex;
    std::size_t in_memory CUBELINK_GUARDED_BY(mutex) = 0, on_disk CUBELINK_GUARDED_BY(mutex) = 0;
    bool refused CUBELINK_GUARDED_BY(mutex) = false; // the budget had no room: it is not asked again
    int descriptor CUBELINK_GUARDED_BY(mutex) = -1;
    std::int64_t segment_offset CUBELINK_GUARDED_BY(mutex) = 0;
    std::size_t used CUBELINK_GUARDED_BY(mutex) = 0; // of the segment
    std::shared_ptr<const MappedFile> segment CUBELINK_GUARDED_BY(mutex);

    [[noreturn]] static void failed(const std::string& what) { throw TableError("the scratch folder: " + what); }

    /// A segment that holds `size` more bytes.
    void begin_segment(std::size_t size) CUBELINK_REQUIRES(mutex) {
        if (descriptor < 0 && (descriptor = os().open_scratch(scratch.c_str())) < 0) failed(std::strerror(errno));
        if (segment) segment_offset += static_cast<std::int64_t>(segment->size());
        const auto length = std::max(segment_size, size);
        struct statvfs disk {};
        if (::fstatvfs(descriptor, &disk) == 0) {
            const auto room = static_cast<double>(disk.f_bavail) * static_cast<double>(disk.f_frsize) - static_cast<double>(disk_reserve);
            if (static_cast<double>(size) > room) failed("there is no room for " + std::to_string(size >> 20) + " MiB of the table");
        }
        if (os().ftruncate(descriptor, segment_offset + static_cast<std::int64_t>(length)) != 0) failed(std::strerror(errno));
        segment = MappedFile::map(descriptor, segment_offset, length, MappedFile::Reading::in_order);
        if (!segment) failed("its file can't be mapped");
        used = 0;
    }

    TableBlockPtr keep_on_disk(std::span<const std::span<const std::byte>> pieces, std::size_t size) {
        const MutexLock lock(mutex);
        if (!segment || segment->size() - used < size) begin_segment(size);
        auto at = segment_offset + static_cast<std::int64_t>(used);
        for (auto rest : pieces) {
            while (!rest.empty()) {
                const auto count = os().pwrite(descriptor, rest.data(), rest.size(), at);
                if (count <= 0) failed(count < 0 ? std::strerror(errno) : "it takes no more");
                rest = rest.subspan(static_cast<std::size_t>(count));
                at += count;
            }
        }
        const auto offset = std::exchange(used, std::min(segment->size(), (used + size + block_alignment - 1) / block_alignment * block_alignment));
        on_disk += size;
        return std::make_shared<MappedBlock>(segment, offset, size);
    }
};

TableStorage::TableStorage(BudgetCache& budget, std::string scratch, std::size_t memory_share)
    : state_(std::make_shared<State>(budget, std::move(scratch), memory_share)) {}

TableStorage::~TableStorage() = default;

TableBlockPtr TableStorage::keep(std::span<const std::byte> bytes, const CancelToken& cancel) { return keep(std::span(&bytes, 1), cancel); }

TableBlockPtr TableStorage::keep(std::span<const std::span<const std::byte>> pieces, const CancelToken& cancel) {
    cancel.throw_if_cancelled();
    std::size_t size = 0;
    for (const auto& piece : pieces) size += piece.size();
    if (size == 0) return std::make_shared<EmptyBlock>();
    const auto block = allocate(size);
    if (!block) return state_->keep_on_disk(pieces, size);
    auto to = block->writable().begin();
    for (const auto& piece : pieces) to = std::copy(piece.begin(), piece.end(), to);
    return block;
}

std::shared_ptr<WritableTableBlock> TableStorage::allocate(std::size_t bytes) {
    {
        const MutexLock lock(state_->mutex);
        if (state_->refused || bytes > state_->memory_share || state_->in_memory > state_->memory_share - bytes) return nullptr;
        state_->in_memory += bytes;
    }
    // Many tables together leave the budget to others, and none waits for memory: it has a disk.
    if (in_all_tables.load() + bytes <= state_->budget.limit() / 4)
        if (auto memory = state_->budget.try_reserve(bytes)) return std::make_shared<MemoryBlock>(bytes, std::move(*memory));
    const MutexLock lock(state_->mutex);
    state_->in_memory -= bytes;
    state_->refused = true;
    return nullptr;
}

std::size_t TableStorage::in_memory() const {
    const MutexLock lock(state_->mutex);
    return state_->in_memory;
}

std::size_t TableStorage::on_disk() const {
    const MutexLock lock(state_->mutex);
    return state_->on_disk;
}

std::size_t chunk_rows_for(std::size_t columns) {
    constexpr std::size_t most = 65'536, least = 64, all_bytes = std::size_t{64} << 20;
    const auto rows = all_bytes / sizeof(double) / std::max<std::size_t>(columns, 1);
    return std::bit_floor(std::clamp(rows, least, most));
}

ColumnBuilder::ColumnBuilder(ColumnInfo info, std::size_t chunk_rows, TableStorage& storage, CancelToken cancel)
    : info_(std::move(info)), chunk_rows_(chunk_rows), storage_(storage), cancel_(std::move(cancel)) {}

std::span<std::byte> ColumnBuilder::extend(std::size_t rows) {
    seal_if_full();
    const auto bytes = rows * size_of(info_.type);
    std::byte* const begin = room(bytes);
    last_extend_ = in_chunk_;
    added(rows);
    return {begin, bytes};
}

void ColumnBuilder::append_text(std::string_view text) {
    seal_if_full();
    if (text.size() > std::numeric_limits<std::uint32_t>::max() - text_bytes_)
        throw TableError("column \"" + info_.name + "\": more than 4 GiB of text in " + std::to_string(chunk_rows_) + " rows");
    texts_.insert(texts_.end(), text.begin(), text.end());
    text_bytes_ += text.size();
    const auto end = static_cast<std::uint32_t>(text_bytes_);
    std::memcpy(room(sizeof(end)), &end, sizeof(end));
    added(1);
    if (text.empty()) set_null(in_chunk_ - 1);
    // Long texts don't grow in memory that nobody counts.
    if (texts_.size() < chunk_rows_ * text_share) return;
    text_pieces_.push_back(storage_.keep(std::as_bytes(std::span(texts_)), cancel_));
    texts_.clear();
}

void ColumnBuilder::append_null() {
    if (info_.type == ColumnType::string) return append_text({});
    if (info_.type == ColumnType::float32) append(std::numeric_limits<float>::quiet_NaN());
    else if (info_.type == ColumnType::float64) append(std::numeric_limits<double>::quiet_NaN());
    else {
        const auto value = extend(1);
        std::fill(value.begin(), value.end(), std::byte{0});
    }
    set_null(in_chunk_ - 1);
}

void ColumnBuilder::mark_null(std::size_t row_of_last_extend) { set_null(last_extend_ + row_of_last_extend); }

void ColumnBuilder::set_null(std::size_t row) {
    if (nulls_.empty()) nulls_.assign((chunk_rows_ + 7) / 8, std::byte{0});
    nulls_[row / 8] |= std::byte{1} << (row % 8);
}

void ColumnBuilder::seal() {
    Column::Chunk chunk;
    chunk.values = storage_.keep(std::span(values_).first(used_), cancel_);
    if (info_.type == ColumnType::string) {
        std::vector<std::span<const std::byte>> pieces;
        for (const auto& piece : text_pieces_) pieces.push_back(piece->bytes());
        pieces.push_back(std::as_bytes(std::span(texts_)));
        chunk.texts = storage_.keep(pieces, cancel_);
        for (const auto& piece : text_pieces_)
            if (piece->failed()) throw TableError("the disk with the scratch folder has failed, texts of the column \"" + info_.name + "\" are lost");
    }
    if (!nulls_.empty()) chunk.nulls = storage_.keep(nulls_, cancel_);
    chunks_.push_back(std::move(chunk));
    used_ = 0;
    texts_.clear();
    text_pieces_.clear();
    text_bytes_ = 0;
    nulls_.clear();
    sealed_rows_ += std::exchange(in_chunk_, 0);
    full_ = false;
}

std::shared_ptr<const Column> ColumnBuilder::finish() {
    if (in_chunk_ > 0) seal();
    return std::make_shared<const Column>(info_, sealed_rows_, chunk_rows_, std::move(chunks_));
}

} // namespace cubelink::imaging
