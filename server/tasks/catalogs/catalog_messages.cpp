#include "server/tasks/catalogs/catalog_messages.hpp"

#include "platform/utf8.hpp"

#include <algorithm>

namespace cubelink::server {

namespace {

std::string_view cut(std::string_view text, std::size_t longest) {
    if (text.size() <= longest) return text;
    auto end = longest;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end; // inside of a character
    return text.substr(0, end);
}

} // namespace

icd::CatalogFileInfo catalog_file_info(const JailedPath& path, const std::string& name, const imaging::TableInfo& info) {
    icd::CatalogFileInfo message;
    message.set_name(name);
    message.set_type(static_cast<icd::CatalogFileType>(info.format)); // numbered alike
    message.set_file_size(path.status.st_size);
    message.set_date(path.status.st_mtime);
    static constexpr const char* formats[] = {"FITS table", "VOTable", "Text"};
    auto description = std::string(formats[static_cast<std::size_t>(info.format)]) + (info.name.empty() ? "" : " \"" + info.name + "\"") + ": " +
                       std::to_string(info.columns.size()) + " columns" + (info.rows ? ", " + std::to_string(*info.rows) + " rows" : "");
    if (!info.description.empty()) description += "\n" + info.description;
    const auto add = [&](const std::string& line) {
        if (!description.empty() && description.back() != '\n') description += '\n';
        description += line;
    };
    for (const auto& other : info.other_tables) add("Not read: " + other);
    for (const auto& warning : info.warnings) add(warning);
    message.set_description(description);
    for (const auto& system : info.systems) {
        auto& coosys = *message.add_coosys();
        coosys.set_system(system.system);
        coosys.set_equinox(system.equinox);
        coosys.set_epoch(system.epoch);
    }
    return message;
}

icd::CatalogHeader catalog_header(const imaging::ColumnInfo& column, std::size_t index) {
    icd::CatalogHeader header;
    header.set_name(column.name);
    header.set_data_type(static_cast<icd::ColumnType>(column.type)); // numbered alike
    header.set_column_index(static_cast<std::int32_t>(index));
    header.set_description(column.description);
    header.set_units(column.unit);
    return header;
}

std::size_t longest_text(std::size_t columns) { return std::max<std::size_t>(1024, (std::size_t{16} << 20) / std::max<std::size_t>(1, columns)); }

std::size_t rows_that_fit(const imaging::Table& table, std::span<const std::size_t> columns, std::span<const std::uint32_t> rows, std::size_t bytes) {
    std::size_t row_bytes = 0;
    for (const auto column : columns) row_bytes += std::max<std::size_t>(2, imaging::size_of(table.info.columns[column].type));
    auto count = std::min(rows.size(), std::max<std::size_t>(1, bytes / std::max<std::size_t>(1, row_bytes)));
    const auto longest = longest_text(columns.size());
    std::vector<std::size_t> sizes; // of the texts of each row
    std::vector<std::string_view> texts;
    for (const auto column : columns) {
        if (table.info.columns[column].type != imaging::ColumnType::string) continue;
        texts.clear();
        imaging::gather_texts(*table.columns[column], rows.first(count), texts);
        sizes.resize(count);
        for (std::size_t i = 0; i < count; ++i) sizes[i] += std::min(longest, texts[i].size());
    }
    std::size_t used = 0;
    for (std::size_t i = 0; i < sizes.size(); ++i) {
        used += sizes[i] + row_bytes;
        if (used > bytes && i > 0) return i;
    }
    return count;
}

icd::ColumnData column_data(const imaging::Column& column, std::span<const std::uint32_t> rows, std::size_t longest) {
    icd::ColumnData data;
    data.set_data_type(static_cast<icd::ColumnType>(column.info.type));
    if (column.info.type == imaging::ColumnType::string) {
        std::vector<std::string_view> texts;
        imaging::gather_texts(column, rows, texts);
        data.mutable_string_data()->Reserve(static_cast<int>(texts.size()));
        for (const auto text : texts) {
            const auto shown = cut(text, longest);
            data.add_string_data(shown.data(), shown.size());
        }
        column.check();
    } else {
        imaging::gather_numbers(column, rows, *data.mutable_binary_data());
    }
    return data;
}

} // namespace cubelink::server
