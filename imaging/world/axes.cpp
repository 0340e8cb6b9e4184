#include "imaging/world/axes.hpp"

#include "imaging/world/header.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <limits>

namespace cubelink::imaging {

namespace {

std::string upper_case(std::string_view text) {
    std::string result(text);
    for (char& c : result) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    const auto begin = result.find_first_not_of(' ');
    if (begin == std::string::npos) return {};
    return result.substr(begin, result.find_last_not_of(' ') - begin + 1);
}

constexpr std::array polarization_names{"", "I", "Q", "U", "V", "RR", "LL", "RL", "LR", "XX", "YY", "XY", "YX"};

void check_lengths(const std::vector<std::int64_t>& lengths) {
    if (lengths.size() < 2 || lengths.size() > 4) throw ImageError("Image must be 2D, 3D or 4D.");
    for (std::size_t i = 0; i < lengths.size(); ++i) {
        const std::string name = "NAXIS" + std::to_string(i + 1);
        if (lengths[i] <= 0) throw ImageError(name + " is " + std::to_string(lengths[i]) + ": the image has no pixels");
        if (lengths[i] > std::numeric_limits<std::int32_t>::max())
            throw ImageError(name + " is " + std::to_string(lengths[i]) + ": axes longer than 2147483647 can't be shown");
    }
}

/// Assigns roles by position to axes whose type is unknown.
void fill_by_position(AxesNumbers& axes, const std::vector<std::int64_t>& lengths, const std::vector<bool>& known) {
    const int count = static_cast<int>(lengths.size());
    const auto free = [&](int axis) { return !known[static_cast<std::size_t>(axis - 1)] && axis != axes.spectral && axis != axes.stokes; };
    if (count == 3 && axes.spectral == 0 && axes.stokes == 0 && free(3)) axes.spectral = 3;
    if (count != 4) return;
    if (axes.spectral == 0 && axes.stokes == 0) {
        if (!free(3) || !free(4)) {
            if (free(3)) axes.spectral = 3;
            if (free(4)) axes.spectral = 4;
            return;
        }
        // More than four planes can't be stokes.
        const bool reversed = lengths[2] <= 4 && lengths[3] > 4;
        axes.spectral = reversed ? 4 : 3;
        axes.stokes = reversed ? 3 : 4;
    } else if (axes.spectral == 0 || axes.stokes == 0) {
        const int other = free(3) && !free(4) ? 3 : free(4) && !free(3) ? 4 : 0;
        if (other != 0) (axes.spectral == 0 ? axes.spectral : axes.stokes) = other;
    }
}

} // namespace

bool is_spectral_type(std::string_view ctype) {
    static constexpr std::array types{"FREQ", "VRAD", "VOPT", "VELO", "FELO", "ZOPT", "WAVE", "AWAV", "WAVN", "ENER", "BETA"};
    const std::string name = upper_case(ctype);
    return std::any_of(types.begin(), types.end(), [&](std::string_view type) { return name.starts_with(type); });
}

bool is_stokes_type(std::string_view ctype) { return upper_case(ctype) == "STOKES"; }

std::string axis_name(std::string_view ctype) {
    const std::string name = upper_case(ctype);
    return name.substr(0, name.find('-'));
}

std::string_view celestial_role(std::string_view ctype) {
    const std::string name = axis_name(ctype);
    if (name == "RA" || name.ends_with("LON") || (name.size() == 4 && name.ends_with("LN"))) return "lon";
    if (name == "DEC" || name.ends_with("LAT") || (name.size() == 4 && name.ends_with("LT"))) return "lat";
    return "";
}

int polarization_type(double fits_value) {
    if (!std::isfinite(fits_value) || std::fabs(fits_value) > 8.5) return 0;
    const int value = static_cast<int>(std::lround(fits_value));
    if (value >= 1 && value <= 4) return value;
    if (value <= -1 && value >= -8) return 4 - value;
    return 0;
}

std::string polarization_name(int type) { return type >= 1 && type <= 12 ? polarization_names[static_cast<std::size_t>(type)] : "?"; }

Axes identify_axes(const Header& header, const std::vector<std::int64_t>& lengths) {
    check_lengths(lengths);
    const int count = static_cast<int>(lengths.size());
    Axes axes;
    AxesNumbers& numbers = axes.numbers;
    int lon = 0, lat = 0;
    std::vector<bool> celestial;
    for (int axis = 1; axis <= count; ++axis) {
        const std::string type = header.text("CTYPE" + std::to_string(axis)).value_or("");
        const std::string_view role = celestial_role(type);
        if (is_stokes_type(type) && numbers.stokes == 0) numbers.stokes = axis;
        else if (is_spectral_type(type) && numbers.spectral == 0) numbers.spectral = axis;
        else if (role == "lon" && lon == 0) lon = axis;
        else if (role == "lat" && lat == 0) lat = axis;
        celestial.push_back(!role.empty());
        const std::string name = axis_name(type);
        axes.names.push_back(name.empty() ? "NA" : name);
    }
    // Of two axes both are needed to render a plane.
    if (count - (numbers.stokes != 0 ? 1 : 0) < 2) numbers.stokes = 0;
    fill_by_position(numbers, lengths, celestial);

    std::vector<int> rest;
    for (int axis = 1; axis <= count; ++axis) {
        if (axis != numbers.stokes) rest.push_back(axis);
    }
    axes.rendered_x = rest[0];
    axes.rendered_y = rest[1];
    numbers.depth = rest.size() > 2 ? rest[2] : 0;
    axes.swapped = numbers.spectral != 0 && (numbers.spectral == rest[0] || numbers.spectral == rest[1]);
    if (lon != 0 && lat != 0) {
        numbers.spatial_x = lon;
        numbers.spatial_y = lat;
    } else {
        numbers.spatial_x = rest[0] == numbers.spectral ? 0 : rest[0];
        numbers.spatial_y = rest[1] == numbers.spectral ? 0 : rest[1];
    }

    const auto length = [&](int axis) { return axis == 0 ? std::int64_t{1} : lengths[static_cast<std::size_t>(axis - 1)]; };
    axes.shape = {length(axes.rendered_x), length(axes.rendered_y), length(numbers.depth), length(numbers.stokes)};
    // Without a stokes axis the fourth one cannot be selected: it must have one plane only.
    if (rest.size() > 3 && length(rest[3]) > 1)
        throw ImageError("NAXIS4 is " + std::to_string(length(rest[3])) + ", but no axis is STOKES: four axes of this kind can't be shown");
    return axes;
}

} // namespace cubelink::imaging
