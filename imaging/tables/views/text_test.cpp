#include "imaging/tables/views/row_test.hpp"

#include "platform/mutex.hpp"

#include <re2/re2.h>

#include <bit>
#include <utility>

namespace cubelink::imaging {

namespace {

/// Patterns beyond that are refused.
constexpr std::size_t longest_pattern = 4096;

class TextTest final : public RowTest {
public:
    TextTest(std::size_t column, TextMatch match, std::string pattern, bool ignore_case)
        : column_(column), match_(match), pattern_(std::move(pattern)), ignore_case_(ignore_case) {
        if (pattern_.size() > longest_pattern) throw PatternError("the text has " + std::to_string(pattern_.size()) + " bytes, the limit is " + std::to_string(longest_pattern));
        auto regex = take();
        if (regex && !regex->ok())
            throw PatternError("\"" + pattern_ + "\": " + regex->error() + (regex->error_arg().empty() ? "" : ", at \"" + regex->error_arg() + "\""));
        give(std::move(regex));
    }

    std::string key() const override {
        return "t" + std::to_string(column_) + (ignore_case_ ? "i" : "") + std::to_string(static_cast<int>(match_)) + ":" + pattern_;
    }

    void apply(const Table& table, std::size_t chunk, std::span<std::uint64_t> bits, const CancelToken& cancel) const override {
        const auto texts = table.columns[column_]->texts(chunk);
        auto regex = take();
        for (std::size_t word = 0; word * 64 < texts.size(); ++word) {
            cancel.throw_if_cancelled();
            for (auto left = bits[word]; left != 0; left &= left - 1) {
                const auto i = static_cast<std::size_t>(std::countr_zero(left));
                if (const auto row = word * 64 + i; row < texts.size() && !passes(regex.get(), texts[row])) bits[word] &= ~(std::uint64_t{1} << i);
            }
        }
        give(std::move(regex));
    }

private:
    /// One of this thread alone: several wait for each other at every text. nullptr where the pattern is a plain text.
    std::unique_ptr<const RE2> take() const {
        if (match_ != TextMatch::regex && !ignore_case_) return nullptr;
        {
            const platform::MutexLock lock(mutex_);
            if (!idle_.empty()) {
                auto regex = std::move(idle_.back());
                idle_.pop_back();
                return regex;
            }
        }
        RE2::Options options;
        options.set_log_errors(false);
        options.set_case_sensitive(!ignore_case_);
        options.set_literal(match_ != TextMatch::regex);
        options.set_max_mem(static_cast<std::int64_t>(pattern_memory));
        return std::make_unique<const RE2>(pattern_, options);
    }

    void give(std::unique_ptr<const RE2> regex) const {
        if (!regex) return;
        const platform::MutexLock lock(mutex_);
        idle_.push_back(std::move(regex));
    }

    bool passes(const RE2* regex, std::string_view text) const {
        if (regex) {
            const re2::StringPiece piece(text.data(), text.size());
            return match_ == TextMatch::equals ? RE2::FullMatch(piece, *regex) : RE2::PartialMatch(piece, *regex);
        }
        return match_ == TextMatch::equals ? text == pattern_ : text.find(pattern_) != std::string_view::npos;
    }

    const std::size_t column_;
    const TextMatch match_;
    const std::string pattern_;
    const bool ignore_case_;
    mutable platform::Mutex mutex_;
    mutable std::vector<std::unique_ptr<const RE2>> idle_ CUBELINK_GUARDED_BY(mutex_); // as many as threads have worked at once
};

} // namespace

RowTestPtr match_text(std::size_t column, TextMatch match, const std::string& pattern, bool ignore_case) {
    return std::make_shared<TextTest>(column, match, pattern, ignore_case);
}

} // namespace cubelink::imaging
