#pragma once
/// Writes FITS files: images straight from their sources, in strips of bounded memory, and tables. Where the bytes go is the caller's matter.
///
///     FitsFile file;
///     file.add_image({source, axes, records});        // the primary HDU
///     file.add_table({records, rows});                // an extension
///     reserve(file.size());
///     file.write([&](std::uint64_t at, std::span<const std::byte> bytes) { … }, settings);
///
/// FITS standard 4.0. Numbers that are floats in memory become BITPIX -32; those of stored doubles and of 32-bit integers, which float32 can't hold,
/// BITPIX -64; 64-bit integers stay what they are. Blanks are NaN.

#include "imaging/base/budget_cache.hpp"
#include "imaging/base/cancel.hpp"
#include "imaging/base/thread_share.hpp"
#include "imaging/source/image_source.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace cubelink::imaging {

/// What an axis of the file is in the source. `single`: an axis of length 1 that the source does not have.
enum class FitsAxis { x, y, depth, stokes, single };

struct FitsImageHdu {
    std::shared_ptr<const ImageSource> source;
    /// In the order of the file: x before y before depth, stokes anywhere; each at most once, but `single`. Those that are missing have length 1.
    std::vector<FitsAxis> axes;
    /// The header: 80 bytes each, without END. Those that say how the data are stored (SIMPLE, BITPIX, NAXISn, BSCALE, …) are replaced.
    std::string records;
};

struct FitsTableHdu {
    /// TTYPEn, TFORMn, TUNITn, TDIMn, EXTNAME, …: 80 bytes each, without END. Sizes of the table and number of columns are the writer's.
    std::string records;
    int columns = 0;
    std::int64_t rows = 0;
    std::vector<std::byte> data; // big-endian, row by row
};

/// Takes bytes of the file that begin at `at`. Called from several threads at once; each byte of the file is given once, nearly in order.
using FitsSink = std::function<void(std::uint64_t at, std::span<const std::byte> bytes)>;

struct FitsWriteSettings {
    ThreadShare threads = 1;
    /// Where the strips are reserved; nullptr: not counted. If there is too little, fewer threads are used.
    BudgetCache* budget = nullptr;
    CancelToken cancel{};
    std::function<void(double)> progress{}; // 0 to 1, by the calling thread
};

/// How pixels are written.
struct FitsNumbers {
    int bitpix = -32;      // or -64, or 64
    bool with_sign = true; // of 64-bit integers; without: BZERO is 2⁶³
    std::int64_t bytes() const { return bitpix == -32 ? 4 : 8; }
};

/// The HDUs of a new file. Used by one thread.
class FitsFile {
public:
    /// A primary HDU without data, before the extensions. Throws std::logic_error unless the file is empty.
    void add_empty_primary();
    /// The first one is the primary HDU, others are extensions. Throws std::invalid_argument if axes and source don't fit together.
    void add_image(FitsImageHdu hdu);
    /// After an empty primary HDU if there is none. Throws std::invalid_argument if `data` has not the size of whole rows.
    void add_table(FitsTableHdu hdu);

    /// Bytes of the file.
    std::uint64_t size() const { return size_; }
    /// Throws what the source and the sink throw, OverBudget, Cancelled.
    void write(const FitsSink& sink, const FitsWriteSettings& settings) const;

private:
    struct Part {
        std::string header; // padded
        std::uint64_t at = 0, data_size = 0;
        FitsImageHdu image;           // source null: a table
        FitsNumbers numbers;
        std::vector<std::byte> table; // padded
        std::uint64_t data_at() const { return at + header.size(); }
    };
    void add(Part part, const std::string& records);

    std::vector<Part> parts_;
    std::uint64_t size_ = 0;
};

} // namespace cubelink::imaging
