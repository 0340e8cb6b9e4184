#include "imaging/analysis/moments/moment.hpp"

#include <array>

namespace cubelink::imaging {

std::string_view moment_suffix(Moment moment) {
    static constexpr std::array<std::string_view, moment_count> suffixes = {
        "average", "integrated", "weighted_coord", "weighted_dispersion_coord", "median", "median_coord", "standard_deviation",
        "rms", "abs_mean_dev", "maximum", "maximum_coord", "minimum", "minimum_coord",
    };
    return suffixes[static_cast<std::size_t>(moment)];
}

bool is_coordinate(Moment moment) {
    switch (moment) {
    case Moment::weighted_coordinate:
    case Moment::weighted_dispersion:
    case Moment::median_coordinate:
    case Moment::maximum_coordinate:
    case Moment::minimum_coordinate: return true;
    default: return false;
    }
}

std::string moment_unit(Moment moment, std::string_view bunit, std::string_view coordinate_unit) {
    if (is_coordinate(moment)) return std::string(coordinate_unit);
    if (moment != Moment::integrated || coordinate_unit.empty()) return std::string(bunit);
    if (bunit.empty()) return std::string(coordinate_unit);
    return std::string(bunit) + "." + std::string(coordinate_unit);
}

std::optional<Moment> moment_of_number(int number) {
    if (number < 0 || number >= moment_count) return std::nullopt;
    return static_cast<Moment>(number);
}

} // namespace cubelink::imaging
