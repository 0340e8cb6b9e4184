#pragma once
/// A window on a text that moves forwards, and where it is in lines and columns. One thread each.

#include "imaging/tables/byte_feed.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace cubelink::imaging {

class InputBuffer {
public:
    explicit InputBuffer(std::unique_ptr<ByteFeed> feed) : feed_(std::move(feed)) {}

    /// What has been read and not been consumed.
    std::string_view rest() const { return {bytes_.get() + begin_, end_ - begin_}; }
    /// Makes rest() longer; false at the end of the text. Views of it are invalid afterwards.
    bool more() {
        if (begin_ > 0) {
            count_lines();
            std::memmove(bytes_.get(), bytes_.get() + begin_, end_ - begin_);
            end_ -= begin_;
            begin_ = 0;
        }
        if (capacity_ - end_ < piece_) grow(std::max(capacity_ * 2, end_ + piece_));
        const auto count = feed_->next({bytes_.get() + end_, capacity_ - end_});
        piece_ = std::min(piece_ * 2, most_piece);
        end_ += count;
        return count > 0;
    }
    /// Until rest() has `size` bytes; false if the text ends before.
    bool more_until(std::size_t size) {
        while (end_ - begin_ < size)
            if (!more()) return false;
        return true;
    }
    void consume(std::size_t count) { begin_ += count; }
    void consume_all() { begin_ = end_; }

    /// "line 12, column 5" of a place in rest(), both from 1; columns in bytes.
    std::string where(const char* at) const {
        std::int64_t line = line_, column = column_;
        advance({bytes_.get(), static_cast<std::size_t>(at - bytes_.get())}, line, column);
        return "line " + std::to_string(line) + ", column " + std::to_string(column);
    }
    std::string where() const { return where(bytes_.get() + begin_); }

private:
    static void advance(std::string_view text, std::int64_t& line, std::int64_t& column) {
        const auto lines = std::count(text.begin(), text.end(), '\n');
        line += lines;
        if (lines > 0) column = static_cast<std::int64_t>(text.size() - text.rfind('\n'));
        else column += static_cast<std::int64_t>(text.size());
    }
    void count_lines() { advance({bytes_.get(), begin_}, line_, column_); }
    void grow(std::size_t capacity) {
        auto bytes = std::make_unique_for_overwrite<char[]>(capacity);
        std::copy_n(bytes_.get(), end_, bytes.get());
        bytes_ = std::move(bytes);
        capacity_ = capacity;
    }

    static constexpr std::size_t first_piece = 8 << 10, most_piece = 256 << 10;

    const std::unique_ptr<ByteFeed> feed_;
    std::size_t piece_ = first_piece; // that is read at least: more and more, as small files are many
    std::unique_ptr<char[]> bytes_;
    std::size_t capacity_ = 0, begin_ = 0, end_ = 0;
    std::int64_t line_ = 1, column_ = 1; // of bytes_[0]
};

} // namespace cubelink::imaging
