#include "imaging/fits/hdu.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstring>
#include <limits>
#include <utility>

namespace cubelink::imaging {

namespace {

constexpr std::int64_t block = 2880;
constexpr std::int64_t header_limit = 16 << 20; // some 200,000 cards
constexpr std::int64_t beam_table_limit = 64 << 20;
constexpr std::int64_t coordinate_table_limit = 64 << 20; // of all of a file's

constexpr int hdu_limit = 100'000;

/// END as astropy accepts it: followed by blanks, by NULs, or by anything that does not make it the beginning of another keyword.
bool is_end(std::string_view record) {
    if (!record.starts_with("END")) return false;
    const auto next = record.find_first_not_of(' ', 3);
    if (next == std::string_view::npos) return true;
    const auto c = static_cast<unsigned char>(record[next]);
    return std::isupper(c) == 0 && std::isdigit(c) == 0 && c != '_' && c != '-';
}

/// The records of the header at `offset`, without END; `end` becomes the offset of its data. Throws ImageError if END does not come.
std::string read_records(ByteSource& source, std::int64_t offset, std::int64_t& end, const std::string& where, const CancelToken& cancel) {
    std::string records;
    std::size_t searched = 0;
    std::int64_t step = block;
    while (static_cast<std::int64_t>(records.size()) < header_limit) {
        cancel.throw_if_cancelled();
        const std::size_t before = records.size();
        records.resize(before + static_cast<std::size_t>(step));
        const std::size_t count = source.read(offset + static_cast<std::int64_t>(before), std::as_writable_bytes(std::span(records).subspan(before)));
        records.resize(before + count);
        for (; searched + 80 <= records.size(); searched += 80) {
            if (!is_end(std::string_view(records).substr(searched, 80))) continue;
            end = offset + (static_cast<std::int64_t>(searched) / block + 1) * block;
            records.resize(searched);
            return records;
        }
        if (count < static_cast<std::size_t>(step))
            throw ImageError(where + ": the header has no END card: the file ends within it, after " +
                             std::to_string(offset + static_cast<std::int64_t>(records.size())) + " bytes");
        // Headers of thousands of cards in a few reads.
        step = std::min<std::int64_t>(step * 2, block * 64);
    }
    throw ImageError(where + ": the header has no END card within 16 MiB");
}

std::vector<std::int64_t> axis_lengths(const Header& header, const std::string& prefix, std::string& error) {
    const auto count = header.integer(prefix);
    if (!count || *count < 0 || *count > 999) {
        error = prefix + (header.find(prefix) == nullptr ? " is missing" : " is not a number from 0 to 999");
        return {};
    }
    std::vector<std::int64_t> lengths;
    for (std::int64_t i = 1; i <= *count; ++i) {
        const std::string name = prefix + std::to_string(i);
        const auto length = header.integer(name);
        if (!length || *length < 0) {
            const Card* card = header.find(name);
            if (error.empty()) error = name + (card == nullptr ? " is missing" : " is " + card->value + ": not a length");
            lengths.push_back(length.value_or(0));
        } else {
            lengths.push_back(*length);
        }
    }
    return lengths;
}

/// Bytes of the data unit; sets `error` and returns 0 if the header does not determine it.
std::int64_t size_of_data(const Header& header, int bitpix, const std::vector<std::int64_t>& lengths, bool primary, std::string& error) {
    if (lengths.empty() || !error.empty()) return 0;
    const bool groups = primary && lengths.front() == 0 && header.is_true("GROUPS");
    std::int64_t product = 1;
    bool overflow = false;
    const bool empty = std::any_of(lengths.begin() + (groups ? 1 : 0), lengths.end(), [](std::int64_t length) { return length == 0; });
    if (empty) product = 0;
    for (std::size_t i = groups ? 1 : 0; !empty && i < lengths.size(); ++i) overflow = overflow || __builtin_mul_overflow(product, lengths[i], &product);
    if (!primary || groups) {
        const std::int64_t pcount = header.integer("PCOUNT").value_or(0), gcount = header.integer("GCOUNT").value_or(1);
        if (pcount < 0 || gcount < 0) {
            error = pcount < 0 ? "PCOUNT is negative" : "GCOUNT is negative";
            return 0;
        }
        overflow = overflow || __builtin_add_overflow(product, pcount, &product) || __builtin_mul_overflow(product, gcount, &product);
    }
    overflow = overflow || __builtin_mul_overflow(product, std::int64_t{std::abs(bitpix) / 8}, &product) || product > (std::int64_t{1} << 62);
    if (overflow) error = "the product of the axes' lengths (NAXISn) is beyond what a file can hold";
    return overflow ? 0 : product;
}

bool known_bitpix(std::int64_t bitpix) { return bitpix == 8 || bitpix == 16 || bitpix == 32 || bitpix == 64 || bitpix == -32 || bitpix == -64; }

/// BITPIX of a header that was read; 0 if it has none that is known.
int bitpix_of(const Header& header) {
    const auto bitpix = header.integer("BITPIX");
    return bitpix && known_bitpix(*bitpix) ? static_cast<int>(*bitpix) : 0;
}

/// The HDU as its header describes it. `tables`: names of the tables with coordinates.
Hdu describe(HduHeader read, int number, const std::set<std::string>& tables) {
    Hdu hdu;
    hdu.number = number;
    hdu.extname = read.header.text("EXTNAME").value_or("");
    hdu.bitpix = bitpix_of(read.header);
    hdu.axes = std::move(read.axes);
    hdu.data_offset = read.data_offset;
    hdu.data_size = read.data_size;
    hdu.error = std::move(read.error);

    const std::string type = std::move(read.type);
    Header& header = read.header;
    hdu.random_groups = number == 0 && header.is_true("GROUPS") && !hdu.axes.empty() && hdu.axes.front() == 0;
    if (type == "IMAGE" || type == "IUEIMAGE") {
        hdu.image = hdu.axes.size() >= 2 && !hdu.random_groups;
        hdu.header = std::move(header);
    } else if (type == "BINTABLE" && header.is_true("ZIMAGE")) {
        hdu.compressed = true;
        hdu.axes = axis_lengths(header, "ZNAXIS", hdu.error);
        hdu.bitpix = static_cast<int>(std::clamp<std::int64_t>(header.integer("ZBITPIX").value_or(0), -1000, 1000));
        if (!known_bitpix(hdu.bitpix) && hdu.error.empty()) hdu.error = "ZBITPIX must be 8, 16, 32, 64, -32 or -64";
        hdu.image = hdu.axes.size() >= 2;
        hdu.header = image_header_of(header);
        hdu.table_header = std::move(header);
        if (hdu.extname == "COMPRESSED_IMAGE") hdu.extname.clear();
    } else if (type == "BINTABLE" && (hdu.extname == "BEAMS" || tables.contains(hdu.extname))) {
        hdu.beam_table = hdu.extname == "BEAMS";
        hdu.coordinate_table = tables.contains(hdu.extname);
        hdu.header = std::move(header);
    }
    if (hdu.image && (hdu.complex = find_complex_axis(hdu.header, hdu.axes))) {
        hdu.header = without_axis(hdu.header, hdu.complex->axis);
        hdu.axes.erase(hdu.axes.begin() + static_cast<std::ptrdiff_t>(hdu.complex->axis));
    }
    return hdu;
}

/// Explains why a file is not a FITS file.
std::string what_it_is(std::string_view first) {
    using namespace std::string_view_literals;
    static constexpr std::array kinds{
        std::pair{"BZh"sv, "bzip2"},        std::pair{"\xfd\x37zXZ\0"sv, "xz"}, std::pair{"PK\x03\x04"sv, "zip"},
        std::pair{"\x28\xb5\x2f\xfd"sv, "zstd"}, std::pair{"\x1f\x9d"sv, "compress"},  std::pair{"\x1f\x8b"sv, "gzip, twice"},
    };
    for (const auto& [magic, name] : kinds) {
        if (first.starts_with(magic)) return std::string(": it is compressed by ") + name + "; of these, only files gzipped once are read";
    }
    return ": it does not begin with SIMPLE";
}

/// For messages.
std::string place_of(const std::string& shown, int number) { return number == 0 ? shown : shown + ", HDU " + std::to_string(number); }

/// The rows of a table; fewer if the file ends before.
std::vector<std::byte> read_rows(ByteSource& source, const Hdu& hdu) {
    std::vector<std::byte> rows(static_cast<std::size_t>(std::min(hdu.data_size, source.size().value_or(hdu.data_size))));
    rows.resize(source.read(hdu.data_offset, rows));
    return rows;
}

/// Whether there is a header; throws ImageError if there is none at the beginning of the file.
bool header_begins(ByteSource& source, int number, std::int64_t offset, const std::string& shown) {
    char first[30]{};
    const std::size_t count = source.read(offset, std::as_writable_bytes(std::span(first)));
    if (number == 0) {
        if (count == 0) throw ImageError(shown + ": the file is empty");
        if (std::strncmp(first, "SIMPLE  =", 9) != 0) throw ImageError(shown + ": not a FITS file" + what_it_is({first, count}));
    } else if (std::strncmp(first, "XTENSION=", 9) != 0) {
        return false; // the end, or special records (deprecated in the standard)
    }
    return true;
}

HduHeader read_header(ByteSource& source, int number, std::int64_t offset, const std::string& shown, const CancelToken& cancel) {
    HduHeader hdu;
    hdu.header = Header(read_records(source, offset, hdu.data_offset, place_of(shown, number), cancel));
    const Header& header = hdu.header;
    if (number == 0 && !header.is_true("SIMPLE")) throw ImageError(shown + ": not a FITS file: SIMPLE is not T");
    hdu.type = number == 0 ? "IMAGE" : header.text("XTENSION").value_or("");
    const int bitpix = bitpix_of(header);
    if (bitpix == 0) {
        const Card* card = header.find("BITPIX");
        hdu.error = card == nullptr ? "BITPIX is missing" : "BITPIX is " + card->value + ": must be 8, 16, 32, 64, -32 or -64";
    }
    hdu.axes = axis_lengths(header, "NAXIS", hdu.error);
    hdu.data_size = size_of_data(header, bitpix, hdu.axes, number == 0, hdu.error);
    // Its size is at most 2^62.
    if (__builtin_add_overflow(hdu.data_offset, (hdu.data_size + block - 1) / block * block, &hdu.next_offset)) hdu.next_offset = std::numeric_limits<std::int64_t>::max();
    return hdu;
}

} // namespace

std::optional<HduHeader> read_hdu_header(ByteSource& source, int number, std::int64_t offset, const std::string& shown, const CancelToken& cancel) {
    if (!header_begins(source, number, offset, shown)) return std::nullopt;
    return read_header(source, number, offset, shown, cancel);
}

bool has_pixels(const Hdu& hdu) {
    return std::none_of(hdu.axes.begin(), hdu.axes.end(), [](std::int64_t length) { return length == 0; });
}

HduList scan_hdus(ByteSource& source, const std::string& shown, const CancelToken& cancel, const WantedHdu& wanted) {
    HduList list;
    std::set<std::string> table_names;
    std::int64_t table_bytes = 0;
    std::int64_t offset = 0;
    for (int number = 0; number < hdu_limit; ++number) {
        if (!header_begins(source, number, offset, shown)) break;
        Hdu hdu;
        try {
            auto read = read_header(source, number, offset, shown, cancel);
            offset = read.next_offset;
            hdu = describe(std::move(read), number, table_names);
        } catch (const ImageError& error) {
            if (number == 0) throw;
            list.error = error.what();
            break;
        }
        list.count = number + 1;
        if (number == 0) list.primary_axes = static_cast<int>(hdu.axes.size());
        list.random_groups = list.random_groups || hdu.random_groups;
        const bool lost = !hdu.error.empty() && !hdu.compressed;
        if (!hdu.error.empty()) hdu.error = place_of(shown, number) + ": " + hdu.error;
        if (lost) list.error = hdu.error;
        if (hdu.image && hdu.error.empty()) table_names.merge(coordinate_table_names(hdu.header));
        if (hdu.coordinate_table && !lost && hdu.data_size <= coordinate_table_limit - table_bytes) {
            table_bytes += hdu.data_size;
            auto rows = read_rows(source, hdu);
            list.coordinate_tables.push_back({hdu.header, std::move(rows)});
        }
        if (hdu.beam_table && !lost && hdu.data_size <= beam_table_limit) {
            auto beams = read_beam_table(hdu.header, read_rows(source, hdu));
            if (!beams.empty()) list.beam_tables.push_back({number, std::move(beams)});
        }
        if (hdu.image) {
            if (!wanted(hdu)) hdu.header = hdu.table_header = Header();
            list.images.push_back(std::move(hdu));
        }
        if (lost) break; // the next one begins at an unknown place
        if (offset == std::numeric_limits<std::int64_t>::max() || !source.may_continue(offset)) break;
    }
    return list;
}

} // namespace cubelink::imaging
