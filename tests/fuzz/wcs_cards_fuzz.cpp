/// World coordinates of any header: whatever its cards say, wcslib behind our checks neither crashes nor hangs, and what comes out is text, NaN or a number.
///
/// Input: lines are cards. Those that begin with '=' are made of wcslib's own vocabulary, so that few bytes reach far: "=kiv" is keyword k, with the indices in i and
/// one of the values v; see card_of. A line "#abc" sets the lengths of the axes, "@..." what the tables of "-TAB" axes hold.
// link: cubelink_imaging

#include "imaging/world/axes.hpp"
#include "imaging/world/header.hpp"
#include "imaging/world/wcs.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

using namespace cubelink::imaging;

// wcslib 7.12 loses 64 bytes when it refuses a linear transformation.
extern "C" const char* __lsan_default_suppressions();
extern "C" const char* __lsan_default_suppressions() { return "leak:linset\n"; }

namespace {

void require(bool condition) {
    if (!condition) std::abort();
}

// '#' and '%' stand for the indices. What the checks drop is here too.
constexpr std::array keywords{
    "WCSAXES",  "CTYPE#",  "CUNIT#",   "CRPIX#",   "CRVAL#",  "CDELT#",   "CROTA#",   "CD#_%",    "PC#_%",    "CD00#00%", "PC00#00%", "PV#_%",    "PS#_%",
    "LONPOLE",  "LATPOLE", "RESTFRQ",  "RESTFREQ", "RESTWAV", "SPECSYS",  "VELREF",   "A_ORDER",  "B_ORDER",  "AP_ORDER", "BP_ORDER", "A_#_%",    "B_#_%",
    "AP_#_%",   "BP_#_%",  "A_DMAX",   "PLTRAH",   "PLTRAM",  "PLTRAS",   "PLTDECSN", "PLTDECD",  "PLTDECM",  "PLTDECS",  "XPIXELSZ", "YPIXELSZ", "CNPIX#",
    "PPO#",     "AMDX#",   "AMDY#",    "RADESYS",  "EQUINOX", "EPOCH",    "DATE-OBS", "MJD-OBS",  "CPDIS#",   "CQDIS#",   "DP#",      "DQ#",      "DVERR#",
    "WAT#_%",   "PROJP#",  "CNAME#",   "CRDER#",   "CSYER#",  "VELOSYS",  "SSYSOBS",  "VELANGL",  "OBSGEO-X", "TIMESYS",  "MJDREF",   "CTYPE#A",  "CRVAL#A",
    "WCSNAME",  "ZSOURCE", "PV1_1#",   "PV2_#",    "CPERR#",  "PLTSCALE", "JEPOCH",
};

constexpr std::array values{
    "1",          "0",          "2",          "3",          "-1",         "1.5",        "1E300",      "-1D-300",    "9",          "99",         "1e9",
    "150,0",      "",           "T",          "'12'",       "'RA---TAN'", "'DEC--TAN'", "'RA---SIN'", "'DEC--SIN'", "'RA---TPV'", "'DEC--TPV'", "'RA---TAN-SIP'",
    "'DEC--TAN-SIP'", "'GLON-CAR'", "'GLAT-CAR'", "'FREQ'",  "'VELO-LSR'", "'WAVE-TAB'", "'FREQ-TAB'", "'GLON-TAB'", "'GLAT-TAB'", "'AWAV-GRI'", "'VOPT-F2W'",
    "'STOKES'",   "'table'",    "'coords'",   "'index'",    "'um'",       "'GHz'",      "'km/s'",     "'deg'",      "'arcsec'",   "'1E400 m^^2'", "'LSRK'",
    "'+'",        "'-'",        "67.2",       "25.28",      "180",        "90",         "-90",        "360.5",      "'FELO-HEL'", "'ZPN'",      "'RA---ZPN'",
    "'DEC--ZPN'", "'RA---HPX'", "'DEC--HPX'", "'RA---TNX'", "'DEC--TNX'", "'RA---COP'", "'DEC--COP'", "'WAVE-LOG'", "'ENER-F2W'", "'RA---XPH'", "'DEC--XPH'",
    "'AXIS.1: 1'", "'RA---TSC'", "'DEC--TSC'", "'VRAD'",    "'WAVN'",     "'X'",        "'wtt=zpx'",  "(1,2)",      "1E",         "0.000001",   "'BETA'",
};

/// "=kxyv"; all four bytes are taken modulo what there is.
std::string card_of(std::string_view code) {
    const auto at = [&](std::size_t i) { return i < code.size() ? static_cast<unsigned char>(code[i]) : 0U; };
    std::string name;
    for (const char c : std::string_view(keywords[at(0) % keywords.size()])) {
        if (c == '#') name += std::to_string(at(1) % 10);
        else if (c == '%') name += std::to_string(at(2) % (at(2) > 200 ? 100 : 10));
        else name += c;
    }
    name.resize(8, ' ');
    return name + "= " + values[at(3) % values.size()];
}

struct Input {
    std::string cards;
    std::vector<std::int64_t> lengths{12, 9};
    std::string table;
};

Input parse(std::string_view input) {
    Input result;
    while (!input.empty() && result.cards.size() < 400 * 80) {
        const std::string_view line = input.substr(0, input.find('\n'));
        input.remove_prefix(std::min(input.size(), line.size() + 1));
        if (line.starts_with('#')) {
            result.lengths.clear();
            for (const char c : line.substr(1, 6)) result.lengths.push_back(1 + (static_cast<unsigned char>(c) - '0') % 40U);
            if (result.lengths.empty()) result.lengths = {5, 4};
        } else if (line.starts_with('@')) {
            result.table = line.substr(1);
        } else {
            std::string card = line.starts_with('=') ? card_of(line.substr(1)) : std::string(line);
            card.resize(80, ' ');
            result.cards += card;
        }
    }
    return result;
}

/// The shape and values of any array that is asked for, from the bytes of the '@' line.
std::optional<CoordinateArray> array_of(const std::string& bytes, const ArrayRequest& request) {
    if (bytes.empty()) return std::nullopt;
    CoordinateArray array;
    std::size_t at = request.column == "index" ? bytes.size() / 2 : 0, count = 1;
    const auto next = [&] { return static_cast<unsigned char>(bytes[at++ % bytes.size()]); };
    const std::size_t dimensions = request.column == "index" ? 1 : 1 + next() % 4U;
    for (std::size_t i = 0; i < dimensions; ++i) {
        array.lengths.push_back(1 + static_cast<int>(next() % 9U));
        count *= static_cast<std::size_t>(array.lengths.back());
    }
    for (std::size_t i = 0; i < count; ++i) {
        const unsigned value = next();
        array.values.push_back(value == 255 ? NAN : value == 254 ? 1e308 : (value - 100.0) / 7 + static_cast<double>(i));
    }
    return array;
}

void require_text(const std::string& text) {
    require(std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c <= '~'; }));
}

void use(const Wcs& wcs, const ImageInfo& info) {
    for (const PixelPoint pixel : {PixelPoint{0, 0}, {3.25, 1.5}, {1e5, -1e5}}) {
        const auto all = wcs.pixel_to_world(pixel, 1, 0);
        require(static_cast<int>(all.size()) == wcs.axes());
        const auto world = wcs.plane_world(pixel, 1);
        wcs.plane_pixel(world, 1);
        require_text(wcs.format_plane_value(0, world[0]));
        require_text(wcs.format_plane_value(1, world[1]));
        std::array<SkyPoint, 1> sky{};
        std::array<PixelPoint, 1> back{};
        wcs.pixels_to_sky(std::span(&pixel, 1), 0, sky);
        require(std::isnan(sky[0].lon) || (sky[0].lon >= 0 && sky[0].lon < 360));
        wcs.sky_to_pixels(sky, 0, back);
        wcs.pixels_to_sky(std::span(&pixel, 1), 0, *sky_system_of("GALACTIC"), sky);
    }
    for (const auto& text : wcs.plane_names()) require_text(text);
    for (const auto& text : wcs.plane_units()) require_text(text);
    require_text(wcs.frame_text());
    wcs.pixel_area();
    if (const auto axis = wcs.spectral_axis()) require(axis->length() == info.spectral_length);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const Input input = parse({reinterpret_cast<const char*>(data), size});
    const Header header(input.cards);
    ImageInfo info;
    try {
        const Axes axes = identify_axes(header, input.lengths);
        info.axis_lengths = input.lengths;
        info.dimensions = static_cast<int>(input.lengths.size());
        info.shape = axes.shape;
        info.axes = axes.numbers;
        info.rendered_axes = {axes.rendered_x, axes.rendered_y};
        info.spectral_length = axes.numbers.spectral == 0 ? 1 : input.lengths[static_cast<std::size_t>(axes.numbers.spectral - 1)];
    } catch (const ImageError&) {
        return 0;
    }
    std::vector<std::string> warnings;
    const auto wcs = Wcs::make(header, info, [&](const ArrayRequest& request) { return array_of(input.table, request); }, &warnings);
    for (const auto& text : warnings) require_text(text);
    if (wcs) use(*wcs, info);
    return 0;
}
