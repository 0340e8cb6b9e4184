#include "imaging/fits/fits_writer.hpp"

#include "imaging/base/parallel.hpp"
#include "imaging/base/pixel_memory.hpp"
#include "imaging/fits/fits_strips.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <stdexcept>
#include <string_view>

namespace cubelink::imaging {

namespace {

constexpr std::size_t block = 2880, card = 80;

std::size_t padded(std::size_t size) { return (size + block - 1) / block * block; }

/// "KEYWORD =                value / comment", fixed format.
std::string record(std::string_view keyword, std::string_view value, std::string_view comment) {
    std::string text(keyword);
    text.resize(8, ' ');
    text += "= ";
    if (value.starts_with('\'')) {
        text += value;
        text.resize(std::max<std::size_t>(text.size(), 30), ' ');
    } else {
        text += std::string(20 - value.size(), ' ') + std::string(value);
    }
    text += " / " + std::string(comment);
    text.resize(card, ' ');
    return text;
}

std::string record(std::string_view keyword, std::int64_t value, std::string_view comment) { return record(keyword, std::to_string(value), comment); }

/// Whether a card says how data are stored, which the writer says itself.
bool is_structural(std::string_view keyword) {
    static constexpr std::array names{"SIMPLE", "XTENSION", "BITPIX", "NAXIS",   "EXTEND",  "PCOUNT",   "GCOUNT",  "GROUPS", "BSCALE",
                                      "BZERO",  "BLANK",    "END",    "BLOCKED", "DATASUM", "CHECKSUM", "DATAMIN", "DATAMAX", "TFIELDS", "THEAP"};
    if (std::find(names.begin(), names.end(), keyword) != names.end()) return true;
    return keyword.starts_with("NAXIS") && keyword.find_first_not_of("0123456789", 5) == std::string_view::npos;
}

/// The records of a header without those of the writer.
std::string others(std::string_view records) {
    std::string kept;
    bool dropped = false;
    for (std::size_t at = 0; at < records.size(); at += card) {
        std::string text(records.substr(at, card));
        text.resize(card, ' ');
        const std::string keyword = text.substr(0, std::min<std::size_t>(8, text.find_last_not_of(' ', 7) + 1));
        if (keyword == "CONTINUE" && dropped) continue;
        dropped = is_structural(keyword);
        if (!dropped) kept += text;
    }
    return kept;
}

std::string header_of(const std::string& structure, const std::string& records) {
    std::string header = structure + others(records) + "END";
    header.resize(padded(header.size()), ' ');
    return header;
}

std::int64_t length_of(FitsAxis axis, const ImageShape& shape) {
    switch (axis) {
    case FitsAxis::x: return shape.width;
    case FitsAxis::y: return shape.height;
    case FitsAxis::depth: return shape.depth;
    case FitsAxis::stokes: return shape.stokes;
    case FitsAxis::single: break;
    }
    return 1;
}

std::string structure_of_image(const FitsImageHdu& hdu, const FitsNumbers& numbers, bool primary) {
    const int bitpix = numbers.bitpix;
    std::string text = primary ? record("SIMPLE", "T", "this file conforms to the FITS standard") : record("XTENSION", "'IMAGE   '", "image extension");
    text += record("BITPIX", bitpix, bitpix < 0 ? "floating-point numbers of so many bits" : "integers of so many bits");
    text += record("NAXIS", static_cast<std::int64_t>(hdu.axes.size()), "number of axes");
    for (std::size_t i = 0; i < hdu.axes.size(); ++i)
        text += record("NAXIS" + std::to_string(i + 1), length_of(hdu.axes[i], hdu.source->shape()), "length of axis " + std::to_string(i + 1));
    if (primary) text += record("EXTEND", "T", "extensions may follow");
    else text += record("PCOUNT", 0, "no other data") + record("GCOUNT", 1, "one group");
    if (!numbers.with_sign)
        text += record("BSCALE", 1, "unsigned integers") + record("BZERO", "9223372036854775808", "unsigned integers");
    return text;
}

std::string structure_of_table(const FitsTableHdu& hdu) {
    return record("XTENSION", "'BINTABLE'", "binary table") + record("BITPIX", 8, "bytes") + record("NAXIS", 2, "a table") +
           record("NAXIS1", hdu.rows == 0 ? 0 : static_cast<std::int64_t>(hdu.data.size()) / hdu.rows, "bytes of a row") +
           record("NAXIS2", hdu.rows, "number of rows") + record("PCOUNT", 0, "no other data") + record("GCOUNT", 1, "one group") +
           record("TFIELDS", hdu.columns, "number of columns");
}

const std::string& empty_primary() {
    static const std::string header = header_of(record("SIMPLE", "T", "this file conforms to the FITS standard") + record("BITPIX", 8, "no data") +
                                                    record("NAXIS", 0, "no data") + record("EXTEND", "T", "extensions follow"),
                                                "");
    return header;
}

/// What strips may take of memory, together.
std::size_t most_memory(const FitsWriteSettings& settings) {
    return settings.budget == nullptr ? std::size_t{256} << 20 : settings.budget->limit() / 8;
}

/// Threads whose strips fit into that, one at least.
int threads_for(const FitsWriteSettings& settings, std::size_t memory) {
    const std::size_t fitting = most_memory(settings) / std::max<std::size_t>(1, memory);
    return std::max(1, static_cast<int>(std::min<std::size_t>(fitting, settings.threads.slots())));
}

} // namespace

void FitsFile::add(Part part, const std::string& structure) {
    if (part.image.source) part.header = header_of(structure, part.image.records);
    part.at = size_;
    size_ += part.header.size() + padded(part.data_size);
    parts_.push_back(std::move(part));
}

void FitsFile::add_empty_primary() {
    if (!parts_.empty()) throw std::logic_error("the primary HDU of a FITS file is its first");
    Part primary;
    primary.header = empty_primary();
    add(std::move(primary), "");
}

void FitsFile::add_image(FitsImageHdu hdu) {
    Part part;
    part.numbers = numbers_of(*hdu.source);
    part.data_size = FitsStrips(*hdu.source, hdu.axes, part.numbers).size();
    const std::string structure = structure_of_image(hdu, part.numbers, parts_.empty());
    part.image = std::move(hdu);
    add(std::move(part), structure);
}

void FitsFile::add_table(FitsTableHdu hdu) {
    if (hdu.rows < 0 || (hdu.rows == 0 ? !hdu.data.empty() : hdu.data.size() % static_cast<std::size_t>(hdu.rows) != 0))
        throw std::invalid_argument("the data of a table are not whole rows");
    if (parts_.empty()) add_empty_primary();
    Part part;
    part.header = header_of(structure_of_table(hdu), hdu.records);
    part.data_size = hdu.data.size();
    part.table = std::move(hdu.data);
    part.table.resize(padded(part.table.size()));
    add(std::move(part), "");
}

void FitsFile::write(const FitsSink& sink, const FitsWriteSettings& settings) const {
    std::atomic<std::uint64_t> written{0};
    for (const Part& part : parts_) {
        settings.cancel.throw_if_cancelled();
        sink(part.at, std::as_bytes(std::span(part.header)));
        if (!part.table.empty()) sink(part.data_at(), part.table);
        if (!part.image.source) continue;
        const ImageSource& source = *part.image.source;
        if (source.capabilities().whole_planes_only) { // one that is computed at its first read is so by all threads, and is read as it likes afterwards
            float pixel = 0;
            source.read({0, 0, 1, 1}, {}, {&pixel, 1}, settings.threads.now(), settings.cancel);
        }
        const FitsStrips strips(source, part.image.axes, part.numbers, most_memory(settings) / 2);
        const std::size_t memory = strips.memory();
        const int most = threads_for(settings, memory);
        const ThreadShare share(most, [all = settings.threads] { return all.now(); });
        Reservation reserved;
        if (settings.budget != nullptr) reserved = settings.budget->reserve(memory * share.slots(), settings.cancel);
        const auto work = make_pixels<std::byte>(memory * share.slots());
        parallel_for(share, strips.count(), settings.cancel, [&](std::int64_t index, int thread) {
            strips.write(source, index, part.data_at(), work.get() + static_cast<std::size_t>(thread) * memory, sink, settings.cancel);
            if (thread == 0 && settings.progress) settings.progress(static_cast<double>(written.load(std::memory_order_relaxed)) / static_cast<double>(size_));
            written.fetch_add(strips.size() / static_cast<std::uint64_t>(strips.count()), std::memory_order_relaxed);
        });
        source.check_unchanged();
        const std::vector<std::byte> padding(padded(part.data_size) - part.data_size);
        if (!padding.empty()) sink(part.data_at() + part.data_size, padding);
    }
    if (settings.progress) settings.progress(1);
}

} // namespace cubelink::imaging
