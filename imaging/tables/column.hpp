#pragma once
/// One column of a table: its values in chunks of equally many rows, in their own type. Immutable; any thread.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace cubelink::imaging {

class MappedFile;

enum class ColumnType { // numbers as in ICD ColumnType
    unsupported = 0,    // listed without values: arrays, complex numbers
    string = 1,
    uint8 = 2,
    int8 = 3,
    uint16 = 4,
    int16 = 5,
    uint32 = 6,
    int32 = 7,
    uint64 = 8,
    int64 = 9,
    float32 = 10,
    float64 = 11,
    boolean = 12 // bytes of 0 and 1
};

/// Bytes of a value; 0 for strings and unsupported columns.
std::size_t size_of(ColumnType type);
std::string_view name_of(ColumnType type);

/// What is known of a column from the table's header. Texts are valid UTF-8.
struct ColumnInfo {
    std::string name, unit, description;
    std::string source_type; // as the file says it: "char[12]", "3D", "double array of 2"
    std::string ucd;         // VOTable's meaning of it, or FITS's TUCD: "pos.eq.ra"
    ColumnType type = ColumnType::unsupported;
    /// COOSYS or TIMESYS that it refers to; empty: none.
    std::string system;
};

/// Memory of a sealed chunk: a part of the budget, or of a scratch file that is mapped.
class TableBlock {
public:
    virtual ~TableBlock() = default;
    virtual std::span<const std::byte> bytes() const = 0;
    /// Of the scratch file that holds the bytes, for as long as the block lives; nullptr: they are in memory.
    virtual const MappedFile* mapping() const { return nullptr; }
    /// Whether the scratch disk has failed: what was read from bytes() until now may be zeros.
    bool failed() const;
};
using TableBlockPtr = std::shared_ptr<const TableBlock>;

class Column {
public:
    /// The texts of a chunk.
    struct Texts {
        std::span<const std::uint32_t> ends; // of each row's text in `bytes`; it begins where the one before ends
        const char* bytes = nullptr;
        std::size_t size() const { return ends.size(); }
        std::string_view operator[](std::size_t row) const {
            const auto begin = row == 0 ? 0u : ends[row - 1], end = ends[row];
            return {bytes + begin, end < begin ? 0 : end - begin}; // ends become zeros at any moment, where the scratch disk fails
        }
    };
    struct Chunk {
        TableBlockPtr values; // numbers; or the ends of texts
        TableBlockPtr texts;  // bytes of texts
        TableBlockPtr nulls;  // a bit for each row, lowest first, set where there is no value; null if all have one
    };

    Column(ColumnInfo column, std::size_t rows, std::size_t chunk_rows, std::vector<Chunk> sealed);

    const ColumnInfo info;

    std::size_t rows() const { return rows_; }
    /// A power of two, the same for all columns of a table; the last chunk may have fewer.
    std::size_t chunk_rows() const { return chunk_rows_; }
    /// 0 for unsupported columns.
    std::size_t chunks() const { return chunks_.size(); }

    /// REQUIRES: T is the column's type: std::uint8_t … double; std::uint8_t for booleans. Where there is no value: NaN, or 0.
    template <class T>
    std::span<const T> values(std::size_t chunk) const {
        const auto bytes = chunks_[chunk].values->bytes();
        return {reinterpret_cast<const T*>(bytes.data()), bytes.size() / sizeof(T)};
    }
    /// REQUIRES: a column of strings.
    Texts texts(std::size_t chunk) const {
        return {values<std::uint32_t>(chunk), reinterpret_cast<const char*>(chunks_[chunk].texts->bytes().data())};
    }
    /// Whether the file has no value there. A NaN that is in the file is a value.
    bool is_null(std::size_t row) const {
        const auto& nulls = chunks_[row / chunk_rows_].nulls;
        if (!nulls) return false;
        const auto within = row % chunk_rows_;
        return (std::to_integer<unsigned>(nulls->bytes()[within / 8]) >> (within % 8) & 1) != 0;
    }
    bool has_nulls(std::size_t chunk) const { return chunks_[chunk].nulls != nullptr; }
    /// A bit for each row of the chunk, lowest first, set where there is no value; empty if all have one.
    std::span<const std::byte> null_bits(std::size_t chunk) const {
        return chunks_[chunk].nulls ? chunks_[chunk].nulls->bytes() : std::span<const std::byte>();
    }

    /// Throws TableError if the scratch disk has failed: what was read from the column until now may be zeros, and empty texts. Whoever reads values, or texts that
    /// it was given, calls this before they are used. Cheap.
    void check() const;

private:
    std::size_t rows_, chunk_rows_;
    std::vector<Chunk> chunks_;
    std::vector<const MappedFile*> mappings_; // of all chunks: a few, of many chunks each
};

} // namespace cubelink::imaging
