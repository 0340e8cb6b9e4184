/// Reads a table and writes all of it, for check_astropy.py: table_dump FILE [MEMORY_SHARE [MOST_ROWS [THREADS]]]
///
/// A line of JSON, then for each column with values: one byte a row (1: missing), then the values; of strings the ends (uint32) of all
/// rows, as if they were one text, and the text. Exit status 2: the file can't be read, and the message is on stderr.

#include "imaging/tables/open_table.hpp"

#include <cstdio>
#include <cstdlib>
#include <string>

using namespace cubelink::imaging;

namespace {

std::string quoted(const std::string& text) {
    std::string out = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\') out += '\\';
        if (static_cast<unsigned char>(c) < 0x20) {
            char code[8];
            std::snprintf(code, sizeof(code), "\\u%04x", c);
            out += code;
        } else {
            out += c;
        }
    }
    return out + "\"";
}

template <class Items, class Show>
std::string list(const Items& items, Show&& show) {
    std::string out = "[";
    for (const auto& item : items) out += (out.size() > 1 ? "," : "") + show(item);
    return out + "]";
}

void write_header(const Table& table) {
    const auto& info = table.info;
    const auto columns = list(info.columns, [](const ColumnInfo& c) {
        return "{\"name\":" + quoted(c.name) + ",\"unit\":" + quoted(c.unit) + ",\"description\":" + quoted(c.description) +
               ",\"source_type\":" + quoted(c.source_type) + ",\"ucd\":" + quoted(c.ucd) +
               ",\"type\":" + quoted(std::string(name_of(c.type))) + ",\"system\":" + quoted(c.system) + "}";
    });
    const auto systems = list(info.systems, [](const CoordinateSystem& s) {
        return "[" + quoted(s.id) + "," + quoted(s.system) + "," + quoted(s.equinox) + "," + quoted(s.epoch) + "]";
    });
    const auto times = list(info.time_systems, [](const TimeSystem& s) {
        return "[" + quoted(s.id) + "," + quoted(s.scale) + "," + quoted(s.position) + "," + quoted(s.origin) + "]";
    });
    std::printf("{\"rows\":%zu,\"chunk_rows\":%zu,\"format\":%d,\"name\":%s,\"description\":%s,\"info_rows\":%lld,\"systems\":%s,\"times\":"
                "%s,\"others\":%s,\"warnings\":%s,\"columns\":%s}\n",
                table.rows, table.chunk_rows, static_cast<int>(info.format), quoted(info.name).c_str(), quoted(info.description).c_str(),
                static_cast<long long>(info.rows.value_or(-1)), systems.c_str(), times.c_str(), list(info.other_tables, quoted).c_str(),
                list(info.warnings, quoted).c_str(), columns.c_str());
}

void write(const void* data, std::size_t size) {
    if (size > 0 && std::fwrite(data, 1, size, stdout) != size) std::exit(3);
}

void write_column(const Column& column) {
    if (column.info.type == ColumnType::unsupported) return;
    for (std::size_t row = 0; row < column.rows(); ++row) std::putchar(column.is_null(row) ? 1 : 0);
    if (column.info.type != ColumnType::string) {
        for (std::size_t chunk = 0; chunk < column.chunks(); ++chunk) {
            const auto bytes = column.values<std::uint8_t>(chunk);
            write(bytes.data(), bytes.size());
        }
        return;
    }
    std::uint32_t end = 0;
    for (std::size_t chunk = 0; chunk < column.chunks(); ++chunk) {
        const auto texts = column.texts(chunk);
        for (std::size_t row = 0; row < texts.size(); ++row) {
            end += static_cast<std::uint32_t>(texts[row].size());
            write(&end, sizeof(end));
        }
    }
    for (std::size_t chunk = 0; chunk < column.chunks(); ++chunk) {
        const auto texts = column.texts(chunk);
        for (std::size_t row = 0; row < texts.size(); ++row) write(texts[row].data(), texts[row].size());
    }
}

} // namespace

int main(int argc, char** argv) {
    if (argc < 2) return 1;
    const auto number = [&](int index, long long otherwise) { return argc > index ? std::atoll(argv[index]) : otherwise; };
    BudgetCache budget(std::size_t{1} << 30, 100);
    TableOptions options{.budget = budget, .scratch = "/tmp"};
    options.memory_share = static_cast<std::size_t>(number(2, 256 << 20));
    options.most_rows = number(3, options.most_rows);
    options.threads = ThreadShare(static_cast<int>(number(4, 2)));
    try {
        const auto table = open_table(std::string(argv[1]), options);
        write_header(*table);
        for (const auto& column : table->columns) write_column(*column);
    } catch (const TableError& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 2;
    }
    return 0;
}
