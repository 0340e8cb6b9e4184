#include "imaging/world/wcs_build.hpp"

#include "imaging/world/axes.hpp"
#include "imaging/world/wcs_cards.hpp"
#include "imaging/world/wcslib_lock.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <functional>
#include <mutex>
#include <numeric>
#include <wcslib/tab.h>
#include <wcslib/wcs.h>
#include <wcslib/wcsfix.h>
#include <wcslib/wcshdr.h>
#include <wcslib/wtbarr.h>

namespace cubelink::imaging {

namespace {

constexpr int axis_limit = static_cast<int>(WcsCards::axis_limit);

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

ArrayRequest request_of(const wtbarr_s& place) { return {place.extnam, place.extver, place.extlev, place.ttype, place.row}; }

} // namespace

/// Finds the arrays, and converts coordinates to the units that the cards state.
void WcsRecipe::look_up(const wcsprm& wcs, const WcsCards& cards, const ArrayLookup& arrays) {
    found_.clear();
    for (int i = 0; arrays && i < wcs.nwtb && i < 64; ++i) {
        const ArrayRequest request = request_of(wcs.wtb[i]);
        auto array = arrays(request);
        if (!array) continue;
        if (wcs.wtb[i].kind == 'c') {
            const std::size_t width = array->lengths.size() == 1 ? 1 : static_cast<std::size_t>(array->lengths.empty() ? 0 : array->lengths.front());
            for (const TableAxis& axis : cards.table_axes()) {
                if (!(axis.array == request) || axis.coordinate >= width || axis.to_si == 1) continue;
                for (std::size_t at = axis.coordinate; at < array->values.size(); at += width) array->values[at] *= axis.to_si;
            }
        }
        found_.push_back({request, std::move(*array)});
    }
}

/// Hands the arrays to wcslib, which frees them: all of them or, if one is missing or has not the size that the header asks for, none (then
/// false).
bool WcsRecipe::fill_tables(wcsprm& wcs) const {
    std::vector<std::pair<double**, const std::vector<double>*>> places;
    // Coordinates first: they determine how long the indices must be.
    for (const int kind : {'c', 'i'}) {
        for (int i = 0; i < wcs.nwtb; ++i) {
            const wtbarr_s& place = wcs.wtb[i];
            if (place.kind != kind) continue;
            const ArrayRequest request = request_of(place);
            const auto found = std::find_if(found_.begin(), found_.end(), [&](const Found& one) { return one.request == request; });
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
            const auto size = std::accumulate(lengths.begin(), lengths.end(), std::size_t{1}, [](std::size_t all, int one) { return all * static_cast<std::size_t>(one); });
            if (size != found->array.values.size()) return false;
            places.emplace_back(place.arrayp, &found->array.values);
        }
    }
    std::vector<double*> copies;
    for (const auto& [place, values] : places) {
        copies.push_back(static_cast<double*>(std::calloc(values->size(), sizeof(double))));
        if (copies.back() == nullptr) {
            for (double* copy : copies) std::free(copy);
            return false;
        }
        std::copy(values->begin(), values->end(), copies.back());
    }
    for (std::size_t i = 0; i < places.size(); ++i) *places[i].first = copies[i];
    // Otherwise wcslib would own them only once it is set, which may fail.
    for (int i = 0; i < wcs.ntab; ++i) tabmem(&wcs.tab[i]);
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
    // A fix that fails changes nothing; wcsset then decides. 7: do not read "S" as siemens, "H" as henry, "D" as debye.
    wcsfix(7, naxis.data(), wcs.get(), status.data());
    return wcsset(wcs.get()) == 0 ? std::move(wcs) : nullptr;
}

std::optional<WcsRecipe::WithFirst> WcsRecipe::of(const Header& header, const std::vector<std::int64_t>& lengths, const ArrayLookup& arrays,
                                                  std::vector<std::string>& warnings) {
    if (lengths.empty() || lengths.size() > WcsCards::axis_limit) return std::nullopt;
    const WcsCards cards(header, lengths);
    warnings.insert(warnings.end(), cards.warnings().begin(), cards.warnings().end());
    if (!cards.any()) return std::nullopt;
    const std::vector<std::string>& types = cards.types();

    // Axes lose their type until wcslib accepts the rest, so that one bad axis does not affect the others. Axes of a type that wcslib
    // knows are then without values; others are linear anyway.
    const auto tabular = [](const std::string& type) { return type.ends_with("-TAB"); };
    const auto celestial = [](const std::string& type) { return !celestial_role(type).empty(); };
    const std::vector<std::function<bool(const std::string&)>> ways{
        [](const std::string&) { return false; },
        tabular,
        [&](const std::string& type) { return !celestial(type) || tabular(type); },
        [&](const std::string& type) { return celestial(type) || tabular(type); },
        [](const std::string&) { return true; },
    };
    std::string last;
    for (const auto& way : ways) {
        WcsRecipe recipe;
        std::vector<bool> untyped;
        for (std::size_t axis = 0; axis < types.size(); ++axis) {
            const std::string& type = types[axis];
            untyped.push_back(way(type));
            const bool known = celestial(type) || tabular(type) || is_wcslib_spectral_type(type);
            recipe.left_out_.push_back(cards.unusable()[axis] || (untyped.back() && known));
        }
        recipe.records_ = cards.records(untyped);
        if (recipe.records_ == last) continue;
        last = recipe.records_;
        recipe.lengths_.assign(lengths.begin(), lengths.end());
        const std::lock_guard guard(wcslib_lock());
        WcsPointer wcs = recipe.parse();
        if (wcs) recipe.look_up(*wcs, cards, arrays);
        wcs = recipe.finished(std::move(wcs));
        if (!wcs) continue;
        for (std::size_t axis = 0; axis < lengths.size(); ++axis) {
            if (!recipe.left_out_[axis] || cards.unusable()[axis]) continue;
            const std::string number = std::to_string(axis + 1);
            warnings.push_back("CTYPE" + number + " is " + types[axis] + ", which " +
                               (tabular(types[axis]) ? "needs a table that is missing or does not fit" : "does not agree with other cards") + ": axis " + number +
                               " has no world coordinates");
        }
        return WithFirst{std::move(recipe), std::move(wcs)};
    }
    warnings.push_back("the cards of the world coordinates contradict each other: the image has none");
    return std::nullopt;
}

} // namespace cubelink::imaging
