#pragma once
/// The rows of a text file, cut into cells. One thread each.

#include "imaging/tables/input_buffer.hpp"

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cubelink::imaging {

struct TextLine {
    std::string_view text; // without its end
    std::size_t size = 0;  // with it
};
/// The line at the beginning of the input's rest(), which is not consumed; nothing at the end of the file. Throws TableError for one beyond 16 MiB.
std::optional<TextLine> text_line(InputBuffer& input);

class TextRecords {
public:
    explicit TextRecords(std::unique_ptr<ByteFeed> feed) : input_(std::move(feed)) {}

    /// ' ': one blank or more. '\0': chosen by the first row.
    void set_delimiter(char delimiter) { delimiter_ = delimiter; }
    char delimiter() const { return delimiter_; }
    /// Columns lie between these places of a line, ascending, and lines ahead of the rows that begin with '|' or '\\' are a header.
    void set_bars(std::vector<std::size_t> bars) { bars_ = std::move(bars); }

    /// The next row that is not empty and no comment; false at the end. Throws TableError for a row beyond 16 MiB, and for a quote without
    /// an end.
    bool next();
    /// Of the row; valid until the next call of next().
    const std::vector<std::string_view>& cells() const { return cells_; }
    /// Whether the row has characters at the bars, or behind the last.
    bool overruns() const { return overruns_; }
    /// Where the row begins.
    std::string where() const { return input_.where(); }
    /// Comments ahead of the first row, without '#'; at most 10,000 lines.
    const std::vector<std::string>& comments() const { return comments_; }
    /// Another text cut in the same way.
    std::vector<std::string> split(std::string_view line) const;

private:
    void choose_delimiter(std::string_view line, std::string_view behind);
    void cut(std::string_view line);
    void cut_at_bars(std::string_view line);
    std::size_t cut_quoted();
    std::optional<std::size_t> try_quoted(std::string_view text, bool last);

    InputBuffer input_;
    char delimiter_ = 0;
    std::vector<std::size_t> bars_;
    bool overruns_ = false;
    bool enclosed_ = false; // the first row begins and ends with a bar, as in "|a|b|": no cells lie outside of them
    std::size_t used_ = 0; // bytes of the row that was given out
    bool begun_ = false;
    std::vector<std::string_view> cells_;
    std::deque<std::string> unquoted_;
    std::vector<std::string> comments_;
};

} // namespace cubelink::imaging
