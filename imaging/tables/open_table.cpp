#include "imaging/tables/open_table.hpp"

#include "imaging/base/image_error.hpp"
#include "imaging/tables/byte_feed.hpp"
#include "imaging/tables/cell_text.hpp"
#include "imaging/tables/fits_table_reader.hpp"
#include "imaging/tables/text_table_reader.hpp"
#include "imaging/tables/votable_reader.hpp"

#include <algorithm>
#include <array>

namespace cubelink::imaging {

namespace {

/// The beginning of the text, or of what it is inflated to.
std::string first_bytes(const std::shared_ptr<const FileHandle>& file) {
    BudgetCache unused(0);
    const TableOptions options{unused, {}};
    const auto feed = open_feed(file, options);
    std::string bytes(8 << 10, '\0');
    std::size_t size = 0;
    while (size < bytes.size()) {
        const auto count = feed->next(std::span(bytes).subspan(size));
        if (count == 0) break;
        size += count;
    }
    bytes.resize(size);
    return bytes;
}

/// In UTF-8.
std::string decoded(std::string bytes, TextEncoding encoding) {
    class OneFeed final : public ByteFeed {
    public:
        explicit OneFeed(std::string text) : text_(std::move(text)) {}
        std::size_t next(std::span<char> out) override {
            const auto count = std::min(out.size(), text_.size() - at_);
            std::copy_n(text_.data() + at_, count, out.data());
            at_ += count;
            return count;
        }

    private:
        const std::string text_;
        std::size_t at_ = 0;
    };
    const auto size = bytes.size();
    const auto feed = to_utf8(std::make_unique<OneFeed>(std::move(bytes)), encoding);
    std::string text(size * 2 + 8, '\0');
    std::size_t done = 0;
    while (done < text.size()) {
        const auto count = feed->next(std::span(text).subspan(done));
        if (count == 0) break;
        done += count;
    }
    text.resize(done);
    return text;
}

TableKind kind_of(std::string bytes, TextEncoding& encoding) {
    if (bytes.starts_with("SIMPLE  =")) return TableKind::fits;
    encoding = encoding_of(bytes);
    const auto text = decoded(std::move(bytes), encoding);
    const auto content = without_blanks(text);
    if (content.starts_with('<')) return TableKind::votable;
    if (content.empty() || text.find('\0') != std::string::npos) return TableKind::none;
    return TableKind::text;
}

} // namespace

TableKind table_kind(const std::shared_ptr<const FileHandle>& file) {
    TextEncoding encoding{};
    return kind_of(first_bytes(file), encoding);
}

TablePtr open_table(const std::shared_ptr<const FileHandle>& file, const TableOptions& options) {
    const auto name = options.name.empty() ? file->shown() : options.name;
    try {
        TextEncoding encoding{};
        TablePtr table;
        auto quiet = options;
        quiet.progress = nullptr;
        switch (kind_of(first_bytes(file), encoding)) {
        case TableKind::fits: table = read_fits_table(file, options); break;
        case TableKind::votable: table = read_votable([&] { return to_utf8(open_feed(file, options), encoding); }, options); break;
        case TableKind::text:
            table = read_text_table([&](bool tell) { return to_utf8(open_feed(file, tell ? options : quiet), encoding); }, options);
            break;
        case TableKind::none:
            throw TableError(file->size() == 0 ? "the file is empty" : "this is no table: neither VOTable nor FITS nor text");
        }
        file->check_descriptor();
        if (options.progress) options.progress(1);
        return table;
    } catch (const ImageError& error) {
        throw TableError(error.what());
    } catch (const TableError& error) {
        const std::string text = error.what();
        throw TableError(text.starts_with(name) ? text : name + ": " + text);
    }
}

TablePtr open_table(const std::string& path, const TableOptions& options) {
    std::shared_ptr<const FileHandle> file;
    try {
        file = FileHandle::open(path, options.name.empty() ? path.substr(path.find_last_of('/') + 1) : options.name);
    } catch (const ImageError& error) {
        throw TableError(error.what());
    }
    return open_table(file, options);
}

} // namespace cubelink::imaging
