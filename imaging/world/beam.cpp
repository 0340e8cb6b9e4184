#include "imaging/world/beam.hpp"

#include "imaging/world/header.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string_view>

namespace cubelink::imaging {

namespace {

constexpr double nothing = std::numeric_limits<double>::quiet_NaN();

/// The number after `name` and '=' (or blanks) in a text such as "BMAJ=  1.3E-03 BMIN= …".
std::optional<double> number_after(std::string_view text, std::string_view name) {
    auto at = text.find(name);
    if (at == std::string_view::npos) return std::nullopt;
    at = text.find_first_not_of(" =", at + name.size());
    if (at == std::string_view::npos) return std::nullopt;
    auto end = text.find_first_of(" ,", at);
    if (end == std::string_view::npos) end = text.size();
    return parse_fits_number(text.substr(at, end - at));
}

/// "Beam = 12.3 x 10.1 arcsec, pa = 45.0 degrees"
std::vector<Beam> restored_beam(std::string_view text) {
    const auto major = number_after(text, "Beam");
    const auto cross = text.find(" x ");
    if (!major || cross == std::string_view::npos) return {};
    const auto minor = number_after(text.substr(cross), " x");
    if (!minor) return {};
    const double unit = text.find("arcmin") != std::string_view::npos ? 60 : text.find("arcsec") != std::string_view::npos ? 1 : 3600;
    return {{*major * unit, *minor * unit, number_after(text, "pa").value_or(0), -1, -1}};
}

} // namespace

bool Beam::valid() const { return std::isfinite(major) && std::isfinite(minor) && std::isfinite(pa) && major > 0 && minor > 0; }

std::vector<Beam> beam_of_header(const Header& header) {
    const auto major = header.number("BMAJ"), minor = header.number("BMIN");
    if (!major || !minor) return {};
    const Beam beam{*major * 3600, *minor * 3600, header.number("BPA").value_or(0), -1, -1};
    return beam.valid() ? std::vector{beam} : std::vector<Beam>{};
}

std::vector<Beam> beam_of_history(const Header& header) {
    const auto& cards = header.cards();
    for (auto card = cards.rbegin(); card != cards.rend(); ++card) {
        if (card->keyword != "HISTORY") continue;
        const std::string_view text = std::string_view(card->text).substr(std::min<std::size_t>(8, card->text.size()));
        std::vector<Beam> found;
        if (text.find("BMAJ") != std::string_view::npos) {
            const auto major = number_after(text, "BMAJ"), minor = number_after(text, "BMIN");
            if (major && minor) found = {{*major * 3600, *minor * 3600, number_after(text, "BPA").value_or(0), -1, -1}};
        } else if (text.find("Beam") != std::string_view::npos) {
            found = restored_beam(text);
        } else {
            continue;
        }
        if (!found.empty() && found[0].valid()) return found;
    }
    return {};
}

Beam median_area_beam(const std::vector<Beam>& beams) {
    std::vector<Beam> valid;
    std::copy_if(beams.begin(), beams.end(), std::back_inserter(valid), [](const Beam& beam) { return beam.valid(); });
    if (valid.empty()) return {nothing, nothing, nothing, -1, -1};
    const auto middle = valid.begin() + static_cast<std::ptrdiff_t>((valid.size() - 1) / 2);
    std::nth_element(valid.begin(), middle, valid.end(), [](const Beam& a, const Beam& b) { return a.major * a.minor < b.major * b.minor; });
    return *middle;
}

const Beam* find_beam(const std::vector<Beam>& beams, int channel, int stokes) {
    if (beams.size() == 1 && beams[0].channel < 0 && beams[0].stokes < 0) return &beams[0];
    const auto found = std::find_if(beams.begin(), beams.end(), [&](const Beam& beam) {
        return (beam.channel < 0 || beam.channel == channel) && (beam.stokes < 0 || beam.stokes == stokes);
    });
    return found == beams.end() ? nullptr : &*found;
}

} // namespace cubelink::imaging
