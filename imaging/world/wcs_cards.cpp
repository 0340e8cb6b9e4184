#include "imaging/world/wcs_cards.hpp"

#include "imaging/world/wcs_cards_builder.hpp"
#include "imaging/world/wcs_vocabulary.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <cstdio>
#include <set>
#include <stdexcept>

namespace cubelink::imaging {

namespace {

constexpr std::size_t text_limit = 66; // what a card holds between its quotes; wcslib has room for 71

std::string record(std::string text) {
    text.resize(80, ' ');
    return text;
}

std::string record_of(std::string keyword, const std::string& value) {
    keyword.resize(8, ' ');
    return record(keyword + "= " + value);
}


/// wcslib knows a type by its exact name: people also write "freq", "WAVELENGTH", "ra---tan". An axis that the rest of this library takes
/// for such a type must be one for wcslib too, or its values would be given in another unit than they have.
std::string type_for_wcslib(std::string type) {
    const bool spectral = is_spectral_type(type);
    if (!spectral && celestial_role(type).empty()) return type;
    for (char& c : type) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    const auto name = std::min(type.find('-'), type.size());
    if (spectral && name > 4) type.erase(4, name - 4);
    return type;
}

} // namespace

std::string wcs_number_text(double value) {
    std::array<char, 40> buffer{};
    std::snprintf(buffer.data(), buffer.size(), "%.17G", value);
    return buffer.data();
}

bool is_wcslib_spectral_type(const std::string& ctype) { return is_spectral_type(ctype) && type_for_wcslib(ctype) == ctype; }

void WcsCards::Builder::collect(const Header& header) {
    std::set<std::string> twice;
    for (const Card& card : header.cards()) {
        if (card.kind == Card::Kind::commentary) continue;
        const auto keyword = find_wcs_keyword(card.keyword);
        if (!keyword) continue;
        Reading found{State::unreadable, card.keyword, card.value.substr(0, 40), {}, keyword->old_form};
        const auto value = card.kind == Card::Kind::number ? parse_fits_number(card.value) : std::nullopt;
        if (card.kind == Card::Kind::empty) {
            found.state = State::undefined;
        } else if (keyword->type == WcsValueType::text) {
            const bool fits = card.kind == Card::Kind::string && card.value.size() <= text_limit && card.value.find('\'') == std::string::npos;
            if (fits) {
                found.state = State::good;
                found.value = {card.value, 0, true};
            }
        } else if (value && (keyword->type == WcsValueType::real || (*value == std::floor(*value) && std::fabs(*value) < 1e9))) {
            found.state = State::good;
            found.value = {wcs_number_text(*value), *value, false};
        }
        const auto [place, first] = readings_.try_emplace(keyword->name, found);
        if (first) continue;
        if (found.old_form != place->second.old_form) {
            if (!found.old_form) place->second = found;
            continue;
        }
        // wcslib, and astropy with it, take the last of several; the user learns of it if they differ.
        const Value &before = place->second.value, &now = found.value;
        if (place->second.state != found.state || before.text != now.text) {
            if (twice.insert(card.keyword).second) warn(card.keyword + " is given more than once, with different values: the last one counts");
        }
        place->second = found;
    }
}

void WcsCards::Builder::count_axes() {
    count_ = lengths_.size();
    if (const auto declared = number("WCSAXES"); declared && *declared >= 1 && *declared <= static_cast<double>(axis_limit)) {
        put("WCSAXES");
        count_ = std::max(count_, static_cast<std::size_t>(*declared));
    }
    for (std::size_t axis = count_ + 1; axis <= axis_limit; ++axis) {
        for (const char* stem : {"CTYPE", "CRPIX", "CRVAL", "CDELT"}) {
            if (has(numbered(stem, axis))) count_ = axis;
        }
    }
}

void WcsCards::Builder::find_types() {
    for (std::size_t axis = 1; axis <= count_; ++axis) {
        const std::string name = numbered("CTYPE", axis);
        if (reading(name).state == State::unreadable) reject(axis, why(name));
        out_.types_[axis - 1] = text(name);
        types_[axis] = type_for_wcslib(text(name));
        if (!types_[axis].empty()) out_.any_ = true;
    }
    // SCAMP wrote its polynomials of the plate as PVi_j before there was a projection for them, TPV: with the type TAN, which has none. What
    // distinguishes them from other parameters is that they begin with the identity.
    int found = 0;
    for (std::size_t axis = 1; axis <= count_; ++axis) {
        if (!is_sky(axis)) continue;
        const auto linear = number(numbered("PV", axis, 1));
        found += types_[axis].ends_with("-TAN") && linear && std::fabs(*linear - 1) <= 0.5 ? 1 : 100;
    }
    for (std::size_t axis = 1; axis <= count_; ++axis) {
        if (found == 2 && is_sky(axis)) types_[axis].replace(types_[axis].size() - 3, 3, "TPV");
        if (!types_[axis].empty()) put_text(numbered("CTYPE", axis), types_[axis]);
    }
}

/// The step of an axis, and the case that there is none: wcslib takes no row of zeros.
void WcsCards::Builder::check_step(std::size_t axis, bool cd, bool pc) {
    const std::string step_name = numbered("CDELT", axis), diagonal = numbered(cd ? "CD" : "PC", axis, axis);
    bool row = false, readable = true;
    for (std::size_t pixel = 1; pixel <= count_; ++pixel) {
        const std::string name = numbered(cd ? "CD" : "PC", axis, pixel);
        matrix_[axis][pixel] = pixel == axis && !cd ? 1 : 0;
        if ((!cd && !pc) || !has(name)) continue;
        row = true;
        readable = require(axis, name) && readable;
        if (good(name)) matrix_[axis][pixel] = *number(name);
    }
    const bool by_step = !cd || !row; // an axis without CDi_j keeps the step of its CDELT beside the others' CD
    double step = 1;
    if (by_step) {
        readable = require(axis, step_name) && readable;
        step = number(step_name).value_or(1);
        if (cd) matrix_[axis][axis] = step;
    }
    const auto& values = matrix_[axis];
    const bool empty = step == 0 || std::all_of(values.begin(), values.end(), [](double value) { return value == 0; });
    if (!readable || !empty) return;
    // One pixel needs no step: it is at CRVAL.
    bool alone = length(axis) == 1 && !is_sky(axis);
    for (std::size_t other = 1; other <= count_; ++other) {
        const auto zero = [&](std::size_t i, std::size_t j) { return number(numbered(cd ? "CD" : "PC", i, j)).value_or(0) == 0; };
        if (other != axis) alone = alone && zero(axis, other) && zero(other, axis);
    }
    if (!alone) {
        reject(axis, step == 0 ? step_name + " is 0" : "all " + numbered(cd ? "CD" : "PC", axis) + "_j are 0");
        return;
    }
    matrix_[axis].fill(0);
    matrix_[axis][axis] = 1;
    put_number(numbered("CRPIX", axis), 1);
    put_number(cd ? diagonal : step_name, 1);
}

/// By elimination with pivots; the rows of axes that are rejected already are those of the unit matrix.
bool WcsCards::Builder::is_singular() const {
    auto rows = matrix_;
    for (std::size_t i = 1; i <= count_; ++i) {
        if (bad_[i].empty()) {
            double largest = 0;
            for (const double value : rows[i]) largest = std::max(largest, std::fabs(value));
            if (!(largest > 0)) return true;
            for (double& value : rows[i]) value /= largest;
        } else {
            rows[i].fill(0);
            rows[i][i] = 1;
        }
    }
    for (std::size_t column = 1; column <= count_; ++column) {
        std::size_t best = column;
        for (std::size_t i = column; i <= count_; ++i) best = std::fabs(rows[i][column]) > std::fabs(rows[best][column]) ? i : best;
        if (!(std::fabs(rows[best][column]) > 1e-14)) return true;
        std::swap(rows[best], rows[column]);
        for (std::size_t i = column + 1; i <= count_; ++i) {
            const double factor = rows[i][column] / rows[column][column];
            for (std::size_t j = column; j <= count_; ++j) rows[i][j] -= factor * rows[column][j];
        }
    }
    return false;
}

void WcsCards::Builder::check_linear() {
    bool cd = false, pc = false;
    for (std::size_t i = 1; i <= count_; ++i) {
        for (std::size_t j = 1; j <= count_; ++j) {
            cd = cd || has(numbered("CD", i, j));
            pc = pc || has(numbered("PC", i, j));
        }
    }
    cd = cd && !pc; // the order of precedence is wcslib's
    for (std::size_t axis = 1; axis <= count_; ++axis) {
        for (const char* stem : {"CRVAL", "CRPIX", "CUNIT"}) {
            const std::string name = numbered(stem, axis);
            out_.any_ = out_.any_ || (has(name) && stem == std::string_view("CRVAL"));
            if (stem == std::string_view("CUNIT") && reading(name).state == State::unreadable) reject(axis, why(name));
            if (stem == std::string_view("CRVAL")) require(axis, name);
            put_if_good(name);
        }
        out_.any_ = out_.any_ || has(numbered("CDELT", axis));
        check_step(axis, cd, pc);
    }
    out_.any_ = out_.any_ || cd || pc;
    // A reference pixel that is not known shifts all axes that depend on that pixel axis.
    for (std::size_t pixel = 1; pixel <= count_; ++pixel) {
        const std::string name = numbered("CRPIX", pixel);
        if (!has(name) || good(name)) continue;
        for (std::size_t axis = 1; axis <= count_; ++axis) {
            if (matrix_[axis][pixel] != 0 || axis == pixel) require(axis, name);
        }
    }
    if (is_singular()) {
        for (std::size_t axis = 1; axis <= count_; ++axis) {
            const auto& row = matrix_[axis];
            const auto others = std::count_if(row.begin(), row.end(), [](double value) { return value != 0; });
            if (others > 1 || row[axis] == 0) reject(axis, std::string("the matrix ") + (cd ? "CDi_j" : "PCi_j") + " is singular");
        }
    }
    for (std::size_t axis = 1; axis <= count_; ++axis) {
        const bool done = out_.values_.contains(cd ? numbered("CD", axis, axis) : numbered("CDELT", axis));
        for (std::size_t pixel = 1; pixel <= count_; ++pixel) {
            const std::string name = numbered(cd ? "CD" : "PC", axis, pixel);
            const bool shown = cd ? matrix_[axis][pixel] != 0 : pc && matrix_[axis][pixel] != (axis == pixel ? 1 : 0);
            if (shown && !done) put_number(name, matrix_[axis][pixel]);
        }
        if (cd) continue;
        if (!done) put_if_good(numbered("CDELT", axis));
        const std::string turn = numbered("CROTA", axis);
        if (pc || !has(turn)) continue;
        if (celestial_role(types_[axis]) == "lat") require(axis, turn);
        put_if_good(turn);
    }
}

/// One celestial axis is nothing without the other.
void WcsCards::Builder::spread_over_pairs() {
    std::string reason;
    for (std::size_t axis = 1; axis <= count_; ++axis) {
        if (is_sky(axis) && reason.empty()) reason = bad_[axis];
    }
    if (!reason.empty()) reject_sky(reason);
}

void WcsCards::Builder::report() {
    std::map<std::string, std::vector<std::size_t>> axes_of;
    std::vector<std::string> order;
    for (std::size_t axis = 1; axis <= axis_limit; ++axis) {
        const std::string& reason = bad_[axis];
        out_.unusable_[axis - 1] = !reason.empty();
        if (reason.empty()) continue;
        for (const char* stem : {"CTYPE", "CUNIT", "CRPIX", "CRVAL", "CDELT", "CROTA"}) out_.values_.erase(numbered(stem, axis));
        for (std::size_t other = 1; other <= axis_limit; ++other) {
            out_.values_.erase(numbered("CD", axis, other));
            out_.values_.erase(numbered("PC", axis, other));
        }
        for (std::size_t m = 0; m <= 39; ++m) out_.values_.erase(numbered("PV", axis, m));
        for (std::size_t m = 0; m <= 2; ++m) out_.values_.erase(numbered("PS", axis, m));
        if (axis > lengths_.size()) continue;
        if (axes_of[reason].empty()) order.push_back(reason);
        axes_of[reason].push_back(axis);
    }
    // In a description by CD an axis without any has the step 1.
    const bool cd = std::any_of(out_.values_.begin(), out_.values_.end(), [](const auto& one) { return one.first.starts_with("CD") && one.first.find('_') != std::string::npos; });
    for (std::size_t axis = 1; cd && axis <= count_; ++axis) {
        if (!bad_[axis].empty()) put_number(numbered("CD", axis, axis), 1);
    }
    for (const auto& reason : order) {
        const auto& axes = axes_of[reason];
        std::string list = axes.size() == 1 ? "axis " : "axes ";
        for (std::size_t i = 0; i < axes.size(); ++i) list += (i == 0 ? "" : i + 1 == axes.size() ? " and " : ", ") + std::to_string(axes[i]);
        warn(reason + ": " + list + (axes.size() == 1 ? " has" : " have") + " no world coordinates");
    }
    const auto first = out_.unusable_.begin();
    if (std::all_of(first, first + static_cast<std::ptrdiff_t>(lengths_.size()), [](bool bad) { return bad; })) out_.any_ = false;
}

WcsCards::WcsCards(const Header& header, const std::vector<std::int64_t>& lengths) : lengths_(lengths), unusable_(axis_limit, false), types_(axis_limit) {
    if (lengths.empty() || lengths.size() > axis_limit) throw std::out_of_range("world coordinates are described for 1 to 9 axes");
    Builder(*this, header).build();
}

std::string WcsCards::records(const std::vector<bool>& untyped) const {
    std::string all = record_of("NAXIS", std::to_string(lengths_.size()));
    for (std::size_t i = 0; i < lengths_.size(); ++i) all += record_of(numbered("NAXIS", i + 1), std::to_string(lengths_[i]));
    const auto declared = values_.find("WCSAXES"); // comes before what it counts
    if (declared != values_.end()) all += record_of("WCSAXES", declared->second.text);
    for (const auto& [name, value] : values_) {
        if (name == "WCSAXES") continue;
        if (name.starts_with("CTYPE")) {
            const auto axis = static_cast<std::size_t>(name.back() - '1');
            if (untyped.at(axis)) continue;
        }
        std::string text = value.text;
        if (value.is_text) {
            text.resize(std::max<std::size_t>(text.size(), 8), ' ');
            text = "'" + text + "'";
        }
        all += record_of(name, text);
    }
    return all + record("END");
}

} // namespace cubelink::imaging
