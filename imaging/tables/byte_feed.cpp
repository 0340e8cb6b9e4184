#include "imaging/tables/byte_feed.hpp"

#include "imaging/fits/gzip_source.hpp"
#include "platform/text.hpp"
#include "platform/utf8.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

namespace cubelink::imaging {

namespace {

class FileFeed final : public ByteFeed {
public:
    FileFeed(std::shared_ptr<const FileHandle> file, const TableOptions& options)
        : file_(std::move(file)), cancel_(options.cancel), progress_(options.progress) {}
    std::size_t next(std::span<char> out) override {
        cancel_.throw_if_cancelled();
        const auto count = file_->read_some(at_, std::as_writable_bytes(out.first(std::min<std::size_t>(out.size(), 1 << 20))));
        at_ += static_cast<std::int64_t>(count);
        if (progress_) progress_(std::min(1.0, static_cast<double>(at_) / static_cast<double>(std::max<std::int64_t>(file_->size(), 1))));
        return count;
    }

private:
    const std::shared_ptr<const FileHandle> file_;
    const CancelToken cancel_;
    const std::function<void(double)> progress_;
    std::int64_t at_ = 0;
};

class GzipFeed final : public ByteFeed {
public:
    GzipFeed(std::shared_ptr<const FileHandle> file, const TableOptions& options)
        : size_(std::max<std::int64_t>(file->size(), 1)), inflater_(std::move(file)), cancel_(options.cancel), progress_(options.progress) {
    }
    std::size_t next(std::span<char> out) override {
        cancel_.throw_if_cancelled();
        const auto count = inflater_.next(std::as_writable_bytes(out.first(std::min<std::size_t>(out.size(), 1 << 20))));
        if (progress_) progress_(std::min(1.0, static_cast<double>(inflater_.compressed_position()) / static_cast<double>(size_)));
        return count;
    }

private:
    const std::int64_t size_;
    Inflater inflater_;
    const CancelToken cancel_;
    const std::function<void(double)> progress_;
};

/// Takes what `decode` makes of the pieces of another feed.
class RecodedFeed final : public ByteFeed {
public:
    RecodedFeed(std::unique_ptr<ByteFeed> feed, TextEncoding encoding) : feed_(std::move(feed)), encoding_(encoding), input_(64 << 10) {}
    std::size_t next(std::span<char> out) override {
        while (at_ == text_.size()) {
            const auto count = feed_->next(std::span(input_).subspan(kept_));
            if (count == 0) {
                if (kept_ == 0) return 0;
                kept_ = 0; // half a character at the end of the file
                text_ = "\uFFFD";
                at_ = 0;
                break;
            }
            text_.clear();
            at_ = 0;
            const auto whole = kept_ + count;
            const auto used = encoding_ == TextEncoding::latin1 ? decode_latin1(whole) : decode_utf16(whole);
            std::memmove(input_.data(), input_.data() + used, whole - used);
            kept_ = whole - used;
        }
        const auto count = std::min(out.size(), text_.size() - at_);
        std::copy_n(text_.data() + at_, count, out.data());
        at_ += count;
        return count;
    }

private:
    std::size_t decode_latin1(std::size_t size) {
        for (std::size_t i = 0; i < size; ++i) platform::append_utf8(text_, static_cast<unsigned char>(input_[i]));
        return size;
    }
    std::uint32_t unit(std::size_t at) const {
        const auto first = static_cast<unsigned char>(input_[at]), second = static_cast<unsigned char>(input_[at + 1]);
        return encoding_ == TextEncoding::utf16_big ? first * 256u + second : second * 256u + first;
    }
    std::size_t decode_utf16(std::size_t size) {
        std::size_t at = 0;
        while (at + 2 <= size) {
            const auto one = unit(at);
            if (one >= 0xD800 && one < 0xDC00) {
                if (at + 4 > size) break;
                const auto two = unit(at + 2);
                if (two >= 0xDC00 && two < 0xE000) {
                    platform::append_utf8(text_, 0x10000 + ((one - 0xD800) << 10) + (two - 0xDC00));
                    at += 4;
                    continue;
                }
            }
            platform::append_utf8(text_, one >= 0xD800 && one < 0xE000 ? 0xFFFD : one);
            at += 2;
        }
        return at;
    }

    const std::unique_ptr<ByteFeed> feed_;
    const TextEncoding encoding_;
    std::vector<char> input_;
    std::size_t kept_ = 0; // bytes at the beginning of input_ that are half a character
    std::string text_;
    std::size_t at_ = 0; // in text_
};

/// Drops a byte order mark.
class WithoutMark final : public ByteFeed {
public:
    explicit WithoutMark(std::unique_ptr<ByteFeed> feed) : feed_(std::move(feed)) {}
    std::size_t next(std::span<char> out) override {
        constexpr std::string_view mark = "\xEF\xBB\xBF";
        while (!begun_ && first_.size() < mark.size()) {
            std::array<char, 3> bytes{};
            const auto count = feed_->next(std::span(bytes).first(mark.size() - first_.size()));
            if (count == 0) break;
            first_.append(bytes.data(), count);
        }
        if (!begun_ && first_ == mark) first_.clear();
        begun_ = true;
        if (first_.empty()) return feed_->next(out);
        const auto count = std::min(out.size(), first_.size());
        std::copy_n(first_.data(), count, out.data());
        first_.erase(0, count);
        return count;
    }

private:
    const std::unique_ptr<ByteFeed> feed_;
    std::string first_;
    bool begun_ = false;
};

} // namespace

bool is_gzipped(const FileHandle& file) {
    std::array<std::byte, 2> magic{};
    return file.read_some(0, magic) == 2 && magic[0] == std::byte{0x1f} && magic[1] == std::byte{0x8b};
}

std::unique_ptr<ByteFeed> open_feed(std::shared_ptr<const FileHandle> file, const TableOptions& options) {
    if (is_gzipped(*file)) return std::make_unique<GzipFeed>(std::move(file), options);
    return std::make_unique<FileFeed>(std::move(file), options);
}

TextEncoding encoding_of(std::string_view first) {
    using namespace std::string_view_literals;
    if (first.starts_with("\xFF\xFE"sv) || first.starts_with("<\0"sv)) return TextEncoding::utf16_little;
    if (first.starts_with("\xFE\xFF"sv) || first.starts_with("\0<"sv)) return TextEncoding::utf16_big;
    if (!first.starts_with("<?xml")) return TextEncoding::utf8;
    const auto declaration = first.substr(0, first.find("?>"));
    const auto at = declaration.find("encoding");
    if (at == std::string_view::npos) return TextEncoding::utf8;
    const auto quote = declaration.find_first_of("\"'", at);
    if (quote == std::string_view::npos) return TextEncoding::utf8;
    const auto name = declaration.substr(quote + 1, declaration.find(declaration[quote], quote + 1) - quote - 1);
    for (const auto one : {"iso-8859-1"sv, "iso8859-1"sv, "latin1"sv, "latin-1"sv, "windows-1252"sv, "iso-8859-15"sv})
        if (platform::equal_ignoring_case(name, one)) return TextEncoding::latin1;
    return TextEncoding::utf8;
}

std::unique_ptr<ByteFeed> to_utf8(std::unique_ptr<ByteFeed> feed, TextEncoding encoding) {
    if (encoding != TextEncoding::utf8) feed = std::make_unique<RecodedFeed>(std::move(feed), encoding);
    return std::make_unique<WithoutMark>(std::move(feed));
}

} // namespace cubelink::imaging
