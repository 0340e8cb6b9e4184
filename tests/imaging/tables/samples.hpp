#pragma once
/// Tables made of text, and opened.

#include "imaging/tables/open_table.hpp"
#include "tests/support/temporary_folder.hpp"

#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace samples {

using namespace cubelink::imaging;

struct Opening {
    std::size_t memory_share = std::size_t{1} << 28;
    std::int64_t most_rows = 1'000'000'000;
    int threads = 2;
};

/// `content`: of a file of that name.
inline TablePtr open(std::string_view content, const char* name = "table.dat", Opening opening = {}) {
    const cubelink::test::TemporaryFolder folder;
    static BudgetCache budget(std::size_t{1} << 29, 100);
    TableOptions options{.budget = budget, .scratch = folder.text(), .memory_share = opening.memory_share};
    options.most_rows = opening.most_rows;
    options.threads = ThreadShare(opening.threads);
    return open_table(folder.write(name, content).string(), options);
}

/// The message; empty if the table can be opened.
inline std::string error_of(std::string_view content, const char* name = "table.dat") {
    try {
        open(content, name);
    } catch (const TableError& error) {
        return error.what();
    }
    return {};
}

inline bool contains(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

template <class T>
std::vector<T> numbers(const Table& table, std::size_t column) {
    std::vector<T> out;
    const auto& one = *table.columns.at(column);
    for (std::size_t chunk = 0; chunk < one.chunks(); ++chunk) {
        const auto values = one.values<T>(chunk);
        out.insert(out.end(), values.begin(), values.end());
    }
    return out;
}

inline std::vector<std::string> texts(const Table& table, std::size_t column) {
    std::vector<std::string> out;
    const auto& one = *table.columns.at(column);
    for (std::size_t chunk = 0; chunk < one.chunks(); ++chunk) {
        const auto some = one.texts(chunk);
        for (std::size_t row = 0; row < some.size(); ++row) out.emplace_back(some[row]);
    }
    return out;
}

inline std::vector<bool> nulls(const Table& table, std::size_t column) {
    std::vector<bool> out;
    for (std::size_t row = 0; row < table.rows; ++row) out.push_back(table.columns.at(column)->is_null(row));
    return out;
}

inline std::string base64(std::string_view bytes) {
    constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string out;
    for (std::size_t at = 0; at < bytes.size(); at += 3) {
        const auto byte = [&](std::size_t i) {
            return at + i < bytes.size() ? static_cast<std::uint32_t>(static_cast<unsigned char>(bytes[at + i])) : 0u;
        };
        const auto group = byte(0) << 16 | byte(1) << 8 | byte(2);
        for (std::size_t i = 0; i < 4; ++i) out += at + i > bytes.size() ? '=' : alphabet[group >> (18 - 6 * i) & 63];
    }
    return out;
}

/// Numbers as big-endian bytes.
template <class... T>
std::string bytes(T... values) {
    std::string out;
    const auto put = [&out](auto value) {
        char raw[sizeof(value)];
        std::memcpy(raw, &value, sizeof(value));
        for (std::size_t i = sizeof(value); i > 0; --i) out += raw[i - 1];
    };
    (put(values), ...);
    return out;
}

/// `fields`: FIELD elements; `data`: TABLEDATA, BINARY or BINARY2 element.
inline std::string votable(std::string_view fields, std::string_view data) {
    return "<?xml version=\"1.0\"?>\n<VOTABLE version=\"1.4\">\n<RESOURCE>\n<TABLE name=\"stars\">\n" + std::string(fields) + "\n<DATA>" +
           std::string(data) + "</DATA>\n</TABLE>\n</RESOURCE>\n</VOTABLE>\n";
}
inline std::string tabledata(std::string_view rows) { return "<TABLEDATA>" + std::string(rows) + "</TABLEDATA>"; }
inline std::string binary(std::string_view name, std::string_view bytes) {
    return "<" + std::string(name) + "><STREAM encoding=\"base64\">" + base64(bytes) + "</STREAM></" + std::string(name) + ">";
}

using Cards = std::vector<std::pair<std::string, std::string>>;

inline void pad(std::string& file, char with) { file.resize((file.size() + 2879) / 2880 * 2880, with); }

inline std::string header(const Cards& cards) {
    std::string out;
    for (const auto& card : cards) {
        std::string line = card.first;
        line.resize(8, ' ');
        line += "= " + card.second;
        line.resize(80, ' ');
        out += line;
    }
    out += "END";
    pad(out, ' ');
    return out;
}

/// A primary HDU without data, and a table. `columns`: values of TFORMn, and other cards by their names.
inline std::string fits(std::size_t row_size, std::size_t rows, const std::vector<std::string>& forms, const Cards& more, std::string data,
                        const char* type = "BINTABLE") {
    Cards cards{{"XTENSION", "'" + std::string(type) + "'"},
                {"BITPIX", "8"},
                {"NAXIS", "2"},
                {"NAXIS1", std::to_string(row_size)},
                {"NAXIS2", std::to_string(rows)},
                {"PCOUNT", "0"},
                {"GCOUNT", "1"},
                {"TFIELDS", std::to_string(forms.size())}};
    for (std::size_t i = 0; i < forms.size(); ++i) cards.emplace_back("TFORM" + std::to_string(i + 1), "'" + forms[i] + "'");
    cards.insert(cards.end(), more.begin(), more.end());
    pad(data, '\0');
    return header({{"SIMPLE", "T"}, {"BITPIX", "8"}, {"NAXIS", "0"}}) + header(cards) + data;
}

} // namespace samples
