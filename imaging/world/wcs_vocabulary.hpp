#pragma once
/// The keywords of world coordinates that this library passes on to wcslib, with the type that each must have. Pure functions, any thread.

#include <optional>
#include <string>
#include <string_view>

namespace cubelink::imaging {

enum class WcsValueType { integer, real, text };

struct WcsKeyword {
    std::string name;    // in its present form: CD1_2 for CD001002, RESTFRQ for RESTFREQ
    std::string_view stem; // "CD" of CD1_2, "A_" of A_2_0; refers to static storage
    int first = 0, second = 0; // indices: i and j of CDi_j, i and m of PVi_m, p and q of A_p_q, i of CRVALi; 0 where there is none
    WcsValueType type = WcsValueType::real;
    bool old_form = false; // the present form of the same card has precedence
};

/// Returns nullopt for keywords that are not in the vocabulary, or whose indices are out of range. Alternate descriptions (CRVAL1A) are not.
std::optional<WcsKeyword> find_wcs_keyword(std::string_view keyword);

} // namespace cubelink::imaging
