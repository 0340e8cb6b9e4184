#include "imaging/tables/column.hpp"

#include "imaging/base/mapped_file.hpp"
#include "imaging/tables/table.hpp"

#include <algorithm>
#include <utility>

namespace cubelink::imaging {

std::size_t size_of(ColumnType type) {
    switch (type) {
    case ColumnType::uint8:
    case ColumnType::int8:
    case ColumnType::boolean: return 1;
    case ColumnType::uint16:
    case ColumnType::int16: return 2;
    case ColumnType::uint32:
    case ColumnType::int32:
    case ColumnType::float32: return 4;
    case ColumnType::uint64:
    case ColumnType::int64:
    case ColumnType::float64: return 8;
    case ColumnType::string:
    case ColumnType::unsupported: break;
    }
    return 0;
}

std::string_view name_of(ColumnType type) {
    constexpr std::string_view names[] = {"unsupported", "string", "uint8",  "int8",  "uint16",  "int16",  "uint32",
                                          "int32",       "uint64", "int64", "float", "double", "boolean"};
    return names[static_cast<std::size_t>(type)];
}

bool TableBlock::failed() const {
    const auto* const file = mapping();
    return file != nullptr && file->failed();
}

Column::Column(ColumnInfo column, std::size_t rows, std::size_t chunk_rows, std::vector<Chunk> sealed)
    : info(std::move(column)), rows_(rows), chunk_rows_(chunk_rows), chunks_(std::move(sealed)) {
    for (const auto& chunk : chunks_)
        for (const auto* block : {chunk.values.get(), chunk.texts.get(), chunk.nulls.get()})
            if (const auto* file = block ? block->mapping() : nullptr; file && std::find(mappings_.rbegin(), mappings_.rend(), file) == mappings_.rend())
                mappings_.push_back(file);
}

void Column::check() const {
    for (const auto* file : mappings_)
        if (file->failed()) throw TableError("the disk with the scratch folder has failed, values of the column \"" + info.name + "\" are lost: open the file again");
}

void check_columns(const Table& table) {
    for (const auto& column : table.columns) column->check();
}

} // namespace cubelink::imaging
