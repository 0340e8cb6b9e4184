#include "imaging/world/spectral_frame.hpp"

#include <cctype>
#include <charconv>
#include <cmath>
#include <erfa.h>
#include <erfam.h>
#include <limits>
#include <utility>

namespace cubelink::imaging {

namespace {

constexpr double c = 299792458.0;
constexpr double nothing = std::numeric_limits<double>::quiet_NaN();
constexpr double au_per_day = ERFA_DAU / ERFA_DAYSEC; // m/s
/// TT - UTC in 2017 and since; a second more or less moves the Earth's velocity by 6 mm/s.
constexpr double tt_minus_utc = 69.184 / ERFA_DAYSEC;
constexpr double mjd_zero = ERFA_DJM0;

using Vector = std::array<double, 3>;

double along(const Vector& velocity, SkyPoint direction) {
    Vector n{};
    eraS2c(direction.lon * ERFA_DD2R, direction.lat * ERFA_DD2R, n.data());
    return velocity[0] * n[0] + velocity[1] * n[1] + velocity[2] * n[2];
}

/// A velocity of `speed` m/s towards an apex.
Vector towards(SkyPoint apex, const SkySystem& system, double speed) {
    const auto icrs = convert(apex, system, {SkyFrame::icrs});
    Vector result{};
    eraS2c(icrs.lon * ERFA_DD2R, icrs.lat * ERFA_DD2R, result.data());
    for (double& component : result) component *= speed;
    return result;
}

Vector sum(Vector a, const Vector& b) {
    for (std::size_t i = 0; i < 3; ++i) a[i] += b[i];
    return a;
}

/// Galactic components in m/s: towards the centre, l = 90°, and the north pole.
Vector galactic(double u, double v, double w) {
    constexpr SkySystem system{SkyFrame::galactic};
    return sum(sum(towards({0, 0}, system, u), towards({90, 0}, system, v)), towards({0, 90}, system, w));
}

/// The Sun's against the frame; constants as in Greisen et al. (2006), table 12.
Vector sun_against(SpectralFrame frame) {
    switch (frame) {
    // Gordon (1975): 20 km/s towards 18h, +30° (1900).
    case SpectralFrame::lsrk: return towards({270, 30}, {SkyFrame::fk4, 1900.0}, 20e3);
    // Delhaye (1965): 16.55 km/s towards l = 53.13°, b = 25.02°.
    case SpectralFrame::lsrd: return galactic(9e3, 12e3, 7e3);
    // Kerr and Lynden-Bell (1986): the local standard of rest rotates with 220 km/s.
    case SpectralFrame::galactocentric: return galactic(9e3, 12e3 + 220e3, 7e3);
    // Transactions of the IAU XVI B (1976), page 201: 300 km/s towards l = 90°, b = 0°.
    case SpectralFrame::local_group: return galactic(0, 300e3, 0);
    // Bennett et al. (2003): a dipole of 3.346 mK in 2.725 K, towards l = 263.85°, b = 48.25°.
    case SpectralFrame::cmb: return towards({263.85, 48.25}, {SkyFrame::galactic}, 3.346e-3 / 2.725 * c);
    default: return {0, 0, 0};
    }
}

/// m/s on the ICRS's axes: of the Sun or the Earth's centre against the barycentre.
struct SolarSystem {
    Vector sun{}, earth{};
};

SolarSystem solar_system(double mjd) {
    double heliocentric[2][3], barycentric[2][3];
    eraEpv00(mjd_zero, mjd + tt_minus_utc, heliocentric, barycentric);
    SolarSystem result;
    for (std::size_t i = 0; i < 3; ++i) {
        result.earth[i] = barycentric[1][i] * au_per_day;
        result.sun[i] = (barycentric[1][i] - heliocentric[1][i]) * au_per_day;
    }
    return result;
}

/// Of a place that turns with the Earth, against its centre. UTC serves as UT1: they differ by less than a second, 4 cm/s.
Vector rotation_velocity(const Vector& place, double mjd) {
    constexpr double turns_per_second = 1.00273781191135448 * ERFA_D2PI / ERFA_DAYSEC;
    const double angle = eraEra00(mjd_zero, mjd);
    const double x = place[0] * std::cos(angle) - place[1] * std::sin(angle);
    const double y = place[0] * std::sin(angle) + place[1] * std::cos(angle);
    double intermediate[3] = {-turns_per_second * y, turns_per_second * x, 0};
    double to_intermediate[3][3];
    eraC2i06a(mjd_zero, mjd + tt_minus_utc, to_intermediate);
    Vector result{};
    eraTrxp(to_intermediate, intermediate, result.data());
    return result;
}

double doppler(double velocity) { return std::sqrt((1 + velocity / c) / (1 - velocity / c)); }

std::optional<int> digits(std::string_view text) {
    int value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (text.empty() || error != std::errc() || end != text.data() + text.size() || !std::isdigit(static_cast<unsigned char>(text[0]))) return std::nullopt;
    return value;
}

std::optional<double> days(int year, int month, int day) {
    double zero = 0, mjd = 0;
    if (year < 1000 || year > 9999 || eraCal2jd(year, month, day, &zero, &mjd) != 0) return std::nullopt;
    return mjd;
}

constexpr std::array<std::pair<std::string_view, SpectralFrame>, 9> codes{{{"TOPOCENT", SpectralFrame::topocentric},
                                                                           {"GEOCENTR", SpectralFrame::geocentric},
                                                                           {"BARYCENT", SpectralFrame::barycentric},
                                                                           {"HELIOCEN", SpectralFrame::heliocentric},
                                                                           {"LSRK", SpectralFrame::lsrk},
                                                                           {"LSRD", SpectralFrame::lsrd},
                                                                           {"GALACTOC", SpectralFrame::galactocentric},
                                                                           {"LOCALGRP", SpectralFrame::local_group},
                                                                           {"CMBDIPOL", SpectralFrame::cmb}}};

} // namespace

std::optional<SpectralFrame> spectral_frame_of(std::string_view name) {
    while (!name.empty() && name.back() == ' ') name.remove_suffix(1);
    std::string upper;
    for (const char letter : name.substr(0, 8)) upper += static_cast<char>(std::toupper(static_cast<unsigned char>(letter)));
    for (const auto& [code, frame] : codes)
        if (upper == code) return frame;
    static constexpr std::array<std::pair<std::string_view, SpectralFrame>, 8> others{{{"TOPO", SpectralFrame::topocentric},
                                                                                       {"GEO", SpectralFrame::geocentric},
                                                                                       {"BARY", SpectralFrame::barycentric},
                                                                                       {"HELIO", SpectralFrame::heliocentric},
                                                                                       {"GALACTO", SpectralFrame::galactocentric},
                                                                                       {"LGROUP", SpectralFrame::local_group},
                                                                                       {"CMB", SpectralFrame::cmb},
                                                                                       {"GEOCENT", SpectralFrame::geocentric}}};
    for (const auto& [code, frame] : others)
        if (upper == code) return frame;
    return std::nullopt;
}

std::string_view name_of(SpectralFrame frame) {
    for (const auto& [code, known] : codes)
        if (known == frame) return code;
    return "";
}

std::optional<std::pair<double, bool>> parse_fits_date(std::string_view text) {
    while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
    if (text.size() == 8 && text[2] == '/' && text[5] == '/') { // before 1999
        const auto day = digits(text.substr(0, 2)), month = digits(text.substr(3, 2)), year = digits(text.substr(6, 2));
        if (!day || !month || !year) return std::nullopt;
        const auto mjd = days(1900 + *year, *month, *day);
        return mjd ? std::optional(std::pair(*mjd, false)) : std::nullopt;
    }
    if (text.size() < 10 || text[4] != '-' || text[7] != '-') return std::nullopt;
    const auto year = digits(text.substr(0, 4)), month = digits(text.substr(5, 2)), day = digits(text.substr(8, 2));
    if (!year || !month || !day) return std::nullopt;
    const auto mjd = days(*year, *month, *day);
    if (!mjd) return std::nullopt;
    if (text.size() == 10) return std::pair(*mjd, false);
    if (text.size() < 19 || text[10] != 'T' || text[13] != ':' || text[16] != ':') return std::nullopt;
    const auto hour = digits(text.substr(11, 2)), minute = digits(text.substr(14, 2)), second = digits(text.substr(17, 2));
    if (!hour || !minute || !second || *hour > 23 || *minute > 59 || *second > 60) return std::nullopt;
    double fraction = 0;
    if (text.size() > 19) {
        const auto [end, error] = std::from_chars(text.data() + 19, text.data() + text.size(), fraction, std::chars_format::fixed);
        if (text[19] != '.' || (text.size() > 20 && (error != std::errc() || end != text.data() + text.size()))) return std::nullopt;
    }
    return std::pair(*mjd + (*hour * 3600 + *minute * 60 + *second + fraction) / ERFA_DAYSEC, true);
}

Observation observation_of(std::span<const HeaderEntry> header) {
    const auto entry = [&](std::string_view name) -> const HeaderEntry* {
        for (const auto& one : header)
            if (one.name == name) return &one;
        return nullptr;
    };
    const auto number = [&](std::string_view name) -> std::optional<double> {
        const auto* found = entry(name);
        if (!found || found->type == EntryType::string || !std::isfinite(found->numeric_value)) return std::nullopt;
        return found->numeric_value;
    };
    Observation result;
    for (const auto& [day, date] : {std::pair("MJD-AVG", "DATE-AVG"), std::pair("MJD-OBS", "DATE-OBS")}) {
        if (result.mjd) break;
        // Of years that ERFA's theory of the Earth's motion is made for, and a little beyond.
        if (const auto mjd = number(day); mjd && *mjd > -20'000 && *mjd < 100'000) std::tie(result.mjd, result.has_time) = std::pair(mjd, *mjd != std::floor(*mjd));
        const auto* text = entry(date);
        if (!text || text->type != EntryType::string || (result.mjd && result.has_time)) continue;
        if (const auto parsed = parse_fits_date(text->value)) std::tie(result.mjd, result.has_time) = *parsed;
    }
    const auto x = number("OBSGEO-X"), y = number("OBSGEO-Y"), z = number("OBSGEO-Z");
    if (x && y && z) {
        const double radius = std::hypot(*x, *y, *z);
        if (radius > 6.25e6 && radius < 6.48e6) result.observatory = {*x, *y, *z};
    }
    return result;
}

std::string why_not_convertible(SpectralFrame frame, const Observation& observation) {
    if (frame == SpectralFrame::topocentric) {
        if (!observation.mjd || !observation.has_time) return "The header has no time of the observation (DATE-OBS or MJD-OBS with a time of day).";
        if (!observation.observatory) return "The header has no place of the observatory (OBSGEO-X, OBSGEO-Y, OBSGEO-Z).";
    } else if ((frame == SpectralFrame::geocentric || frame == SpectralFrame::heliocentric) && !observation.mjd) {
        return "The header has no date of the observation (DATE-OBS or MJD-OBS).";
    }
    return "";
}

double velocity_towards(SpectralFrame frame, SkyPoint direction, const Observation& observation) {
    if (!why_not_convertible(frame, observation).empty()) return nothing;
    switch (frame) {
    case SpectralFrame::heliocentric: return along(solar_system(*observation.mjd).sun, direction);
    case SpectralFrame::geocentric: return along(solar_system(*observation.mjd).earth, direction);
    case SpectralFrame::topocentric:
        return along(sum(solar_system(*observation.mjd).earth, rotation_velocity(*observation.observatory, *observation.mjd)), direction);
    // Those of stars and galaxies are given for the Sun, whose 13 m/s around the barycentre are less than their uncertainty.
    default: return -along(sun_against(frame), direction);
    }
}

double frequency_factor(SpectralFrame from, SpectralFrame to, SkyPoint direction, const Observation& observation) {
    if (from == to) return 1;
    return doppler(velocity_towards(to, direction, observation)) / doppler(velocity_towards(from, direction, observation));
}

} // namespace cubelink::imaging
