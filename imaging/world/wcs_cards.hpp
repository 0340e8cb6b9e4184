#pragma once
/// The checked form of a header's world coordinates: the only cards that wcslib is ever given. Each keyword is looked up in a vocabulary,
/// parsed as the type it must have and printed anew; cards that depend on each other (a matrix, a distortion, a plate solution, the
/// parameters of a "-TAB" axis) are passed on together or not at all. Immutable after it is made; any thread.

#include "imaging/world/coordinate_arrays.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cubelink::imaging {

class Header;

/// One "-TAB" axis of the image; `axis` from 0, `coordinate` the place of its values in the coordinate array, from 0. Axes with the same
/// array share the table.
struct TableAxis {
    std::size_t axis = 0, coordinate = 0;
    ArrayRequest array;
    double to_si = 1; // factor from the table's unit to the one in the cards
};

/// True if the type, exactly as it is spelt, is a spectral one for wcslib.
bool is_wcslib_spectral_type(const std::string& ctype);

class WcsCards {
public:
    /// `lengths`: NAXISn, 1 to axis_limit of them (std::out_of_range for others). Never throws for what the header says.
    WcsCards(const Header& header, const std::vector<std::int64_t>& lengths);

    static constexpr std::size_t axis_limit = 9; // also of world axes beyond NAXIS

    /// False if the header describes no world coordinates.
    bool any() const { return any_; }
    /// For each of axis_limit axes: a card that it needs cannot be read or contradicts others, so that it has no world values.
    const std::vector<bool>& unusable() const { return unusable_; }
    /// CTYPEi as the header spells it, for each of axis_limit axes; empty where there is none.
    const std::vector<std::string>& types() const { return types_; }
    const std::vector<TableAxis>& table_axes() const { return table_axes_; }
    /// Sentences for the user: which cards could not be used, and what follows from it.
    const std::vector<std::string>& warnings() const { return warnings_; }
    /// 80-byte records for wcspih, END included. `untyped`: axes whose CTYPE is left out, so that they are linear; axis_limit of
    /// them. Of the axes of one table either all or none.
    std::string records(const std::vector<bool>& untyped) const;

private:
    struct Value {
        std::string text; // as it is printed: a number, or a string without quotes
        double number = 0;
        bool is_text = false;
    };
    class Builder;
    std::vector<std::int64_t> lengths_;
    std::map<std::string, Value> values_; // by keyword; std::map, so that records come in a fixed order
    std::vector<bool> unusable_;
    std::vector<std::string> types_;
    std::vector<TableAxis> table_axes_;
    std::vector<std::string> warnings_;
    bool any_ = false;
};

} // namespace cubelink::imaging
