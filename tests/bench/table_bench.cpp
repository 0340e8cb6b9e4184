// Tables of 20 columns opened, without a server: FITS, VOTable's three encodings, CSV. The limit is reading the file's bytes, which are in
// the page cache, once into a buffer of 256 KiB, and once into fresh memory of their size, as a program does that keeps them. The best of
// five, wall clock.
//
// Then views of a FITS table: filters, sorts and pages, each the first of its table, so that nothing is kept from one before; beside numpy with the same values
// (one thread), and std::sort of indices. "views" has the table in memory, "scratch" in the scratch file.
//
//     table_bench [ROWS [FOLDER [fits|tabledata|binary|binary2|variable|csv|views|scratch]…]]
//
// Views of ten million rows take 4 GB of memory, half of it for numpy. Their file is made a million rows at a time. The other kinds keep the file's content too.

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
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <unistd.h>
#include <vector>

using namespace cubelink::imaging;

namespace {

/// Milliseconds.
double once(const std::function<void()>& work) {
    const auto begin = std::chrono::steady_clock::now();
    work();
    return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count();
}

double best_of_five(const std::function<void()>& work) {
    double best = 1e300;
    for (int i = 0; i < 5; ++i) best = std::min(best, once(work));
    return best;
}

constexpr std::size_t text_width = 16;

struct Rows {
    explicit Rows(std::size_t count, std::uint64_t seed = 1) : rows(count) {
        std::mt19937_64 random(seed);
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

std::string fits_header(std::size_t rows) {
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
        card("NAXIS2", std::to_string(rows));
    card("PCOUNT", "0"), card("GCOUNT", "1"), card("TFIELDS", "20");
    for (int i = 1; i <= 20; ++i) {
        const std::string number = std::to_string(i);
        card("TFORM" + number, std::string("'") + (i <= 9 ? "D" : i <= 15 ? "E" : i <= 18 ? "J" : i == 19 ? "K" : "16A") + "'");
        card("TTYPE" + number, "'c" + number + "'");
    }
    end();
    return out;
}

std::string fits_file(const Rows& rows) {
    auto out = fits_header(rows.rows);
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

struct Closes {
    void operator()(std::FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, Closes>;

void write(const File& file, const void* bytes, std::size_t size) {
    if (!file || std::fwrite(bytes, 1, size, file.get()) != size) {
        std::perror("table_bench: the folder can't be written to");
        std::exit(1);
    }
}

/// A file of that many rows, which are made a million at a time.
void write_fits(const std::string& path, std::size_t count) {
    const File file(std::fopen(path.c_str(), "wb"));
    auto bytes = fits_header(count);
    auto size = bytes.size();
    write(file, bytes.data(), bytes.size());
    for (std::size_t begin = 0; begin < count; begin += 1'000'000) {
        const Rows rows(std::min<std::size_t>(1'000'000, count - begin), begin + 1);
        bytes.clear();
        for (std::size_t row = 0; row < rows.rows; ++row) put_row(bytes, rows, row);
        size += bytes.size();
        write(file, bytes.data(), bytes.size());
    }
    const std::string rest((2880 - size % 2880) % 2880, '\0');
    write(file, rest.data(), rest.size());
}

void print_row(const char* name, double milliseconds) {
    std::printf("%-46s %10.3f ms\n", name, milliseconds);
    std::fflush(stdout);
}

/// The same by numpy, with the values in files of the folder. The sort is stable, as ours is; of texts it takes those that are kept as bytes of one length each.
void measure_numpy(const std::string& folder, const Table& table, std::size_t number, std::size_t text) {
    const auto numbers_path = folder + "/table_bench.numbers", texts_path = folder + "/table_bench.texts";
    {
        const File numbers(std::fopen(numbers_path.c_str(), "wb")), texts(std::fopen(texts_path.c_str(), "wb"));
        std::string bytes;
        for (std::size_t chunk = 0; chunk < table.columns[number]->chunks(); ++chunk) {
            const auto some = table.columns[number]->values<double>(chunk);
            write(numbers, some.data(), some.size_bytes());
            const auto these = table.columns[text]->texts(chunk);
            bytes.assign(these.size() * text_width, '\0');
            for (std::size_t row = 0; row < these.size(); ++row) these[row].copy(bytes.data() + row * text_width, text_width);
            write(texts, bytes.data(), bytes.size());
        }
    }
    constexpr const char* script = R"(
import re, sys, time
import numpy as np
x, s = np.fromfile(sys.argv[1]), np.fromfile(sys.argv[2], 'S16')
def row(name, work):
    best = 1e300
    for _ in range(5):
        begin = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - begin)
    print('%-46s %10.3f ms' % (name, best * 1e3), flush=True)
row('numpy: filter by a number', lambda: np.flatnonzero(x > 50))
row('numpy: filter by a text', lambda: np.flatnonzero(np.char.find(s, b'77') >= 0))
matches = re.compile(b'^J[0-4].*9$').search
row('python: filter by a regular expression', lambda: [i for i, text in enumerate(s) if matches(text)])
row('numpy: sort by a number', lambda: np.argsort(x, kind='stable'))
row('numpy: sort by a text', lambda: np.argsort(s, kind='stable'))
order = np.argsort(x, kind='stable')
middle = len(order) // 2
columns = [x + i for i in range(19)]
row('numpy: page of 100,000 rows, 19 such columns', lambda: [c[order[middle:middle + 100000]].tobytes() for c in columns])
)";
    const auto command = "/usr/bin/python3 -c \"" + std::string(script) + "\" '" + numbers_path + "' '" + texts_path + "'";
    std::fflush(stdout);
    if (std::system(command.c_str()) != 0) std::printf("numpy: could not be measured (python3-numpy is needed)\n");
    std::remove(numbers_path.c_str());
    std::remove(texts_path.c_str());
}

void measure_views(const std::string& folder, std::size_t count, bool in_memory) {
    const auto path = folder + "/views.table";
    write_fits(path, count);
    const auto table_bytes = count * 256; // room for all that is made, too
    BudgetCache budget(std::max<std::size_t>(std::size_t{1} << 30, 4 * table_bytes)); // of which tables take a quarter
    TableOptions options{.budget = budget, .scratch = folder, .memory_share = in_memory ? budget.limit() : 0};
    options.threads = ThreadShare(static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN)));
    std::printf("\nviews of %zu rows, %s, %d threads\n", count, in_memory ? "in memory" : "on the scratch disk", options.threads.most());
    TablePtr table;
    print_row("opened, once", once([&] { table = open_table(path, options); }));
    std::remove(path.c_str());
    const ViewOptions view_options{.budget = budget, .scratch = folder, .threads = options.threads};
    const auto of_type = [&](ColumnType type) {
        for (std::size_t i = 0; i < table->info.columns.size(); ++i)
            if (table->info.columns[i].type == type) return i;
        std::exit(1);
    };
    const auto number = of_type(ColumnType::float64), text = of_type(ColumnType::string);
    const auto large = compare_numbers(*table, number, Comparison::greater, 50);
    const auto row = [&](const char* name, const std::function<void()>& work) { print_row(name, best_of_five(work)); };
    const auto first_view = [&](const ViewSpec& spec) { return ViewCache(table).view(spec, view_options); };
    row("filter by a number", [&] { first_view({.test = large}); });
    row("filter by a text", [&] { first_view({.test = match_text(text, TextMatch::contains, "77")}); });
    row("filter by a regular expression", [&] { first_view({.test = match_text(text, TextMatch::regex, "^J[0-4].*9$")}); });
    row("cone search, all in its band of latitudes", [&] { first_view({.test = within_cone(number, number + 1, 10, 0, 1000)}); });
    row("sort by a number", [&] { first_view({.sort_column = number}); });
    row("sort by a text", [&] { first_view({.sort_column = text}); });
    row("filter and sort by a number", [&] { first_view({.test = large, .sort_column = number}); });
    ViewCache kept(table);
    kept.view({.sort_column = number}, view_options);
    double value = 50;
    row("another filter of a sorted table", [&] { kept.view({.test = compare_numbers(*table, number, Comparison::greater, value++), .sort_column = number}, view_options); });
    const auto view = kept.view({.sort_column = number}, view_options);
    for (const std::size_t length : {std::size_t{50}, std::size_t{100'000}}) {
        std::vector<std::uint32_t> rows(std::min(length, view->rows()));
        row(length == 50 ? "page of 50 rows, all columns, one thread" : "page of 100,000 rows, all columns, one thread", [&] {
            view->rows((view->rows() - rows.size()) / 2, rows);
            for (const auto& column : table->columns) {
                std::string bytes;
                std::vector<std::string_view> texts;
                if (column->info.type == ColumnType::string) gather_texts(*column, rows, texts);
                else gather_numbers(*column, rows, bytes);
            }
        });
    }
    measure_numpy(folder, *table, number, text);
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

} // namespace

int main(int argc, char** argv) {
    const std::size_t count = argc > 1 ? static_cast<std::size_t>(std::atoll(argv[1])) : 1'000'000;
    const std::string folder = argc > 2 ? argv[2] : "/tmp";
    const auto wanted = [&](std::string_view kind) { return argc <= 3 || std::find(argv + 3, argv + argc, kind) != argv + argc; };
    constexpr const char* files[] = {"fits", "tabledata", "binary", "binary2", "variable", "csv"};
    if (std::any_of(std::begin(files), std::end(files), wanted)) {
        const Rows rows(count);
        if (wanted("fits")) measure(folder, "fits", fits_file(rows));
        for (int encoding = 0; encoding < 4; ++encoding) // the last: BINARY2 with texts of any length
            if (wanted(files[encoding + 1])) measure(folder, files[encoding + 1], votable_file(rows, encoding));
        if (wanted("csv")) measure(folder, "csv", csv_file(rows));
    }
    if (wanted("views")) measure_views(folder, count, true);
    if (wanted("scratch")) measure_views(folder, count, false);
}
