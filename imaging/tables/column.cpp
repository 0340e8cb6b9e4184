#include "imaging/tables/column.hpp"

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

} // namespace cubelink::imaging
