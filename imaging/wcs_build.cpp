#include "imaging/wcs_build.hpp"

#include "imaging/axes.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <mutex>
#include <wcslib/wcs.h>
#include <wcslib/wcsfix.h>
#include <wcslib/wcshdr.h>

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

/// The cards for wcslib. `without`: axes whose type is left out, so that they are linear.
std::string records_for_wcslib(const Header& header, const std::vector<std::int64_t>& lengths, const std::vector<bool>& without) {
    std::string records = record("NAXIS   = " + std::to_string(lengths.size()));
    for (std::size_t i = 0; i < lengths.size(); ++i)
        records += record(blank_padded("NAXIS" + std::to_string(i + 1)) + std::to_string(lengths[i]));
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

WcsPointer try_build(const std::string& records, const std::vector<std::int64_t>& lengths) {
    std::string text = records;
    wcsprm* found = nullptr;
    int rejected = 0, count = 0;
    const std::lock_guard guard(wcslib_lock());
    if (wcspih(text.data(), static_cast<int>(text.size() / 80), WCSHDR_all, 0, &rejected, &count, &found) != 0 || found == nullptr) return nullptr;
    WcsPointer result;
    for (int i = 0; i < count && !result; ++i) {
        if (found[i].alt[0] != ' ' || found[i].naxis < 1 || found[i].naxis > axis_limit) continue;
        auto* copy = new wcsprm{};
        copy->flag = -1;
        if (wcssub(1, &found[i], nullptr, nullptr, copy) == 0) result.reset(copy);
        else delete copy;
    }
    wcsvfree(&count, &found);
    if (!result) return nullptr;
    std::array<int, axis_limit> naxis{};
    for (std::size_t i = 0; i < lengths.size() && i < naxis.size(); ++i) naxis[i] = static_cast<int>(lengths[i]);
    std::array<int, NWCSFIX> status{};
    // A fix that fails leaves things as they were; wcsset then decides.
    wcsfix(0, naxis.data(), result.get(), status.data());
    if (wcsset(result.get()) != 0) return nullptr;
    return result;
}

} // namespace

void WcsDeleter::operator()(wcsprm* wcs) const {
    if (wcs == nullptr) return;
    wcsfree(wcs);
    delete wcs;
}

WcsPointer build_wcs(const Header& header, const std::vector<std::int64_t>& lengths) {
    if (lengths.empty() || lengths.size() > axis_limit) return nullptr;
    std::vector<bool> without(lengths.size(), false);
    const auto type = [&](std::size_t axis) { return header.text("CTYPE" + std::to_string(axis + 1)).value_or(""); };
    bool described = header.find("CRVAL1") || header.find("CDELT1") || header.find("CD1_1") || header.find("PC1_1");
    for (std::size_t axis = 0; axis < lengths.size(); ++axis) described = described || !type(axis).empty();
    if (!described) return nullptr;
    if (auto wcs = try_build(records_for_wcslib(header, lengths, without), lengths)) return wcs;
    // One bad axis must not cost the others: first the spectral and unknown ones lose their type, then the celestial ones.
    for (std::size_t axis = 0; axis < lengths.size(); ++axis) without[axis] = celestial_role(type(axis)).empty();
    if (auto wcs = try_build(records_for_wcslib(header, lengths, without), lengths)) return wcs;
    for (std::size_t axis = 0; axis < lengths.size(); ++axis) without[axis] = !celestial_role(type(axis)).empty();
    return try_build(records_for_wcslib(header, lengths, without), lengths);
}

WcsPointer copy_wcs(const wcsprm& wcs) {
    const std::lock_guard guard(wcslib_lock());
    auto* copy = new wcsprm{};
    copy->flag = -1;
    if (wcssub(1, &wcs, nullptr, nullptr, copy) != 0) {
        delete copy;
        return nullptr;
    }
    WcsPointer result(copy);
    return wcsset(copy) == 0 ? std::move(result) : nullptr;
}

} // namespace cubelink::imaging
