#include "imaging/tables/fits_table_columns.hpp"

#include "imaging/tables/cell_text.hpp"

#include <algorithm>
#include <array>
#include <limits>

namespace cubelink::imaging {

namespace {

constexpr std::int64_t row_limit = std::int64_t{1} << 40; // bytes

std::string number_of(std::size_t column) { return std::to_string(column + 1); }

[[noreturn]] void fail(const FitsTableColumn& column, std::size_t index, const std::string& what) {
    throw TableError("column " + number_of(index) + (column.info.name.empty() ? "" : " (\"" + column.info.name + "\")") + ": " + what);
}

/// Digits at the beginning of `text`, which lose them; `missing` if there are none. nullopt: too many.
std::optional<std::int64_t> take_number(std::string_view& text, std::int64_t missing) {
    std::int64_t value = missing;
    const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error == std::errc::result_out_of_range) return std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(stop - text.data()));
    return value;
}

struct BinaryType {
    char letter;
    std::int64_t size;
    ColumnType type;
};
constexpr std::array<BinaryType, 11> binary_types{{{'L', 1, ColumnType::boolean},
                                                   {'B', 1, ColumnType::uint8},
                                                   {'I', 2, ColumnType::int16},
                                                   {'J', 4, ColumnType::int32},
                                                   {'K', 8, ColumnType::int64},
                                                   {'A', 1, ColumnType::string},
                                                   {'E', 4, ColumnType::float32},
                                                   {'D', 8, ColumnType::float64},
                                                   {'C', 8, ColumnType::unsupported},
                                                   {'M', 16, ColumnType::unsupported},
                                                   {'P', 8, ColumnType::unsupported}}};

/// Elements of a TDIM beyond the first axis; 1 if it can't be read.
std::int64_t further_elements(std::string_view dimensions) {
    dimensions = without_blanks(dimensions);
    if (!dimensions.starts_with('(')) return 1;
    std::int64_t product = 1;
    for (int axis = 0; dimensions.size() > 1 && axis < 100; ++axis) {
        dimensions.remove_prefix(1);
        dimensions = without_blanks(dimensions); // IDL pads the lengths
        const auto length = take_number(dimensions, 1);
        dimensions = without_blanks(dimensions);
        if (!length || *length < 0) return 1;
        if (axis > 0 && __builtin_mul_overflow(product, *length, &product)) return 2;
        if (!dimensions.starts_with(',')) break;
    }
    return product;
}

bool is_integer(ColumnType type) {
    return type == ColumnType::uint8 || type == ColumnType::int16 || type == ColumnType::int32 || type == ColumnType::int64;
}

/// TSCAL, TZERO and TNULL of a column of single numbers.
void read_scaling(const Header& header, const std::string& number, FitsTableColumn& column) {
    column.scale = header.number("TSCAL" + number).value_or(1);
    column.zero = header.number("TZERO" + number).value_or(0);
    if (is_integer(column.stored)) column.null = header.integer("TNULL" + number);
    if (column.scale == 1 && column.zero == 0) return;
    struct Convention {
        ColumnType stored, type;
        double zero;
    };
    constexpr std::array<Convention, 4> conventions{{{ColumnType::uint8, ColumnType::int8, -128},
                                                     {ColumnType::int16, ColumnType::uint16, 32768},
                                                     {ColumnType::int32, ColumnType::uint32, 2147483648.0},
                                                     {ColumnType::int64, ColumnType::uint64, 9223372036854775808.0}}};
    for (const auto& one : conventions) {
        if (column.scale != 1 || one.stored != column.stored || one.zero != column.zero) continue;
        column.info.type = one.type;
        column.flip_sign = true;
        return;
    }
    column.scaled = true;
    column.info.type = ColumnType::float64;
}

/// Sets type and width. `form`: TFORM.
void read_binary_form(const Header& header, std::size_t index, std::string_view form, FitsTableColumn& column) {
    const auto number = number_of(index);
    auto rest = without_blanks(form);
    const auto repeat = take_number(rest, 1);
    if (!repeat || *repeat < 0 || *repeat > row_limit)
        fail(column, index, "TFORM \"" + std::string(form) + "\": the number of elements is beyond any file");
    if (rest.empty()) fail(column, index, "TFORM \"" + std::string(form) + "\" has no type");
    const char letter = rest.front() == 'Q' ? 'P' : rest.front();
    rest.remove_prefix(1);
    if (letter == 'X') {
        column.width = static_cast<std::size_t>((*repeat + 7) / 8);
        return;
    }
    const auto found = std::find_if(binary_types.begin(), binary_types.end(), [letter](const auto& one) { return one.letter == letter; });
    if (found == binary_types.end()) fail(column, index, "TFORM \"" + std::string(form) + "\" has an unknown type");
    column.width = static_cast<std::size_t>(*repeat * (form.find('Q') != std::string_view::npos ? 16 : found->size));
    if (letter == 'A') {
        const auto part = take_number(rest, *repeat); // "30A10": strings of 10 characters
        const bool parts = part && *part > 0 && *part < *repeat;
        const auto dimensions = header.text("TDIM" + number).value_or("");
        if (*repeat > 0 && !parts && further_elements(dimensions) == 1) column.info.type = ColumnType::string;
        return;
    }
    if (*repeat != 1) return;
    column.stored = column.info.type = found->type;
    if (found->type != ColumnType::unsupported && found->type != ColumnType::boolean) read_scaling(header, number, column);
}

void read_ascii_form(const Header& header, std::size_t index, std::string_view form, FitsTableColumn& column) {
    const auto number = number_of(index);
    auto rest = without_blanks(form);
    const char letter = rest.empty() ? ' ' : rest.front();
    if (!rest.empty()) rest.remove_prefix(1);
    const auto width = take_number(rest, 1);
    if (!width || *width < 0 || *width > row_limit)
        fail(column, index, "TFORM \"" + std::string(form) + "\": the width is beyond any file");
    column.width = static_cast<std::size_t>(*width);
    if (rest.starts_with('.')) {
        rest.remove_prefix(1);
        column.decimals = static_cast<int>(std::clamp<std::int64_t>(take_number(rest, 0).value_or(0), 0, 300));
    }
    switch (letter) {
    case 'A': column.info.type = ColumnType::string; break;
    case 'I': column.info.type = *width <= 4 ? ColumnType::int16 : *width <= 9 ? ColumnType::int32 : ColumnType::int64; break;
    case 'F':
    case 'E':
    case 'D': column.info.type = ColumnType::float64; break;
    default: fail(column, index, "TFORM \"" + std::string(form) + "\" has an unknown type");
    }
    const auto begin = header.integer("TBCOL" + number);
    if (!begin || *begin < 1 || *begin > row_limit)
        fail(column, index, "TBCOL" + number + (begin ? " lies outside of the row" : " is missing"));
    column.offset = static_cast<std::size_t>(*begin - 1);
    column.null_text = header.text("TNULL" + number);
    column.scale = header.number("TSCAL" + number).value_or(1);
    column.zero = header.number("TZERO" + number).value_or(0);
    column.scaled = column.info.type != ColumnType::string && (column.scale != 1 || column.zero != 0);
    if (column.scaled) column.info.type = ColumnType::float64;
}

} // namespace

FitsTableShape fits_table_shape(const Header& header, const std::string& type) {
    const auto fields = header.integer("TFIELDS"), width = header.integer("NAXIS1"), rows = header.integer("NAXIS2");
    if (!fields || *fields < 0 || *fields > 999)
        throw TableError(std::string("TFIELDS ") + (fields ? "is not a number from 0 to 999" : "is missing"));
    if (!width || *width < 0 || *width > row_limit)
        throw TableError(std::string("NAXIS1 ") + (width ? "is not the length of a row" : "is missing"));
    if (!rows || *rows < 0) throw TableError(std::string("NAXIS2 ") + (rows ? "is negative" : "is missing"));
    FitsTableShape shape;
    shape.ascii = type == "TABLE";
    shape.row_size = static_cast<std::size_t>(*width);
    shape.rows = *width == 0 ? 0 : *rows; // rows without bytes have nothing to show
    std::size_t offset = 0;
    for (std::size_t i = 0; i < static_cast<std::size_t>(*fields); ++i) {
        const auto number = number_of(i);
        FitsTableColumn column;
        column.info.name = header.text("TTYPE" + number).value_or("");
        const auto form = header.text("TFORM" + number);
        if (!form) fail(column, i, "TFORM" + number + " is missing");
        column.info.source_type = *form;
        if (shape.ascii) {
            read_ascii_form(header, i, *form, column);
        } else {
            column.offset = offset;
            read_binary_form(header, i, *form, column);
            offset += column.width;
        }
        if (column.offset > shape.row_size || column.width > shape.row_size - column.offset)
            fail(column, i,
                 "TFORM \"" + *form + "\": it ends at byte " + std::to_string(column.offset + column.width) + ", but a row has " +
                     std::to_string(shape.row_size));
        if (column.info.name.empty()) column.info.name = "column " + number;
        if (const auto dimensions = header.text("TDIM" + number)) column.info.source_type += " " + *dimensions;
        column.info.unit = header.text("TUNIT" + number).value_or("");
        column.info.ucd = header.text("TUCD" + number).value_or("");
        column.info.description = header.text("TCOMM" + number).value_or("");
        if (const Card* card = header.find("TTYPE" + number); card != nullptr && column.info.description.empty())
            column.info.description = card->comment;
        if (column.width == 0) column.info.type = ColumnType::unsupported;
        shape.columns.push_back(std::move(column));
    }
    return shape;
}

TableInfo fits_table_info(const Header& header) {
    constexpr std::size_t text_limit = 64 << 10;
    TableInfo info;
    info.format = TableInfo::Format::fits;
    info.name = header.text("EXTNAME").value_or("");
    constexpr std::array<std::string_view, 8> structure{"XTENSION", "BITPIX", "NAXIS", "PCOUNT", "GCOUNT", "TFIELDS", "THEAP", "EXTNAME"};
    for (const Card& card : header.cards()) {
        if (info.description.size() > text_limit) break;
        const std::string_view keyword = card.keyword;
        if (std::any_of(structure.begin(), structure.end(), [keyword](std::string_view one) { return keyword.starts_with(one); })) continue;
        // What describes single columns is told with them.
        const auto letters = keyword.find_last_not_of("0123456789");
        if (keyword.starts_with('T') && letters != std::string_view::npos && letters + 1 < keyword.size()) continue;
        std::string line = card.kind == Card::Kind::commentary
                               ? card.text
                               : card.keyword + " = " + card.value + (card.comment.empty() ? "" : " / " + card.comment);
        if (without_blanks(line).empty()) continue;
        info.description += (info.description.empty() ? "" : "\n") + line;
    }
    CoordinateSystem system;
    system.system = header.text("RADESYS").value_or(header.text("RADECSYS").value_or(""));
    for (const char* name : {"EQUINOX", "EPOCH"})
        if (const Card* card = header.find(name); card != nullptr && system.equinox.empty()) system.equinox = card->value;
    if (!system.system.empty() || !system.equinox.empty()) info.systems.push_back(std::move(system));
    return info;
}

} // namespace cubelink::imaging
