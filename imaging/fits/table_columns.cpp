#include "imaging/fits/table_columns.hpp"

#include "imaging/fits/big_endian.hpp"

#include <algorithm>
#include <bit>
#include <cctype>
#include <limits>

namespace cubelink::imaging {

std::size_t width_of(char type) {
    switch (type) {
    case 'L': case 'B': case 'A': return 1;
    case 'I': return 2;
    case 'J': case 'E': return 4;
    case 'K': case 'D': case 'C': case 'P': return 8;
    case 'M': case 'Q': return 16;
    default: return 0;
    }
}

const TableColumn* TableShape::find(std::string_view name) const {
    const auto same = [](char a, char b) { return std::toupper(static_cast<unsigned char>(a)) == std::toupper(static_cast<unsigned char>(b)); };
    const auto found = std::find_if(columns.begin(), columns.end(),
                                    [&](const TableColumn& column) { return std::equal(column.name.begin(), column.name.end(), name.begin(), name.end(), same); });
    return found == columns.end() ? nullptr : &*found;
}

std::optional<TableShape> table_shape(const Header& header) {
    const auto fields = header.integer("TFIELDS"), width = header.integer("NAXIS1"), count = header.integer("NAXIS2");
    if (!fields || *fields < 1 || *fields > 999 || !width || *width < 1 || *width > (1 << 30) || !count || *count < 1) return std::nullopt;
    TableShape shape{static_cast<std::size_t>(*width), *count, {}};
    std::size_t offset = 0;
    for (std::int64_t i = 1; i <= *fields; ++i) {
        const std::string number = std::to_string(i), form = header.text("TFORM" + number).value_or("");
        std::size_t at = 0;
        std::int64_t repeat = 0;
        while (at < form.size() && at < 9 && form[at] >= '0' && form[at] <= '9') repeat = repeat * 10 + (form[at++] - '0');
        if (at == 0) repeat = 1;
        if (at >= form.size()) return std::nullopt;
        const char type = form[at];
        const char element = (type == 'P' || type == 'Q') && at + 1 < form.size() ? form[at + 1] : '\0';
        shape.columns.push_back({header.text("TTYPE" + number).value_or(""), header.text("TUNIT" + number).value_or(""), offset, repeat, type, element});
        offset += type == 'X' ? static_cast<std::size_t>((repeat + 7) / 8) : width_of(type) * static_cast<std::size_t>(repeat);
        if (offset > shape.row_size) return std::nullopt;
    }
    return shape;
}

double cell_value(const TableColumn& column, std::span<const std::byte> row, std::size_t index) {
    const std::byte* at = row.data() + column.offset + index * width_of(column.type);
    switch (column.type) {
    case 'B': return std::to_integer<int>(*at);
    case 'I': return static_cast<std::int16_t>(big_endian<std::uint16_t>(at));
    case 'J': return static_cast<std::int32_t>(big_endian<std::uint32_t>(at));
    case 'K': return static_cast<double>(static_cast<std::int64_t>(big_endian<std::uint64_t>(at)));
    case 'E': return std::bit_cast<float>(big_endian<std::uint32_t>(at));
    case 'D': return std::bit_cast<double>(big_endian<std::uint64_t>(at));
    default: return std::numeric_limits<double>::quiet_NaN();
    }
}

} // namespace cubelink::imaging
