#pragma once
/// A FITS header that is changed: cards set, removed and renamed, axes cut and dropped. Cards that are not touched stay as they are. Used by one thread at a time.

#include "imaging/world/axis_keyword.hpp"
#include "imaging/world/header.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cubelink::imaging {

/// `count` pixels of an axis from `from` (0-based) on, each `step` from the one before.
struct AxisCut {
    std::int64_t from = 0, count = 1, step = 1;
    friend bool operator==(const AxisCut&, const AxisCut&) = default;
};

/// The shortest text that is read back as the same number, with a decimal point: "1.0E-05". Throws std::invalid_argument unless it is finite.
std::string fits_number(double value);

class HeaderEditor {
public:
    HeaderEditor() = default;
    /// Of duplicate cards those are kept that count: of world coordinates the last, else the first.
    explicit HeaderEditor(const Header& header);

    const Card* find(std::string_view keyword) const;
    bool has(std::string_view keyword) const { return find(keyword) != nullptr; }
    std::optional<double> number(std::string_view keyword) const;
    std::optional<std::string> text(std::string_view keyword) const;

    /// Replaces the card of that keyword where it stands, or appends one. Long text is continued in CONTINUE records. An empty comment keeps the one that the card
    /// had. Throws std::invalid_argument for keywords that are not FITS's (1 to 8 capitals, digits, "-", "_") and numbers that are not finite. Text: what is not
    /// printable ASCII becomes "?".
    void set(std::string_view keyword, std::string_view value, std::string_view comment = {});
    void set(std::string_view keyword, const char* value, std::string_view comment = {}) { set(keyword, std::string_view(value), comment); }
    void set(std::string_view keyword, const std::string& value, std::string_view comment = {}) { set(keyword, std::string_view(value), comment); }
    void set(std::string_view keyword, double value, std::string_view comment = {});
    void set(std::string_view keyword, std::int64_t value, std::string_view comment = {});
    void set(std::string_view keyword, int value, std::string_view comment = {}) { set(keyword, std::int64_t{value}, comment); }
    void set(std::string_view keyword, bool value, std::string_view comment = {});
    void remove(std::string_view keyword);
    /// Commentary has the keywords "COMMENT", "HISTORY", "".
    void remove_if(const std::function<bool(std::string_view keyword)>& unwanted);
    /// The new keyword of each card, the old one to keep it, "" to remove it.
    void rename(const std::function<std::string(std::string_view keyword)>& to);
    /// Appends as many HISTORY cards as the text needs.
    void add_history(std::string_view text);

    /// The axis (1-based, of the file) keeps the pixels of the cut only: NAXISn, CRPIXn, and CDELTn, CDi_n or PCi_n of all descriptions of the
    /// coordinates. Where a reference pixel can't be read, the axis loses its world coordinates.
    void cut(int axis, const AxisCut& cut);

    /// The world axis has no coordinates from then on; its length stays.
    void remove_coordinates(int axis);

    /// Whether another axis depends on the pixels of this one or the other way round, by a matrix.
    bool is_coupled(int axis) const;
    /// Removes axes (1-based) with all of their cards and numbers the others anew; NAXIS and WCSAXES follow. An axis that is coupled must not be dropped.
    void drop_axes(const std::vector<int>& axes);

    /// 80 bytes each, without END. Cards that were not changed are as they were.
    std::string records() const;
    /// As records(), but only what the standard allows: see valid_records() of card_text.hpp.
    std::string valid_records() const;
    /// Parsed.
    Header header() const { return Header(records()); }

private:
    struct Entry {
        Card card;
        std::string records;            // empty: to be written anew
        std::optional<AxisKeyword> key; // of `card`
    };
    static bool has_wrong_type(const Entry& entry);
    static Entry entry_of(Card card, std::string records);
    std::vector<Entry>::iterator find_entry(std::string_view keyword);
    void set(Card card, std::string_view comment);
    bool describes(int axis, char alternate) const;
    void cut_coordinates(int axis, const AxisCut& cut, char alternate);
    void scale_column(int axis, double factor, char alternate);
    bool is_coupled(int axis, char alternate) const;
    void renumber(const std::function<int(int)>& number_of);

    std::vector<Entry> entries_;
};

} // namespace cubelink::imaging
