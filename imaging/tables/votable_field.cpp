#include "imaging/tables/votable_field.hpp"

#include "imaging/tables/cell_text.hpp"
#include "imaging/tables/table_maker.hpp"

#include <array>

namespace cubelink::imaging {

namespace {

struct Primitive {
    std::string_view name;
    ColumnType type;
    std::int64_t size;
};

constexpr std::array<Primitive, 12> primitives{{{"boolean", ColumnType::boolean, 1},
                                                {"bit", ColumnType::boolean, 0},
                                                {"unsignedByte", ColumnType::uint8, 1},
                                                {"short", ColumnType::int16, 2},
                                                {"int", ColumnType::int32, 4},
                                                {"long", ColumnType::int64, 8},
                                                {"char", ColumnType::string, 1},
                                                {"unicodeChar", ColumnType::string, 2},
                                                {"float", ColumnType::float32, 4},
                                                {"double", ColumnType::float64, 8},
                                                {"floatComplex", ColumnType::unsupported, 8},
                                                {"doubleComplex", ColumnType::unsupported, 16}}};

/// "5", "5x3", "*", "5*", "5x*". Returns the number of dimensions.
int read_arraysize(std::string_view text, VotableField& field) {
    const auto fail = [&](const char* why) {
        throw TableError("column \"" + field.info.name + "\": arraysize \"" + clipped(text, 100) + "\" " + why);
    };
    auto rest = without_blanks(text);
    int dimensions = 1;
    while (!rest.empty()) {
        if (rest == "*") {
            field.variable = true;
            return dimensions;
        }
        std::int64_t length = 0;
        const auto [stop, error] = std::from_chars(rest.data(), rest.data() + rest.size(), length);
        if (error == std::errc::result_out_of_range) fail("is too large");
        if (error != std::errc() || length < 0) fail("is not a size");
        rest.remove_prefix(static_cast<std::size_t>(stop - rest.data()));
        if (rest == "*") { // up to that many
            field.variable = true;
            return dimensions;
        }
        std::int64_t bytes = 0;
        if (__builtin_mul_overflow(field.count, length, &field.count) || __builtin_mul_overflow(field.count, std::int64_t{16}, &bytes) ||
            bytes > (std::int64_t{1} << 60))
            fail("is too large");
        if (rest.empty()) return dimensions;
        if (rest.front() != 'x') fail("is not a size");
        rest.remove_prefix(1);
        if (rest.empty()) fail("is not a size");
        ++dimensions;
    }
    return dimensions;
}

} // namespace

VotableField votable_field(std::string_view name, std::string_view datatype, std::string_view arraysize) {
    VotableField field;
    field.info.name = name;
    datatype = without_blanks(datatype);
    const Primitive* primitive = nullptr;
    for (const auto& one : primitives)
        if (one.name == datatype) primitive = &one;
    field.info.source_type = datatype.empty() ? "no datatype" : std::string(datatype);
    if (primitive == nullptr) { // TABLEDATA can show it as text
        field.info.type = ColumnType::string;
        field.known = false;
        return field;
    }
    field.info.type = primitive->type;
    field.element_size = primitive->size;
    field.bits = primitive->name == "bit";
    field.wide_text = primitive->name == "unicodeChar";
    if (without_blanks(arraysize).empty()) return field;
    field.info.source_type += "[" + std::string(without_blanks(arraysize)) + "]";
    const int dimensions = read_arraysize(arraysize, field);
    const bool text = primitive->type == ColumnType::string;
    if (text ? dimensions > 1 || (!field.variable && field.count == 0) : field.variable || field.count != 1)
        field.info.type = ColumnType::unsupported;
    return field;
}

} // namespace cubelink::imaging
