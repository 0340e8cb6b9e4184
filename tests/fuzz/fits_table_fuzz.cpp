/// Whatever a FITS table says, it is a table or an error, and all texts are valid UTF-8.
///
/// Input that begins with "SIMPLE" is a file as it lies, gzip too. Any other is a table in short: lines are cards of a table's header, what
/// follows 0x1f is its data, and zeros follow them.
// link: cubelink_imaging

#include "imaging/tables/open_table.hpp"
#include "platform/utf8.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <sys/mman.h>
#include <unistd.h>

using namespace cubelink;
using namespace cubelink::imaging;

namespace {

constexpr std::size_t block = 2880, card = 80, zeros = 1 << 13;

void require(bool condition) {
    if (!condition) std::abort();
}

void add_card(std::string& file, std::string_view line) {
    std::string text(line);
    text.resize(card, ' ');
    file += text;
}

void pad(std::string& bytes, char with) { bytes.resize((bytes.size() + block - 1) / block * block, with); }

std::string file_of(std::string_view input) {
    if (input.starts_with("SIMPLE") || input.starts_with("\x1f\x8b")) return std::string(input);
    std::string file;
    for (const auto* line : {"SIMPLE  = T", "BITPIX  = 8", "NAXIS   = 0", "END"}) add_card(file, line);
    pad(file, ' ');
    const auto end = std::min(input.find('\x1f'), input.size());
    for (auto cards = input.substr(0, end); !cards.empty();) {
        const auto line = cards.substr(0, cards.find('\n'));
        cards.remove_prefix(std::min(cards.size(), line.size() + 1));
        add_card(file, line);
    }
    add_card(file, "END");
    pad(file, ' ');
    file += input.substr(std::min(end + 1, input.size()));
    file.resize(file.size() + zeros);
    return file;
}

void look_at(const Table& table) {
    require(table.columns.size() == table.info.columns.size());
    for (const auto* text : {&table.info.name, &table.info.description}) require(platform::is_utf8(*text));
    for (const auto& column : table.columns) {
        require(column->rows() == table.rows);
        if (column->info.type == ColumnType::unsupported) continue;
        for (std::size_t row = 0; row < table.rows; ++row) column->is_null(row);
        for (std::size_t chunk = 0; chunk < column->chunks(); ++chunk) {
            if (column->info.type != ColumnType::string) {
                require(!column->values<std::uint8_t>(chunk).empty());
                continue;
            }
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
    options.memory_share = size % 2 == 0 ? std::size_t{1} << 26 : 0;
    try {
        look_at(*open_table(std::make_shared<const FileHandle>(descriptor, "", "fuzz"), options));
    } catch (const TableError& error) {
        require(std::string_view(error.what()).starts_with("fuzz") && platform::is_utf8(error.what()));
    }
    require(budget.statistics().used == 0);
    return 0;
}
