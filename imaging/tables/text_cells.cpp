#include "imaging/tables/text_cells.hpp"

#include "imaging/tables/cell_text.hpp"
#include "platform/text.hpp"

namespace cubelink::imaging {

namespace {

/// Texts that are no values, and that nobody needs a warning of.
bool stands_for_nothing(std::string_view text, const std::optional<std::string>& null) {
    text = without_blanks(text);
    return text.empty() || (null && text == *null) || platform::equal_ignoring_case(text, "null");
}

} // namespace

template <class T>
bool TextCells::append_integer(Cell& cell, std::string_view text) {
    T value = 0;
    if (parse_integer(text, value)) [[likely]] {
        if (cell.null_integer && *cell.null_integer == static_cast<std::int64_t>(value)) cell.builder->append_null();
        else cell.builder->append(value);
        return true;
    }
    cell.builder->append_null();
    return stands_for_nothing(text, cell.null_text);
}

template <class T>
bool TextCells::append_real(Cell& cell, std::string_view text) {
    T value = 0;
    if (parse_real(text, value)) [[likely]] {
        if (cell.null_real && static_cast<T>(*cell.null_real) == value) cell.builder->append_null();
        else cell.builder->append(value);
        return true;
    }
    cell.builder->append_null();
    return stands_for_nothing(text, cell.null_text);
}

bool TextCells::append_boolean(Cell& cell, std::string_view text) {
    std::uint8_t value = 0;
    text = without_blanks(text);
    if (!(cell.null_text && text == *cell.null_text) && parse_boolean(text, value)) {
        cell.builder->append(value);
        return true;
    }
    cell.builder->append_null();
    return text == "?" || stands_for_nothing(text, cell.null_text);
}

bool TextCells::append_string(Cell& cell, std::string_view text) {
    if (cell.null_text && text == *cell.null_text) cell.builder->append_null();
    else if (platform::is_utf8(text)) cell.builder->append_text(text);
    else cell.builder->append_text(cell.decode(text));
    return true;
}

TextCells::TextCells(TableMaker& maker, const std::vector<std::optional<std::string>>& nulls, Decode decode) : cells_(maker.columns()) {
    for (std::size_t i = 0; i < cells_.size(); ++i) {
        Cell& cell = cells_[i];
        cell.builder = maker.column(i);
        if (cell.builder == nullptr) continue;
        if (i < nulls.size() && nulls[i]) {
            cell.null_text = std::string(without_blanks(*nulls[i]));
            std::int64_t integer = 0;
            if (parse_integer(*nulls[i], integer)) cell.null_integer = integer;
            double real = 0;
            if (parse_real(*nulls[i], real)) cell.null_real = real;
        }
        switch (maker.info.columns[i].type) {
        case ColumnType::uint8: cell.append = append_integer<std::uint8_t>; break;
        case ColumnType::int8: cell.append = append_integer<std::int8_t>; break;
        case ColumnType::uint16: cell.append = append_integer<std::uint16_t>; break;
        case ColumnType::int16: cell.append = append_integer<std::int16_t>; break;
        case ColumnType::uint32: cell.append = append_integer<std::uint32_t>; break;
        case ColumnType::int32: cell.append = append_integer<std::int32_t>; break;
        case ColumnType::uint64: cell.append = append_integer<std::uint64_t>; break;
        case ColumnType::int64: cell.append = append_integer<std::int64_t>; break;
        case ColumnType::float32: cell.append = append_real<float>; break;
        case ColumnType::float64: cell.append = append_real<double>; break;
        case ColumnType::boolean: cell.append = append_boolean; break;
        case ColumnType::string:
        case ColumnType::unsupported:
            cell.append = append_string;
            cell.text = true;
            cell.decode = decode;
            break;
        }
    }
}

} // namespace cubelink::imaging
