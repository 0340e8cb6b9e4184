#pragma once
/// Changes a FITS header, card by card: cards that are not named stay as they are written. Used by one thread.

#include "imaging/world/header.hpp"

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace cubelink::imaging {

/// A part of an axis: pixels from, from + step, …, `count` of them, 0-based. step ≥ 1.
struct AxisCut {
    std::int64_t from = 0, count = 1, step = 1;
    friend bool operator==(const AxisCut&, const AxisCut&) = default;
};

/// `value` as FITS writes it: the shortest text that is read as the same number, with a point. It must be finite.
std::string fits_number(double value);

class HeaderEditor {
public:
    HeaderEditor() = default;
    explicit HeaderEditor(const Header& header);

    /// Replaces the first card of that keyword, in its place, and removes others of it; appends one if there is none. Text that needs more than one record is
    /// continued in CONTINUE records. An empty comment keeps the one that the card had. Throws std::invalid_argument for keywords that are not FITS's (1 to 8
    /// capitals, digits, "-", "_"), numbers that are not finite. Text: what is not printable ASCII becomes "?".
    void set(std::string_view keyword, std::string_view text, std::string_view comment = {});
    void set(std::string_view keyword, const char* text, std::string_view comment = {}) { set(keyword, std::string_view(text), comment); }
    void set(std::string_view keyword, double value, std::string_view comment = {});
    void set(std::string_view keyword, std::int64_t value, std::string_view comment = {});
    void set(std::string_view keyword, int value, std::string_view comment = {}) { set(keyword, std::int64_t{value}, comment); }
    void set(std::string_view keyword, bool value, std::string_view comment = {});

    bool has(std::string_view keyword) const;
    void remove(std::string_view keyword);
    void remove_if(const std::function<bool(std::string_view keyword)>& chosen);
    /// The new keyword of each card, the old one to keep it, "" to remove it.
    void rename(const std::function<std::string(std::string_view keyword)>& to);
    /// Appends as many HISTORY cards as the text needs.
    void add_history(std::string_view text);

    /// What becomes of axis `axis` (1-based) when only these pixels are left: NAXISn, CRPIXn, and for steps CDELTn or CDi_n; alternate coordinates (CRPIXnA …)
    /// too. PCi_j is brought into agreement where CDELTn differ by the step.
    void cut(int axis, const AxisCut& part);

    /// 80 bytes each, without END.
    std::string records() const;
    /// Parsed.
    Header header() const { return Header(records()); }

private:
    struct Entry {
        std::string keyword; // "" of blank cards
        std::string records; // one or, of a continued string, more
    };
    void put(std::string_view keyword, std::string_view value, std::string_view comment);
    std::vector<Entry> entries_;
};

} // namespace cubelink::imaging
