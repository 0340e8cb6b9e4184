#pragma once
/// A FITS header: its cards, parsed. Made once, then const; any thread.

#include "imaging/source/image_info.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace cubelink::imaging {

/// One logical card: a long string continued in CONTINUE cards is a single one.
struct Card {
    enum class Kind { commentary, string, logical, number, other, empty };
    std::string keyword; // in capitals, without trailing blanks; unchanged in commentary
    Kind kind = Kind::empty;
    std::string value;   // strings without quotes and trailing blanks; others as written, trimmed
    std::string comment;
    std::string text;    // commentary and HIERARCH: the whole card, without trailing blanks
    std::size_t records = 1; // of 80 bytes, that it was parsed from
};

class Header {
public:
    Header() = default;
    /// `cards`: whole 80-byte records, END not needed. NUL and tab become blanks, other bytes that are not printable ASCII '?'.
    explicit Header(std::string_view cards);

    const std::vector<Card>& cards() const { return cards_; }
    /// The first card of this name; nullptr if there is none. Of duplicates the first counts, as in astropy.io.fits and cfitsio; of world
    /// coordinates the last (see wcs_cards.hpp).
    const Card* find(std::string_view keyword) const;

    std::optional<std::string> text(std::string_view keyword) const;       // strings only
    std::optional<std::int64_t> integer(std::string_view keyword) const;   // nullopt if it is not an integer (10.0 is one)
    std::optional<double> number(std::string_view keyword) const;          // D exponents too; finite ones only
    bool is_true(std::string_view keyword) const;                          // logical T

    /// The 80-byte records as they were parsed, without END.
    const std::string& records() const { return records_; }

    void set(Card card); // replaces the first of that name, or appends
    void append(Card card);

private:
    void parse(std::string_view cards);
    std::string records_;
    std::vector<Card> cards_;
    std::unordered_map<std::string, std::size_t> first_;
};

/// A number as FITS writes it ("1.5D3", "-7", "+.5"); nullopt if it is not one, or not finite.
std::optional<double> parse_fits_number(std::string_view text);

/// The header as it is sent to clients: strings unquoted, floats as %.12E, the whole card of HISTORY and COMMENT in `name`, without END.
std::vector<HeaderEntry> header_entries(const Header& header);

} // namespace cubelink::imaging
