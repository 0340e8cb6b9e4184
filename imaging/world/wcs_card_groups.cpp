#include "imaging/world/units.hpp"
#include "imaging/world/wcs_cards_builder.hpp"
#include "imaging/world/wcslib_lock.hpp"

#include <algorithm>
#include <cmath>
#include <set>
#include <wcslib/wcsunits.h>

// Cards that depend on each other: checked together, passed on together or not at all.

namespace cubelink::imaging {

namespace {

/// The unit of a "-TAB" axis' values as they leave this library; nullopt if they stay in the header's.
std::optional<std::string> si_unit_of(const std::string& type) {
    static constexpr std::array units{
        std::pair{"FREQ", "Hz"}, std::pair{"ENER", "J"}, std::pair{"WAVN", "m-1"}, std::pair{"WAVE", "m"}, std::pair{"AWAV", "m"}, std::pair{"VRAD", "m/s"},
        std::pair{"VOPT", "m/s"}, std::pair{"VELO", "m/s"}, std::pair{"ZOPT", ""}, std::pair{"BETA", ""},
    };
    for (const auto& [name, unit] : units) {
        if (axis_name(type) == name) return unit;
    }
    return celestial_role(type).empty() ? std::nullopt : std::optional<std::string>("deg");
}

/// The factor that turns values in `unit` into values in `wanted`; nullopt if the units do not agree, or `unit` is not known.
std::optional<double> unit_factor(const std::string& unit, const std::string& wanted) {
    if (unit.empty() || unit == wanted) return 1.0;
    if (wanted.empty()) return std::nullopt;
    // wcslib's electron volt is an old one.
    const bool volts = wanted == "J" && unit.ends_with("eV");
    const std::lock_guard guard(wcslib_lock());
    double scale = 0, offset = 0, power = 0;
    if (wcsunits(unit.c_str(), volts ? "eV" : wanted.c_str(), &scale, &offset, &power) != 0 || offset != 0 || power != 1 || !(scale > 0) || !std::isfinite(scale))
        return std::nullopt;
    return volts ? scale * 1.602176634e-19 : scale;
}

} // namespace

/// The parameters of one "-TAB" axis; false if they are not complete.
bool WcsCards::Builder::check_table_axis(std::size_t axis) {
    const auto parameter = [&](std::size_t m, double fallback) {
        const std::string name = numbered("PV", axis, m);
        if (!require(axis, name)) return -1;
        const double value = number(name).value_or(fallback);
        return value == std::floor(value) && std::fabs(value) < 1e6 ? static_cast<int>(value) : -1;
    };
    for (std::size_t m = 0; m <= 2; ++m) require(axis, numbered("PS", axis, m));
    TableAxis found;
    found.axis = axis - 1;
    found.array.table = text(numbered("PS", axis, 0));
    found.array.column = text(numbered("PS", axis, 1));
    found.array.version = parameter(1, 1);
    found.array.level = parameter(2, 1);
    const int place = parameter(3, 1);
    const bool complete = types_[axis].size() == 8 && !found.array.table.empty() && !found.array.column.empty() && found.array.version >= 0 &&
                          found.array.level >= 0 && place >= 1 && place <= static_cast<int>(axis_limit);
    if (!complete) {
        reject(axis, "the parameters of " + types_[axis] + " (PSi_m, PVi_m) are not complete");
        return false;
    }
    found.coordinate = static_cast<std::size_t>(place - 1);
    const std::string unit_name = numbered("CUNIT", axis), unit = normalise_unit(text(unit_name));
    if (const auto si = si_unit_of(types_[axis])) {
        const auto factor = unit_factor(unit, *si);
        if (!factor) {
            reject(axis, unit_name + " is '" + unit + "', which is no unit of " + axis_name(types_[axis]));
            return false;
        }
        found.to_si = *factor;
        put_text(unit_name, *si);
    }
    out_.table_axes_.push_back(found);
    for (std::size_t m = 0; m <= 2; ++m) {
        const std::string name = numbered("PS", axis, m);
        if (!text(name).empty()) put(name);
    }
    put_number(numbered("PV", axis, 1), found.array.version);
    put_number(numbered("PV", axis, 2), found.array.level);
    put_number(numbered("PV", axis, 3), place);
    return true;
}

void WcsCards::Builder::check_tables() {
    for (std::size_t axis = 1; axis <= count_; ++axis) {
        if (ends_with_table(types_[axis])) check_table_axis(axis);
    }
    // The axes of one table are its coordinates 1 to M, each once: wcslib writes outside of its arrays where they are not.
    auto& all = out_.table_axes_;
    std::set<std::size_t> wrong;
    for (const TableAxis& one : all) {
        std::set<std::size_t> places;
        std::size_t sharing = 0;
        bool spoilt = false;
        for (const TableAxis& other : all) {
            if (!(other.array == one.array)) continue;
            ++sharing;
            places.insert(other.coordinate);
            spoilt = spoilt || !bad_[other.axis + 1].empty();
        }
        if (places.size() != sharing || *places.rbegin() != sharing - 1) reject(one.axis + 1, "PVi_3 does not number the axes of table '" + one.array.table + "'");
        else if (spoilt) reject(one.axis + 1, "another axis of table '" + one.array.table + "' cannot be used");
        if (!bad_[one.axis + 1].empty()) wrong.insert(one.axis);
    }
    std::erase_if(all, [&](const TableAxis& one) { return wrong.contains(one.axis); });
}

/// PVi_m of projections and of spectral algorithms.
void WcsCards::Builder::check_parameters() {
    for (std::size_t axis = 1; axis <= count_; ++axis) {
        const std::string& type = types_[axis];
        // Some surveys give their distortion twice, as SIP and as polynomials of SCAMP: with SIP the others do not count.
        const bool used = (is_sky(axis) && !type.ends_with("TAN-SIP")) || type.ends_with("-GRI") || type.ends_with("-GRA");
        if (!used || ends_with_table(type)) continue;
        const std::size_t last = type.ends_with("-TPV") ? 39 : is_sky(axis) ? 29 : 6;
        for (std::size_t m = 0; m <= last; ++m) {
            const std::string name = numbered("PV", axis, m);
            require(axis, name);
            put_if_good(name);
        }
    }
}

void WcsCards::Builder::check_sky() {
    for (const char* name : {"LONPOLE", "LATPOLE"}) {
        if (reading(name).state == State::unreadable) reject_sky(why(name));
        put_if_good(name);
    }
}

/// Simple Imaging Polynomials: both of a pair or none, terms within the order.
void WcsCards::Builder::check_distortion() {
    const auto check = [&](const std::string& a, const std::string& b, bool forward) {
        const std::string first = a + "_ORDER", second = b + "_ORDER";
        if (!has(first) && !has(second)) return;
        for (const auto& name : {first, second}) {
            if (forward && reading(name).state == State::unreadable) return reject_sky(why(name));
        }
        const auto within = [&](const std::string& name) { return good(name) && *number(name) >= 0 && *number(name) <= 9; };
        if (!within(first) || !within(second)) {
            if (forward) warn("the distortion is not complete (" + first + " and " + second + " must be from 0 to 9): it is ignored");
            return;
        }
        std::vector<std::string> names{first, second};
        for (const auto& [stem, order] : {std::pair{a, *number(first)}, std::pair{b, *number(second)}}) {
            for (std::size_t p = 0; p <= static_cast<std::size_t>(order); ++p) {
                for (std::size_t q = 0; p + q <= static_cast<std::size_t>(order); ++q) {
                    const std::string name = stem + "_" + std::to_string(p) + "_" + std::to_string(q);
                    if (good(name)) names.push_back(name);
                    else if (reading(name).state == State::unreadable && forward) return reject_sky(why(name));
                    else if (reading(name).state == State::unreadable) return; // an inverse that cannot be read is found by iteration
                }
            }
        }
        for (const auto& name : names) put(name);
    };
    check("A", "B", true);
    if (out_.values_.contains("A_ORDER")) check("AP", "BP", false);
}

/// The plate solution of the Digitized Sky Survey takes the place of the projection: only if all of it is there.
void WcsCards::Builder::check_plate() {
    static constexpr std::array needed{"PLTRAH", "PLTRAM", "PLTRAS", "PLTDECSN", "PLTDECD", "PLTDECM", "PLTDECS", "XPIXELSZ", "YPIXELSZ", "CNPIX1", "CNPIX2",
                                       "PPO3", "PPO6", "AMDX1", "AMDX2", "AMDX3", "AMDY1", "AMDY2", "AMDY3"};
    const bool tables = std::any_of(types_.begin(), types_.end(), [](const std::string& type) { return ends_with_table(type); });
    if (!has("PLTRAH") || out_.values_.contains("A_ORDER") || lengths_.size() != 2 || count_ != 2 || tables) return;
    bool readable = true;
    for (const char* stem : {"AMDX", "AMDY"}) {
        for (std::size_t term = 1; term <= 20; ++term) readable = readable && reading(numbered(stem, term)).state != State::unreadable;
    }
    const auto missing = std::find_if(needed.begin(), needed.end(), [&](const char* name) { return !good(name); });
    const auto in = [&](const char* name, double low, double high) { return number(name).value_or(-1) >= low && number(name).value_or(-1) <= high; };
    const bool sensible = readable && missing == needed.end() && number("XPIXELSZ").value_or(0) > 0 && number("YPIXELSZ").value_or(0) > 0 && in("PLTRAH", 0, 24) &&
                          in("PLTRAM", 0, 60) && in("PLTRAS", 0, 60) && in("PLTDECD", 0, 90) && in("PLTDECM", 0, 60) && in("PLTDECS", 0, 60);
    if (!sensible) {
        warn(std::string("the plate solution (PLTRAH and others) is not complete") + (missing == needed.end() ? "" : std::string(", ") + *missing + " is missing or cannot be read") +
             ": it is ignored");
        return;
    }
    out_.values_.clear();
    bad_ = {}; // the projection's own cards do not count
    for (const char* name : needed) put(name);
    for (const char* stem : {"AMDX", "AMDY"}) {
        for (std::size_t term = 4; term <= 20; ++term) {
            const std::string name = numbered(stem, term);
            if (good(name)) put(name);
            else if (term <= 13) put_number(name, 0);
        }
    }
    out_.any_ = true;
}

void WcsCards::Builder::check_spectral() {
    for (const char* name : {"RESTFRQ", "RESTWAV"}) {
        if (reading(name).state == State::unreadable) warn(why(name) + ": it is ignored");
        put_if_good(name);
    }
    put_if_good("SPECSYS");
    const int reference = static_cast<int>(number("VELREF").value_or(0)), frame = reference % 256;
    if (frame >= 1 && frame <= 7 && reference >= 0 && reference < 264) put("VELREF");
}

} // namespace cubelink::imaging
