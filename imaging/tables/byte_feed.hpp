#pragma once
/// The bytes of a table's file from its beginning to its end. One thread each.

#include "imaging/fits/file_handle.hpp"
#include "imaging/tables/table_options.hpp"

#include <cstddef>
#include <memory>
#include <span>
#include <string_view>

namespace cubelink::imaging {

class ByteFeed {
public:
    virtual ~ByteFeed() = default;
    /// The next bytes, up to out.size() (> 0); 0 at the end. Throws ImageError, Cancelled.
    virtual std::size_t next(std::span<char> out) = 0;
};

bool is_gzipped(const FileHandle& file);

/// The file as it lies or, if it is gzipped, inflated.
std::unique_ptr<ByteFeed> open_feed(std::shared_ptr<const FileHandle> file, const TableOptions& options);

/// What a text's first bytes say of its encoding.
enum class TextEncoding { utf8, latin1, utf16_little, utf16_big };

/// By a byte order mark, or by the encoding in an XML declaration. Unknown ones are taken for UTF-8.
TextEncoding encoding_of(std::string_view first);

/// The same text in UTF-8, without a byte order mark. UTF-8 passes as it is, valid or not.
std::unique_ptr<ByteFeed> to_utf8(std::unique_ptr<ByteFeed> feed, TextEncoding encoding);

} // namespace cubelink::imaging
