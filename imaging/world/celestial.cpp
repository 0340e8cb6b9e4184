#include "imaging/world/celestial.hpp"

#include <array>
#include <cctype>
#include <cmath>
#include <cstdio>
#include <erfa.h>
#include <erfam.h>
#include <limits>

namespace cubelink::imaging {

namespace {

constexpr double degree = ERFA_DD2R;

struct Matrix {
    double m[3][3];
};
struct Vector {
    double v[3];
};

Vector operator*(const Matrix& matrix, const Vector& vector) {
    Vector result{};
    eraRxp(const_cast<double(*)[3]>(matrix.m), const_cast<double*>(vector.v), result.v);
    return result;
}

Matrix operator*(const Matrix& a, const Matrix& b) {
    Matrix result{};
    eraRxr(const_cast<double(*)[3]>(a.m), const_cast<double(*)[3]>(b.m), result.m);
    return result;
}

Matrix identity() {
    Matrix result{};
    eraIr(result.m);
    return result;
}

Matrix transposed(const Matrix& matrix) {
    Matrix result{};
    eraTr(const_cast<double(*)[3]>(matrix.m), result.m);
    return result;
}

Vector direction(SkyPoint point) {
    Vector result{};
    eraS2c(point.lon * degree, point.lat * degree, result.v);
    return result;
}

SkyPoint point_of(const Vector& vector) {
    double lon = 0, lat = 0;
    eraC2s(const_cast<double*>(vector.v), &lon, &lat);
    lon = eraAnp(lon) / degree;
    return {lon >= 360 ? 0 : lon, lat / degree};
}

/// ICRS to FK5 J2000: the orientation of the Hipparcos frame (a rotation of some 20 mas).
const Matrix& fk5_of_icrs() {
    static const Matrix matrix = [] {
        Matrix rotation{};
        double spin[3];
        eraFk5hip(rotation.m, spin);
        return transposed(rotation);
    }();
    return matrix;
}

/// FK5 J2000 to galactic, from the pole of the 1958 definition carried to J2000.
const Matrix& galactic_of_fk5() {
    static const Matrix matrix = [] {
        Matrix rotation{};
        eraIr(rotation.m);
        eraRz(192.8594812065348 * degree, rotation.m);
        eraRy((90 - 27.12825118085622) * degree, rotation.m);
        eraRz((180 - 122.9319185680026) * degree, rotation.m);
        return rotation;
    }();
    return matrix;
}

/// FK5 J2000 to FK5 of another equinox (IAU 2006 precession).
Matrix fk5_precession(double equinox) {
    double jd0 = 0, jd1 = 0;
    eraEpj2jd(equinox, &jd0, &jd1);
    Matrix bias{}, precession{}, both{};
    eraBp06(jd0, jd1, bias.m, precession.m, both.m);
    return precession;
}

Matrix ecliptic_of_icrs(double equinox) {
    double jd0 = 0, jd1 = 0;
    eraEpj2jd(equinox, &jd0, &jd1);
    Matrix matrix{};
    eraEcm06(jd0, jd1, matrix.m);
    return matrix;
}

/// Newcomb's precession between two Besselian epochs (Kinoshita 1975, as in the Explanatory Supplement).
Matrix besselian_precession(double from, double to) {
    const double t0 = (from - 1850) / 100, t = (to - from) / 100;
    const double w = 2303.5548 + (1.39720 + 0.000059 * t0) * t0;
    const double zeta = (w + (0.30242 - 0.000269 * t0 + 0.017996 * t) * t) * t * ERFA_DAS2R;
    const double z = (w + (1.09478 + 0.000387 * t0 + 0.018324 * t) * t) * t * ERFA_DAS2R;
    const double theta = (2005.1125 + (-0.85294 - 0.000365 * t0) * t0 + (-0.42647 - 0.000365 * t0 - 0.041802 * t) * t) * t * ERFA_DAS2R;
    Matrix matrix{};
    eraIr(matrix.m);
    eraRz(-zeta, matrix.m);
    eraRy(theta, matrix.m);
    eraRz(-z, matrix.m);
    return matrix;
}

/// E-terms of aberration at a Besselian epoch (Explanatory Supplement to the Astronomical Almanac, 1992, 3.53): part of FK4 positions only.
Vector e_terms(double epoch) {
    double jd0 = 0, jd1 = 0;
    eraEpb2jd(epoch, &jd0, &jd1);
    const double t = (jd0 - 2433282.4235 + jd1) / 36525.0; // centuries since B1950
    const double eccentricity = 0.01673011 + (-0.00004193 - 0.000000126 * t) * t;
    const double perigee = (1015489.951 + (6190.67 + (1.65 + 0.012 * t) * t) * t) * ERFA_DAS2R;
    const double obliquity = eraObl80(jd0, jd1);
    const double k = 0.0056932 * degree;
    return {{eccentricity * k * std::sin(perigee), -eccentricity * k * std::cos(perigee) * std::cos(obliquity),
             -eccentricity * k * std::cos(perigee) * std::sin(obliquity)}};
}

Vector unit(const Vector& vector) {
    Vector result{};
    double length = 0;
    eraPn(const_cast<double*>(vector.v), &length, result.v);
    return result;
}

/// `a`: e_terms().
Vector without_e_terms(const Vector& p, const Vector& a) {
    const double dot = p.v[0] * a.v[0] + p.v[1] * a.v[1] + p.v[2] * a.v[2];
    Vector result{};
    for (int i = 0; i < 3; ++i) result.v[i] = p.v[i] - a.v[i] + dot * p.v[i];
    return unit(result);
}

Vector with_e_terms(const Vector& p, const Vector& a) {
    Vector q = p;
    for (int round = 0; round < 10; ++round) {
        const double dot = q.v[0] * a.v[0] + q.v[1] * a.v[1] + q.v[2] * a.v[2];
        Vector next{};
        for (int i = 0; i < 3; ++i) next.v[i] = (p.v[i] + a.v[i]) / (1 + dot);
        q = unit(next);
    }
    return q;
}

/// B1950 (without E-terms) to J2000, with the drift of the FK4 frame up to the epoch of observation (Murray 1989, eqs. 28 and 29).
Matrix j2000_of_b1950(double epoch) {
    static constexpr double base[3][3] = {{0.9999256794956877, -0.0111814832204662, -0.0048590038153592},
                                          {0.0111814832391717, 0.9999374848933135, -0.0000271625947142},
                                          {0.0048590037723143, -0.0000271702937440, 0.9999881946023742}};
    static constexpr double drift[3][3] = {{-0.0026455262, -1.1539918689, +2.1111346190},
                                           {+1.1540628161, -0.0129042997, +0.0236021478},
                                           {-2.1112979048, -0.0056024448, +0.0102587734}};
    const double t = (epoch - 1950) / 100;
    Matrix matrix{};
    for (int i = 0; i < 3; ++i) {
        for (int j = 0; j < 3; ++j) matrix.m[i][j] = base[i][j] + drift[i][j] * 1e-6 * t;
    }
    return matrix;
}

/// Julian epoch of a Besselian one.
double julian(double besselian) {
    double jd0 = 0, jd1 = 0;
    eraEpb2jd(besselian, &jd0, &jd1);
    return eraEpj(jd0, jd1);
}

/// To ICRS; of FK4 from positions without E-terms. `epoch`: Julian; when FK4 positions were observed, for the drift of their frame.
Matrix icrs_of(const SkySystem& from, double epoch) {
    switch (from.frame) {
    case SkyFrame::fk5: return transposed(fk5_of_icrs()) * transposed(fk5_precession(from.equinox));
    case SkyFrame::galactic: return transposed(fk5_of_icrs()) * transposed(galactic_of_fk5());
    case SkyFrame::ecliptic: return transposed(ecliptic_of_icrs(from.equinox));
    case SkyFrame::fk4: return transposed(fk5_of_icrs()) * (j2000_of_b1950(epoch) * besselian_precession(from.equinox, 1950));
    default: return identity();
    }
}

/// From ICRS; of FK4 without E-terms. Inverse rotations, and of the drift, which is no exact rotation, the transposed matrix.
Matrix of_icrs(const SkySystem& to, double epoch) {
    switch (to.frame) {
    case SkyFrame::fk5: return fk5_precession(to.equinox) * fk5_of_icrs();
    case SkyFrame::galactic: return galactic_of_fk5() * fk5_of_icrs();
    case SkyFrame::ecliptic: return ecliptic_of_icrs(to.equinox);
    case SkyFrame::fk4: return besselian_precession(1950, to.equinox) * (transposed(j2000_of_b1950(epoch)) * fk5_of_icrs());
    default: return identity();
    }
}

/// Between two systems that are known and differ.
Matrix between(const SkySystem& from, const SkySystem& to) {
    // Between two equinoxes of FK4 nothing but precession; the galactic frame is defined in FK4, and does not drift against it.
    if (from.frame == SkyFrame::fk4 && to.frame == SkyFrame::fk4) return besselian_precession(1950, to.equinox) * besselian_precession(from.equinox, 1950);
    const bool galactic = from.frame == SkyFrame::galactic || to.frame == SkyFrame::galactic;
    const double equinox = from.frame == SkyFrame::fk4 ? from.equinox : to.equinox;
    const double epoch = julian(galactic ? 1950 : equinox);
    return of_icrs(to, epoch) * icrs_of(from, epoch);
}

/// Whole units and sixtieths, rounded once at the end, so that 59.9996 becomes 60 only together with the minutes.
std::string sexagesimal(double value, int decimals, int digits) {
    double scale = 1;
    for (int i = 0; i < decimals; ++i) scale *= 10;
    const double ticks = std::round(value * 3600 * scale);
    const double whole = std::floor(ticks / (3600 * scale)), rest = ticks - whole * 3600 * scale;
    const double minutes = std::floor(rest / (60 * scale)), seconds = (rest - minutes * 60 * scale) / scale;
    std::array<char, 64> text{};
    std::snprintf(text.data(), text.size(), "%0*d:%02d:%0*.*f", digits, static_cast<int>(whole), static_cast<int>(minutes),
                  decimals > 0 ? decimals + 3 : 2, decimals, seconds);
    return text.data();
}

} // namespace

std::optional<SkySystem> sky_system_of(std::string_view name) {
    std::string upper;
    for (const char c : name) upper += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    if (upper == "ICRS") return SkySystem{SkyFrame::icrs, 2000};
    if (upper == "FK5" || upper == "J2000") return SkySystem{SkyFrame::fk5, 2000};
    if (upper == "FK4" || upper == "B1950") return SkySystem{SkyFrame::fk4, 1950};
    if (upper == "GALACTIC") return SkySystem{SkyFrame::galactic, 2000};
    if (upper == "ECLIPTIC") return SkySystem{SkyFrame::ecliptic, 2000};
    return std::nullopt;
}

std::string_view name_of(SkyFrame frame) {
    switch (frame) {
    case SkyFrame::icrs: return "ICRS";
    case SkyFrame::fk5: return "FK5";
    case SkyFrame::fk4: return "FK4";
    case SkyFrame::galactic: return "GALACTIC";
    case SkyFrame::ecliptic: return "ECLIPTIC";
    case SkyFrame::unknown: break;
    }
    return "";
}

void convert(std::span<SkyPoint> points, const SkySystem& from, const SkySystem& to) {
    constexpr double nothing = std::numeric_limits<double>::quiet_NaN();
    const bool same = from == to, known = from.frame != SkyFrame::unknown && to.frame != SkyFrame::unknown;
    const auto matrix = same || !known ? identity() : between(from, to);
    const auto terms_of = [](const SkySystem& system) { return system.frame == SkyFrame::fk4 ? std::optional(e_terms(system.equinox)) : std::nullopt; };
    const auto terms = same ? std::nullopt : terms_of(from), new_terms = same ? std::nullopt : terms_of(to);
    for (auto& point : points) {
        if (!std::isfinite(point.lon) || !std::isfinite(point.lat) || (!same && !known)) {
            point = {nothing, nothing};
            continue;
        }
        if (same) continue;
        auto p = direction(point);
        if (terms) p = without_e_terms(p, *terms);
        p = matrix * p;
        if (new_terms) p = with_e_terms(unit(p), *new_terms);
        point = point_of(p);
    }
}

SkyPoint convert(SkyPoint point, const SkySystem& from, const SkySystem& to) {
    convert(std::span(&point, 1), from, to);
    return point;
}

double separation(SkyPoint a, SkyPoint b) { return eraSeps(a.lon * degree, a.lat * degree, b.lon * degree, b.lat * degree) / degree; }

std::string format_hours(double degrees, int decimals) {
    if (!std::isfinite(degrees)) return "nan";
    double wrapped = std::fmod(degrees, 360.0);
    if (wrapped < 0) wrapped += 360;
    std::string text = sexagesimal(wrapped / 15, decimals, 2);
    if (text.starts_with("24:")) text.replace(0, 2, "00");
    return text;
}

std::string format_degrees(double degrees, int decimals) {
    if (!std::isfinite(degrees)) return "nan";
    if (std::fabs(degrees) > 1e6) return std::to_string(degrees);
    std::string text(1, std::signbit(degrees) ? '-' : '+');
    text += sexagesimal(std::fabs(degrees), decimals, 2);
    return text;
}

} // namespace cubelink::imaging
