#pragma once
/// Keywords that belong to an axis of an image, taken apart. Pure functions; any thread.

#include <optional>
#include <string>
#include <string_view>

namespace cubelink::imaging {

struct AxisKeyword {
    enum class Form {
        indexed,   // CRPIXj, CTYPEi: one axis
        matrix,    // CDi_j, PCi_j: two axes
        parameter, // PVi_m, PSi_m: an axis and something else
        six_digit, // CD00i00j
        text,      // WATi_nnn: an axis and the number of a line
    };
    std::string_view stem; // "CRPIX"
    Form form = Form::indexed;
    int first = 0, second = 0; // `first` is an axis; `second` one in matrices
    std::string tail;          // of Form::text: what follows the axis
    char alternate = ' ';      // of which description of the coordinates; ' ': the primary one

    std::string name() const;
};

/// Nothing for keywords of another kind.
std::optional<AxisKeyword> axis_keyword(std::string_view keyword);

/// The primary description and its alternates, as letters.
constexpr std::string_view alternates = " ABCDEFGHIJKLMNOPQRSTUVWXYZ";

} // namespace cubelink::imaging
