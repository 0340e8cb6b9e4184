// Tables of 20 columns opened, without a server: FITS, VOTable's three encodings, CSV. The limit is reading the file's bytes, which are in
// the page cache, once into a buffer of 256 KiB, and once into fresh memory of their size, as a program does that keeps them. The best of
// five, wall clock. Then views of the FITS table: a filter and a sort of all rows, a page of 50 rows and one of 100,000, beside what std::sort takes for indices of as many doubles on one thread.
//
//     table_bench [ROWS [FOLDER]]

#include "imaging/tables/open_table.hpp"
#include "imaging/tables/views/table_view.hpp"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <functional>
#include <random>
#include <string>
#include <unistd.h>
#include <vector>

using namespace cubelink::imaging;

namespace {

/// Milliseconds.
double best_of_five(const std::function<void()>& work) {
    double best = 1e300;
    for (int i = 0; i < 5; ++i) {
        const auto begin = std::chrono::steady_clock::now();
        work();
        best = std::min(best, std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count());
    }
    return best;
}

constexpr std::size_t text_width = 16;

struct Rows {
    explicit Rows(std::size_t count) : rows(count) {
        std::mt19937_64 random(1);
        std::normal_distribution<double> normal;
        for (std::size_t i = 0; i < count * 9; ++i) doubles.push_back(normal(random) * 100);
        for (std::size_t i = 0; i < count * 6; ++i) floats.push_back(static_cast<float>(normal(random)));
        for (std::size_t i = 0; i < count * 3; ++i) integers.push_back(static_cast<std::int32_t>(random() % 100'000));
        for (std::size_t i = 0; i < count; ++i) names.push_back(static_cast<std::int64_t>(random() >> 2));
    }
    std::size_t rows;
    std::vector<double> doubles;
    std::vector<float> floats;
    std::vector<std::int32_t> integers;
    std::vector<std::int64_t> names;
    std::string text(std::size_t row) const { return "J" + std::to_string(names[row] % 1'000'000'000'000); }
};

template <class U, class T>
void put(std::string& out, T value) {
    U bits;
    std::memcpy(&bits, &value, sizeof(bits));
    for (int shift = sizeof(U) * 8 - 8; shift >= 0; shift -= 8) out += static_cast<char>(bits >> shift);
}

void put_row(std::string& out, const Rows& rows, std::size_t row, bool variable = false) {
    for (int i = 0; i < 9; ++i) put<std::uint64_t>(out, rows.doubles[row * 9 + static_cast<std::size_t>(i)]);
    for (int i = 0; i < 6; ++i) put<std::uint32_t>(out, rows.floats[row * 6 + static_cast<std::size_t>(i)]);
    for (int i = 0; i < 3; ++i) put<std::uint32_t>(out, rows.integers[row * 3 + static_cast<std::size_t>(i)]);
    put<std::uint64_t>(out, rows.names[row]);
    auto text = rows.text(row);
    if (variable) put<std::uint32_t>(out, static_cast<std::uint32_t>(text.size()));
    else text.resize(text_width, '\0');
    out += text;
}

template <class T>
void put_number(std::string& out, T value) {
    char text[40];
    const auto end = std::to_chars(text, text + sizeof(text), value).ptr;
    out.append(text, end);
}

void put_text_row(std::string& out, const Rows& rows, std::size_t row, std::string_view before, std::string_view between,
                  std::string_view after) {
    out += before;
    for (int i = 0; i < 9; ++i) put_number(out, rows.doubles[row * 9 + static_cast<std::size_t>(i)]), out += between;
    for (int i = 0; i < 6; ++i) put_number(out, rows.floats[row * 6 + static_cast<std::size_t>(i)]), out += between;
    for (int i = 0; i < 3; ++i) put_number(out, rows.integers[row * 3 + static_cast<std::size_t>(i)]), out += between;
    put_number(out, rows.names[row]), out += between;
    out += rows.text(row);
    out += after;
}

std::string fits_file(const Rows& rows) {
    std::string out;
    const auto card = [&](std::string text, const std::string& value = "") {
        text.resize(8, ' ');
        if (!value.empty()) text += "= " + value;
        text.resize(80, ' ');
        out += text;
    };
    const auto end = [&] {
        card("END");
        out.resize((out.size() + 2879) / 2880 * 2880, ' ');
    };
    card("SIMPLE", "T"), card("BITPIX", "8"), card("NAXIS", "0"), end();
    card("XTENSION", "'BINTABLE'"), card("BITPIX", "8"), card("NAXIS", "2"), card("NAXIS1", "132"),
        card("NAXIS2", std::to_string(rows.rows));
    card("PCOUNT", "0"), card("GCOUNT", "1"), card("TFIELDS", "20");
    for (int i = 1; i <= 20; ++i) {
        const std::string number = std::to_string(i);
        card("TFORM" + number, std::string("'") + (i <= 9 ? "D" : i <= 15 ? "E" : i <= 18 ? "J" : i == 19 ? "K" : "16A") + "'");
        card("TTYPE" + number, "'c" + number + "'");
    }
    end();
    for (std::size_t row = 0; row < rows.rows; ++row) put_row(out, rows, row);
    out.resize((out.size() + 2879) / 2880 * 2880, '\0');
    return out;
}

std::string votable_file(const Rows& rows, int encoding) {
    std::string out = "<?xml version=\"1.0\"?>\n<VOTABLE version=\"1.4\"><RESOURCE><TABLE>\n";
    for (int i = 1; i <= 20; ++i) {
        const char* type = i <= 9 ? "double" : i <= 15 ? "float" : i <= 18 ? "int" : i == 19 ? "long" : encoding == 3 ? "char\" arraysize=\"*" : "char\" arraysize=\"16";
        out += "<FIELD name=\"c" + std::to_string(i) + "\" datatype=\"" + type + "\"/>\n";
    }
    if (encoding == 0) {
        out += "<DATA><TABLEDATA>\n";
        for (std::size_t row = 0; row < rows.rows; ++row) put_text_row(out, rows, row, "<TR><TD>", "</TD><TD>", "</TD></TR>\n");
        return out + "</TABLEDATA></DATA></TABLE></RESOURCE></VOTABLE>\n";
    }
    const std::string name = encoding == 1 ? "BINARY" : "BINARY2";
    out += "<DATA><" + name + "><STREAM encoding=\"base64\">\n";
    constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string bytes;
    for (std::size_t row = 0; row < rows.rows; ++row) {
        if (encoding >= 2) bytes.append(3, '\0');
        put_row(bytes, rows, row, encoding == 3);
    }
    const auto size = bytes.size();
    bytes.append(2, '\0');
    for (std::size_t at = 0, line = 0; at < size; at += 3) {
        const auto byte = [&](std::size_t i) { return static_cast<std::uint32_t>(static_cast<unsigned char>(bytes[at + i])); };
        const auto group = byte(0) << 16 | byte(1) << 8 | byte(2);
        for (int i = 0; i < 4; ++i) out += at + static_cast<std::size_t>(i) > size ? '=' : alphabet[group >> (18 - 6 * i) & 63];
        if ((line += 4) >= 76) out += '\n', line = 0;
    }
    return out + "\n</STREAM></" + name + "></DATA></TABLE></RESOURCE></VOTABLE>\n";
}

std::string csv_file(const Rows& rows) {
    std::string out;
    for (int i = 1; i <= 20; ++i) out += (i > 1 ? ",c" : "c") + std::to_string(i);
    out += '\n';
    for (std::size_t row = 0; row < rows.rows; ++row) put_text_row(out, rows, row, "", ",", "\n");
    return out;
}

void read_through(int descriptor) {
    std::vector<char> buffer(256 << 10);
    off_t at = 0;
    for (ssize_t count; (count = ::pread(descriptor, buffer.data(), buffer.size(), at)) > 0;) at += count;
}

void read_whole(int descriptor, std::size_t size) {
    const std::unique_ptr<char[]> memory(new char[size]);
    off_t at = 0;
    for (ssize_t count; (count = ::pread(descriptor, memory.get() + at, size - static_cast<std::size_t>(at), at)) > 0;) at += count;
}

void measure(const std::string& folder, const char* name, const std::string& content) {
    const auto path = folder + "/table_bench." + name;
    const int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC, 0600);
    for (std::size_t at = 0; at < content.size();)
        at += static_cast<std::size_t>(std::max<ssize_t>(::write(descriptor, content.data() + at, content.size() - at), 0));
    const auto size = content.size();
    const double through = best_of_five([&] { read_through(descriptor); });
    const double whole = best_of_five([&] { read_whole(descriptor, size); });
    std::printf("%-10s %5.0f MB  read %6.1f ms, into fresh memory %6.1f ms", name, static_cast<double>(size) / 1e6, through, whole);
    for (const int threads : {1, 2}) {
        BudgetCache budget(std::size_t{2} << 30);
        TableOptions options{.budget = budget, .scratch = folder, .memory_share = std::size_t{1} << 30};
        options.threads = ThreadShare(threads);
        const double opened = best_of_five([&] { open_table(path, options); });
        std::printf("   %d: %7.1f ms = %4.2f × read, %4.2f × fresh, %5.0f MB/s", threads, opened, opened / through, opened / whole,
                    static_cast<double>(size) / opened / 1e3);
    }
    std::printf("\n");
    std::fflush(stdout);
    ::close(descriptor);
    ::unlink(path.c_str());
}

} // namespace

/// Views of a table: first ones, as nothing is kept.
static void measure_views(const std::string& folder, std::string content) {
    const auto path = folder + "/views.table";
    std::FILE* out = std::fopen(path.c_str(), "wb");
    if (!out || std::fwrite(content.data(), 1, content.size(), out) != content.size() || std::fclose(out) != 0) std::exit(1);
    content = {};
    BudgetCache budget(std::size_t{4} << 30);
    TableOptions options{.budget = budget, .scratch = folder, .memory_share = std::size_t{3} << 30};
    options.threads = ThreadShare(static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN)));
    const auto table = open_table(path, options);
    std::remove(path.c_str());
    const ViewOptions view_options{.budget = budget, .scratch = folder, .threads = options.threads};
    const auto of_type = [&](ColumnType type) {
        for (std::size_t i = 0; i < table->info.columns.size(); ++i)
            if (table->info.columns[i].type == type) return i;
        std::exit(1);
    };
    const auto number = of_type(ColumnType::float64), text = of_type(ColumnType::string);
    const auto large = compare_numbers(*table, number, Comparison::greater, 50);
    const auto row = [&](const char* name, const std::function<void()>& work) { std::printf("%-46s %9.2f ms\n", name, best_of_five(work)); };
    const auto first_view = [&](const ViewSpec& spec) { return ViewCache(table).view(spec, view_options); };
    std::printf("\nviews of %zu rows, %d threads\n", table->rows, options.threads.most());
    row("filter by a number", [&] { first_view({.test = large}); });
    row("filter by a text", [&] { first_view({.test = match_text(text, TextMatch::contains, "77")}); });
    row("filter by a regular expression", [&] { first_view({.test = match_text(text, TextMatch::regex, "^J[0-4].*9$")}); });
    row("sort by a number", [&] { first_view({.sort_column = number}); });
    row("sort by a text", [&] { first_view({.sort_column = text}); });
    ViewCache kept(table);
    kept.view({.sort_column = number}, view_options);
    double value = 50;
    row("another filter of a sorted table", [&] { kept.view({.test = compare_numbers(*table, number, Comparison::greater, value++), .sort_column = number}, view_options); });
    const auto view = kept.view({.sort_column = number}, view_options);
    for (const std::size_t count : {std::size_t{50}, std::size_t{100'000}}) {
        std::vector<std::uint32_t> rows(std::min(count, view->rows()));
        row(count == 50 ? "page of 50 rows, all columns" : "page of 100,000 rows, all columns", [&] {
            view->rows((view->rows() - rows.size()) / 2, rows);
            for (const auto& column : table->columns) {
                std::string bytes;
                std::vector<std::string_view> texts;
                if (column->info.type == ColumnType::string) gather_texts(*column, rows, texts);
                else gather_numbers(*column, rows, bytes);
            }
        });
    }
    std::vector<double> values;
    for (std::size_t chunk = 0; chunk < table->columns[number]->chunks(); ++chunk) {
        const auto some = table->columns[number]->values<double>(chunk);
        values.insert(values.end(), some.begin(), some.end());
    }
    std::vector<std::uint32_t> order(values.size());
    row("std::sort of the indices, one thread", [&] {
        for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<std::uint32_t>(i);
        std::sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) { return values[a] < values[b]; });
    });
}

int main(int argc, char** argv) {
    const Rows rows(argc > 1 ? static_cast<std::size_t>(std::atoll(argv[1])) : 1'000'000);
    const std::string folder = argc > 2 ? argv[2] : "/tmp";
    measure(folder, "fits", fits_file(rows));
    measure(folder, "tabledata", votable_file(rows, 0));
    measure(folder, "binary", votable_file(rows, 1));
    measure(folder, "binary2", votable_file(rows, 2));
    measure(folder, "variable", votable_file(rows, 3)); // BINARY2 with texts of any length
    measure(folder, "csv", csv_file(rows));
    measure_views(folder, fits_file(rows));
}
