#pragma once
/// Spectral reference frames: which velocity frequencies and velocities are measured against (SPECSYS). Pure functions, any thread.
///
/// As in FITS paper III (Greisen et al. 2006, A&A 446, 747) and CASA, only the component of a frame's velocity along the line of sight counts, and the
/// Doppler shift by it is relativistic: the transverse one, 0.2 km/s for the CMB, is left out by all of them.

#include "imaging/source/image_info.hpp"
#include "imaging/world/celestial.hpp"

#include <array>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace cubelink::imaging {

enum class SpectralFrame { topocentric, geocentric, barycentric, heliocentric, lsrk, lsrd, galactocentric, local_group, cmb };

inline constexpr std::array spectral_frames{SpectralFrame::topocentric, SpectralFrame::geocentric,     SpectralFrame::barycentric,
                                     SpectralFrame::heliocentric, SpectralFrame::lsrk,          SpectralFrame::lsrd,
                                     SpectralFrame::galactocentric, SpectralFrame::local_group, SpectralFrame::cmb};

/// SPECSYS's codes ("LSRK", "BARYCENT", "TOPOCENT" …), any case, longer spellings of them ("BARYCENTRIC") and CASA's ("BARY", "LGROUP", "CMB").
std::optional<SpectralFrame> spectral_frame_of(std::string_view name);
/// SPECSYS's code.
std::string_view name_of(SpectralFrame frame);

/// When and where, as far as a header says it.
struct Observation {
    std::optional<double> mjd;                          // UTC: MJD-AVG, DATE-AVG, MJD-OBS or DATE-OBS, the first there is
    bool has_time = false;                              // not a date alone
    std::optional<std::array<double, 3>> observatory;   // OBSGEO-X, -Y, -Z: ITRF, metres; within 100 km of the Earth's surface
};

Observation observation_of(std::span<const HeaderEntry> header);
/// "2019-03-02T05:10:00.5", "2019-03-02", "02/03/99": days, and whether there is a time; nullopt for anything else.
std::optional<std::pair<double, bool>> parse_fits_date(std::string_view text);

/// Why frequencies can't be brought to or from `frame`: a sentence for the user; empty if they can.
std::string why_not_convertible(SpectralFrame frame, const Observation& observation);

/// Of what is at rest in `frame`: m/s against the solar system's barycentre, positive towards `direction` (ICRS). NaN if it is not convertible.
double velocity_towards(SpectralFrame frame, SkyPoint direction, const Observation& observation);

/// What frequencies in `from` are to be multiplied by to be in `to`.
double frequency_factor(SpectralFrame from, SpectralFrame to, SkyPoint direction, const Observation& observation);

} // namespace cubelink::imaging
