/// Whatever a VOTable or a text table says, it is a table or an error, and all texts are valid UTF-8.
///
/// Input: the file. A '@' stands for base64 of the bytes up to the next '@', so that the fuzzer changes what the data say and not their
/// encoding.
// link: cubelink_imaging

#include "imaging/tables/open_table.hpp"
#include "platform/utf8.hpp"

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <sys/mman.h>
#include <unistd.h>

using namespace cubelink;
using namespace cubelink::imaging;

namespace {

void require(bool condition) {
    if (!condition) std::abort();
}

void append_base64(std::string& out, std::string_view bytes) {
    constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (std::size_t at = 0; at < bytes.size(); at += 3) {
        const auto byte = [&](std::size_t i) {
            return at + i < bytes.size() ? static_cast<std::uint32_t>(static_cast<unsigned char>(bytes[at + i])) : 0u;
        };
        const auto group = byte(0) << 16 | byte(1) << 8 | byte(2);
        for (std::size_t i = 0; i < 4; ++i) out += at + i > bytes.size() ? '=' : alphabet[group >> (18 - 6 * i) & 63];
    }
}

std::string file_of(std::string_view input) {
    std::string file;
    while (!input.empty()) {
        const auto begin = input.find('@');
        file += input.substr(0, begin);
        if (begin == std::string_view::npos) break;
        input.remove_prefix(begin + 1);
        const auto end = input.find('@');
        append_base64(file, input.substr(0, end));
        input.remove_prefix(std::min(input.size(), end == std::string_view::npos ? end : end + 1));
    }
    return file;
}

void look_at(const Table& table) {
    require(table.columns.size() == table.info.columns.size());
    for (const auto* text : {&table.info.name, &table.info.description}) require(platform::is_utf8(*text));
    for (const auto* list : {&table.info.warnings, &table.info.other_tables})
        for (const auto& text : *list) require(platform::is_utf8(text));
    for (const auto& column : table.columns) {
        require(column->rows() == table.rows);
        for (const auto* text : {&column->info.name, &column->info.unit, &column->info.description, &column->info.source_type,
                                 &column->info.ucd, &column->info.system})
            require(platform::is_utf8(*text));
        if (column->info.type == ColumnType::unsupported) continue;
        for (std::size_t row = 0; row < table.rows; ++row) column->is_null(row);
        if (column->info.type != ColumnType::string) continue;
        for (std::size_t chunk = 0; chunk < column->chunks(); ++chunk) {
            const auto texts = column->texts(chunk);
            for (std::size_t row = 0; row < texts.size(); ++row) require(platform::is_utf8(texts[row]));
        }
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto file = file_of({reinterpret_cast<const char*>(data), size});
    const int descriptor = ::memfd_create("table", MFD_CLOEXEC);
    require(descriptor >= 0 && ::write(descriptor, file.data(), file.size()) == static_cast<ssize_t>(file.size()));
    static BudgetCache budget(std::size_t{1} << 28, 1);
    TableOptions options{.budget = budget, .scratch = "/tmp", .name = "fuzz"};
    try {
        look_at(*open_table(std::make_shared<const FileHandle>(descriptor, "", "fuzz"), options));
    } catch (const TableError& error) {
        require(std::string_view(error.what()).starts_with("fuzz") && platform::is_utf8(error.what()));
    }
    require(budget.statistics().used == 0);
    return 0;
}
