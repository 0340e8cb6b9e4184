#pragma once
/// From a header to wcslib's structure. Any thread (one at a time inside: wcslib's parsers share state).

#include "imaging/world/coordinate_arrays.hpp"
#include "imaging/world/header.hpp"

#include <memory>
#include <string>
#include <vector>

struct wcsprm;

namespace cubelink::imaging {

class WcsCards;

/// wcslib allocates its structures as an array, of which one is used.
struct WcsDeleter {
    wcsprm* all = nullptr;
    int count = 0;
    void operator()(wcsprm* used);
};
using WcsPointer = std::unique_ptr<wcsprm, WcsDeleter>;

/// A header's world coordinates, ready to be made into as many structures as there are threads. Copies made by wcslib lose tables, and
/// the distortions of cubes; so each is made anew.
class WcsRecipe {
public:
    struct WithFirst;
    /// `lengths`: NAXISn. None if the header's world coordinates can't be used. `warnings` receives sentences for the user.
    static std::optional<WithFirst> of(const Header& header, const std::vector<std::int64_t>& lengths, const ArrayLookup& arrays,
                                       std::vector<std::string>& warnings);

    /// Fixed and set; nullptr if memory is short.
    WcsPointer make() const;
    /// For each axis of the image, whether it had to be left out: it has no world values.
    const std::vector<bool>& left_out() const { return left_out_; }

private:
    struct Found {
        ArrayRequest request;
        CoordinateArray array;
    };
    bool fill_tables(wcsprm& wcs) const;
    void look_up(const wcsprm& wcs, const WcsCards& cards, const ArrayLookup& arrays);
    WcsPointer parse() const;
    WcsPointer finished(WcsPointer wcs) const;

    std::string records_;
    std::vector<int> lengths_;
    std::vector<Found> found_;
    std::vector<bool> left_out_;
};

struct WcsRecipe::WithFirst {
    WcsRecipe recipe;
    WcsPointer wcs; // made by it
};

} // namespace cubelink::imaging
