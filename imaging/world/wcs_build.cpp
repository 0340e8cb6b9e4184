#include "imaging/world/wcs_build.hpp"

#include "imaging/world/axes.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <cstdlib>
#include <functional>
#include <mutex>
#include <wcslib/wcs.h>
#include <wcslib/wcsfix.h>
#include <wcslib/wcshdr.h>
#include <wcslib/wtbarr.h>

namespace cubelink::imaging {

namespace {

constexpr int axis_limit = 9;

// wcslib's scanners and the one-time set-up inside of it are not made for two threads at once.
std::mutex& wcslib_lock() {
    static std::mutex lock;
    return lock;
}

bool is_digits(std::string_view text) {
    return !text.empty() && std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isdigit(c); });
}

bool small_number(std::string_view digits, int limit) { return is_digits(digits) && digits.size() <= 3 && std::stoi(std::string(digits)) <= limit; }

/// Cards that wcslib is shown: what makes up the primary description, axes within bounds. Anything else (thousands of cards of history,
/// alternative descriptions, keywords that would make it allocate by a number in the file) stays out.
bool is_wanted(const std::string& keyword) {
    static constexpr std::array whole{"WCSAXES", "LONPOLE", "LATPOLE", "RADESYS", "RADECSYS", "EQUINOX", "EPOCH",   "RESTFRQ",  "RESTFREQ",
                                      "RESTWAV", "SPECSYS", "VELREF",  "DATE-OBS", "MJD-OBS", "VELOSYS", "SSYSOBS", "A_ORDER",  "B_ORDER",
                                      "AP_ORDER", "BP_ORDER"};
    static constexpr std::array by_axis{"CTYPE", "CRPIX", "CRVAL", "CDELT", "CUNIT", "CROTA"};
    static constexpr std::array plate{"PLTRAH", "PLTRAM", "PLTRAS", "PLTDECSN", "PLTDECD", "PLTDECM", "PLTDECS", "PLTSCALE", "XPIXELSZ", "YPIXELSZ"};
    static constexpr std::array plate_by_number{"CNPIX", "PPO", "AMDX", "AMDY"}; // of the Digitized Sky Survey
    static constexpr std::array by_two{"CD", "PC", "PV", "PS"};
    static constexpr std::array sip{"A_", "B_", "AP_", "BP_"};
    if (std::any_of(whole.begin(), whole.end(), [&](std::string_view name) { return keyword == name; })) return true;
    for (const std::string_view stem : by_axis) {
        if (keyword.starts_with(stem) && small_number(std::string_view(keyword).substr(stem.size()), axis_limit)) return true;
    }
    if (std::any_of(plate.begin(), plate.end(), [&](std::string_view name) { return keyword == name; })) return true;
    for (const std::string_view stem : plate_by_number) {
        if (keyword.starts_with(stem) && small_number(std::string_view(keyword).substr(stem.size()), 20)) return true;
    }
    const auto bar = keyword.find('_');
    if (bar != std::string::npos) {
        for (const std::string_view stem : by_two) {
            if (!keyword.starts_with(stem) || bar <= stem.size()) continue;
            const int second = stem == "PV" || stem == "PS" ? 99 : axis_limit;
            if (small_number(std::string_view(keyword).substr(stem.size(), bar - stem.size()), axis_limit) &&
                small_number(std::string_view(keyword).substr(bar + 1), second))
                return true;
        }
        for (const std::string_view stem : sip) {
            if (!keyword.starts_with(stem)) continue;
            const std::string_view rest = std::string_view(keyword).substr(stem.size());
            const auto second = rest.find('_');
            if (second != std::string_view::npos && small_number(rest.substr(0, second), 9) && small_number(rest.substr(second + 1), 9)) return true;
        }
    }
    // The older PC001002.
    if (keyword.size() == 8 && keyword.starts_with("PC00") && is_digits(std::string_view(keyword).substr(2))) return true;
    return false;
}

std::string record(std::string text) {
    text.resize(80, ' ');
    return text;
}

std::string blank_padded(const std::string& keyword) {
    std::string name = keyword;
    name.resize(8, ' ');
    return name + "= ";
}

/// wcslib knows a type by its exact name: people also write "freq", "WAVELENGTH", "ra---tan". What we take for such an axis it must, too, or
/// its values would be told in another unit than they have.
std::string type_for_wcslib(std::string type) {
    const bool spectral = is_spectral_type(type);
    if (!spectral && celestial_role(type).empty()) return type;
    for (char& c : type) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    const auto name = std::min(type.find('-'), type.size());
    if (spectral && name > 4) type.erase(4, name - 4);
    return type;
}

/// SCAMP wrote its polynomials of the plate as PVi_j before there was a projection for them, TPV: with the type TAN, which has none. What
/// tells them from others' parameters is that they begin with the identity.
bool polynomials_named_tan(const Header& header, std::size_t axes) {
    int found = 0;
    for (std::size_t axis = 1; axis <= axes; ++axis) {
        const std::string number = std::to_string(axis), type = header.text("CTYPE" + number).value_or("");
        if (celestial_role(type).empty()) continue;
        const auto linear = header.number("PV" + number + "_1");
        if (!type.ends_with("-TAN") || !linear || std::fabs(*linear - 1) > 0.5) return false;
        ++found;
    }
    return found == 2;
}

/// The cards for wcslib. `without`: axes whose type is left out, so that they are linear.
std::string records_for_wcslib(const Header& header, const std::vector<std::int64_t>& lengths, const std::vector<bool>& without) {
    std::string records = record("NAXIS   = " + std::to_string(lengths.size()));
    for (std::size_t i = 0; i < lengths.size(); ++i)
        records += record(blank_padded("NAXIS" + std::to_string(i + 1)) + std::to_string(lengths[i]));
    const bool as_tpv = polynomials_named_tan(header, lengths.size());
    int kept = 0;
    for (const Card& card : header.cards()) {
        if (card.kind == Card::Kind::commentary || card.kind == Card::Kind::empty || !is_wanted(card.keyword)) continue;
        if (header.find(card.keyword) != &card || ++kept > 2000) continue;
        if (card.keyword == "WCSAXES") {
            const auto axes = header.integer("WCSAXES");
            if (!axes || *axes < 1 || *axes > axis_limit) continue;
        }
        if (card.keyword.ends_with("_ORDER") && header.integer(card.keyword).value_or(99) > 9) continue;
        // Some surveys give their distortion twice, as SIP and as polynomials of SCAMP: with SIP the others do not count.
        if (card.keyword.starts_with("PV") && header.text("CTYPE" + card.keyword.substr(2, card.keyword.find('_') - 2)).value_or("").ends_with("TAN-SIP"))
            continue;
        if (card.keyword.starts_with("CTYPE")) {
            const auto axis = static_cast<std::size_t>(std::stoi(card.keyword.substr(5)));
            if (axis >= 1 && axis <= without.size() && without[axis - 1]) continue;
        }
        std::string value = card.value;
        if (card.kind == Card::Kind::string) {
            if (value.size() > 64 || value.find('\'') != std::string::npos) continue;
            if (card.keyword.starts_with("CTYPE")) value = type_for_wcslib(std::move(value));
            if (as_tpv && card.keyword.starts_with("CTYPE") && value.ends_with("-TAN")) value.replace(value.size() - 3, 3, "TPV");
            value.resize(std::max<std::size_t>(value.size(), 8), ' ');
            value = "'" + value + "'";
        } else if (card.kind == Card::Kind::number) {
            if (value.size() > 60) continue;
        } else {
            continue;
        }
        records += record(blank_padded(card.keyword) + value);
    }
    return records + record("END");
}

} // namespace

void WcsDeleter::operator()(wcsprm*) {
    wcsvfree(&count, &all);
}

WcsPointer WcsRecipe::parse() const {
    std::string text = records_;
    wcsprm* all = nullptr;
    int rejected = 0, count = 0;
    if (wcspih(text.data(), static_cast<int>(text.size() / 80), WCSHDR_all, 0, &rejected, &count, &all) != 0 || all == nullptr) return nullptr;
    for (int i = 0; i < count; ++i) {
        if (all[i].alt[0] == ' ' && all[i].naxis >= 1 && all[i].naxis <= axis_limit) return WcsPointer(&all[i], WcsDeleter{all, count});
    }
    wcsvfree(&count, &all);
    return nullptr;
}

namespace {

ArrayWish wish_of(const wtbarr_s& place) { return {place.extnam, place.extver, place.extlev, place.ttype, place.row}; }

} // namespace

void WcsRecipe::look_up(const wcsprm& wcs, const ArrayLookup& arrays) {
    found_.clear();
    for (int i = 0; arrays && i < wcs.nwtb && i < 64; ++i) {
        const ArrayWish wish = wish_of(wcs.wtb[i]);
        if (auto array = arrays(wish)) found_.push_back({wish, std::move(*array)});
    }
}

/// Hands the arrays to wcslib, which frees them. False if one is missing or has not the size that the header asks for.
bool WcsRecipe::fill_tables(wcsprm& wcs) const {
    // Coordinates first: they tell how long the indices must be.
    for (const int kind : {'c', 'i'}) {
        for (int i = 0; i < wcs.nwtb; ++i) {
            const wtbarr_s& place = wcs.wtb[i];
            if (place.kind != kind) continue;
            const ArrayWish wish = wish_of(place);
            const auto found = std::find_if(found_.begin(), found_.end(), [&](const Found& one) { return one.wish == wish; });
            if (found == found_.end()) return false;
            std::vector<int> lengths = found->array.lengths;
            if (kind == 'c') {
                // The axis of coordinates may be left out where there is one.
                if (lengths.size() == 1 && place.ndim == 2) lengths.insert(lengths.begin(), 1);
                if (static_cast<int>(lengths.size()) != place.ndim || lengths[0] != place.ndim - 1) return false;
                std::copy(lengths.begin() + 1, lengths.end(), place.dimlen);
            } else if (lengths.size() != 1 || lengths[0] != *place.dimlen) {
                return false;
            }
            const std::vector<double>& values = found->array.values;
            auto* copy = static_cast<double*>(std::calloc(values.size(), sizeof(double)));
            if (copy == nullptr) return false;
            std::copy(values.begin(), values.end(), copy);
            *place.arrayp = copy;
        }
    }
    return true;
}

WcsPointer WcsRecipe::make() const {
    const std::lock_guard guard(wcslib_lock());
    return finished(parse());
}

WcsPointer WcsRecipe::finished(WcsPointer wcs) const {
    if (!wcs || !fill_tables(*wcs)) return nullptr;
    std::vector<int> naxis = lengths_;
    naxis.resize(axis_limit);
    std::array<int, NWCSFIX> status{};
    // A fix that fails leaves things as they were; wcsset then decides. 7: "M/S" is no siemens, "H" no henry, "D" no debye.
    wcsfix(7, naxis.data(), wcs.get(), status.data());
    return wcsset(wcs.get()) == 0 ? std::move(wcs) : nullptr;
}

std::optional<WcsRecipe::WithFirst> WcsRecipe::of(const Header& header, const std::vector<std::int64_t>& lengths, const ArrayLookup& arrays) {
    if (lengths.empty() || lengths.size() > axis_limit) return std::nullopt;
    std::vector<std::string> types;
    for (std::size_t axis = 0; axis < lengths.size(); ++axis) types.push_back(header.text("CTYPE" + std::to_string(axis + 1)).value_or(""));
    const bool typed = std::any_of(types.begin(), types.end(), [](const std::string& type) { return !type.empty(); });
    const auto has = [&](const char* name) { return header.find(name) != nullptr; };
    if (!typed && !has("CRVAL1") && !has("CDELT1") && !has("CD1_1") && !has("PC1_1") && !has("PLTRAH")) return std::nullopt;

    // One bad axis must not cost the others: axes lose their type until wcslib takes what is left. Types that it would have to know are
    // then without values; others are linear anyway.
    const auto tabular = [](const std::string& type) { return type.ends_with("-TAB"); };
    const auto celestial = [](const std::string& type) { return !celestial_role(type).empty(); };
    const std::vector<std::function<bool(const std::string&)>> ways{
        [](const std::string&) { return false; },
        tabular,
        [&](const std::string& type) { return !celestial(type); },
        [&](const std::string& type) { return celestial(type) || tabular(type); },
        [](const std::string&) { return true; },
    };
    std::string last;
    for (const auto& way : ways) {
        WcsRecipe recipe;
        std::vector<bool> without;
        for (const std::string& type : types) {
            without.push_back(way(type));
            const bool exactly_spectral = is_spectral_type(type) && type_for_wcslib(type) == type;
            recipe.left_out_.push_back(without.back() && (celestial(type) || tabular(type) || exactly_spectral));
        }
        recipe.records_ = records_for_wcslib(header, lengths, without);
        if (recipe.records_ == last) continue;
        last = recipe.records_;
        recipe.lengths_.assign(lengths.begin(), lengths.end());
        const std::lock_guard guard(wcslib_lock());
        WcsPointer wcs = recipe.parse();
        if (wcs) recipe.look_up(*wcs, arrays);
        if (wcs = recipe.finished(std::move(wcs)); wcs) return WithFirst{std::move(recipe), std::move(wcs)};
    }
    return std::nullopt;
}

} // namespace cubelink::imaging
