#include "imaging/fits/stokes_hypercube.hpp"

#include "imaging/fits/describe_image.hpp"
#include "imaging/source/stacked_image.hpp"
#include "imaging/world/axes.hpp"
#include "imaging/world/header_editor.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <cstdio>
#include <limits>
#include <numeric>

namespace cubelink::imaging {

namespace {

constexpr double position_tolerance = 0.1; // pixels

std::string names_of(std::span<const int> types, const char* between) {
    std::string names;
    for (const int type : types) names += (names.empty() ? "" : between) + polarization_name(type);
    return names;
}

std::string short_number(double value) {
    std::array<char, 32> text{};
    std::snprintf(text.data(), text.size(), "%.3g", value);
    return text.data();
}

std::string shape_text(const ImageShape& shape) {
    return std::to_string(shape.width) + " × " + std::to_string(shape.height) + " pixels" + (shape.depth > 1 ? " and " + std::to_string(shape.depth) + " channels" : "");
}

/// The axes that are not stokes, 1-based.
std::vector<int> other_axes(const ImageInfo& info) {
    std::vector<int> axes;
    for (int axis = 1; axis <= info.dimensions; ++axis) {
        if (axis != info.axes.stokes) axes.push_back(axis);
    }
    return axes;
}

/// Those of two images that correspond. An axis of one pixel at the end that the other image lacks is left out.
std::pair<std::vector<int>, std::vector<int>> common_axes(const ImageInfo& a, const ImageInfo& b) {
    auto axes = other_axes(a), others = other_axes(b);
    const auto shorten = [](std::vector<int>& longer, const std::vector<int>& shorter, const ImageInfo& info) {
        while (longer.size() > shorter.size() && info.axis_lengths[static_cast<std::size_t>(longer.back() - 1)] == 1) longer.pop_back();
    };
    shorten(axes, others, a);
    shorten(others, axes, b);
    return {std::move(axes), std::move(others)};
}

[[noreturn]] void refuse(const ImageInfo& first, const ImageInfo& other, const std::string& difference) {
    throw ImageError("\"" + first.name + "\" and \"" + other.name + "\" can't be joined: " + difference);
}

/// Where two descriptions of the same pixels differ.
void compare_worlds(const OpenedImage& first, const OpenedImage& other, std::vector<std::string>& warnings) {
    const ImageInfo &a = first.info, &b = other.info;
    if (!first.wcs || !other.wcs) {
        if (first.wcs || other.wcs)
            warnings.push_back("\"" + (first.wcs ? b : a).name + "\" has no world coordinates: those of the joined image are those of \"" + a.name + "\"");
        return;
    }
    const Wcs &world = *first.wcs, &other_world = *other.wcs;
    if (world.frame_text() != other_world.frame_text())
        refuse(a, b, "the celestial frame is " + world.frame_text() + " in the first and " + other_world.frame_text() + " in the second");
    const auto spectrum = world.spectral_axis(), other_spectrum = other_world.spectral_axis();
    const bool both_framed = spectrum && other_spectrum && !spectrum->spectral_frame().empty() && !other_spectrum->spectral_frame().empty();
    if (both_framed && spectrum->spectral_frame() != other_spectrum->spectral_frame())
        refuse(a, b, "the spectral frame is \"" + spectrum->spectral_frame() + "\" in the first and \"" + other_spectrum->spectral_frame() + "\" in the second");
    const auto [axes, others] = common_axes(a, b);
    const double right = static_cast<double>(a.shape.width - 1), top = static_cast<double>(a.shape.height - 1), last = static_cast<double>(a.shape.depth - 1);
    // How many pixels a value is away is told by the step from a pixel to the next.
    const auto values_at = [&](const Wcs& wcs, double x, double y, double channel) { return wcs.pixel_to_world({x, y}, channel); };
    for (const double x : {0.0, right}) {
        for (const double y : {0.0, top}) {
            for (const double channel : {0.0, last}) {
                const auto of_first = values_at(world, x, y, channel), of_other = values_at(other_world, x, y, channel);
                const std::array steps{values_at(world, x + 1, y, channel), values_at(world, x, y + 1, channel), values_at(world, x, y, channel + 1)};
                for (std::size_t i = 0; i < axes.size(); ++i) {
                    const auto axis = static_cast<std::size_t>(axes[i] - 1), other_axis = static_cast<std::size_t>(others[i] - 1);
                    if (axis >= of_first.size() || other_axis >= of_other.size()) continue;
                    const bool circular = celestial_role(world.axis_facts()[axis].ctype) == "lon";
                    const auto distance = [&](double from, double to) { return std::fabs(circular ? std::remainder(to - from, 360.0) : to - from); };
                    const double difference = distance(of_first[axis], of_other[other_axis]);
                    if (std::isnan(difference)) continue; // outside of a projection
                    double step = 0;
                    for (const auto& next : steps) {
                        if (const double one = distance(of_first[axis], next[axis]); one > step) step = one;
                    }
                    // Rounded numbers in headers.
                    const double negligible = 1e-12 * std::max(std::fabs(of_first[axis]), std::fabs(of_other[other_axis]));
                    if (difference <= negligible || difference <= position_tolerance * step) continue;
                    refuse(a, b, "axis " + std::to_string(axes[i]) + " (" + a.axis_names[axis] + ") differs by " +
                                     (step > 0 ? short_number(difference / step) + " pixels" : short_number(difference) + " " + world.axis_facts()[axis].unit));
                }
            }
        }
    }
}

void compare(const OpenedImage& first, const OpenedImage& other, std::vector<std::string>& warnings) {
    const ImageInfo &a = first.info, &b = other.info;
    ImageShape shape = a.shape, other_shape = b.shape;
    shape.stokes = other_shape.stokes = 1;
    if (shape != other_shape) refuse(a, b, "the first has " + shape_text(shape) + ", the second " + shape_text(other_shape));
    const auto [axes, others] = common_axes(a, b);
    if (axes.size() != others.size()) refuse(a, b, "they have " + std::to_string(axes.size()) + " and " + std::to_string(others.size()) + " axes besides that of the polarization");
    for (std::size_t i = 0; i < axes.size(); ++i) {
        const std::string &name = a.axis_names[static_cast<std::size_t>(axes[i] - 1)], &other_name = b.axis_names[static_cast<std::size_t>(others[i] - 1)];
        if (name != other_name) refuse(a, b, "axis " + std::to_string(axes[i]) + " is " + name + " in the first and " + other_name + " in the second");
    }
    compare_worlds(first, other, warnings);
    const auto unit = [](const ImageInfo& info) { return info.bunit.empty() ? std::string("none") : info.bunit; };
    if (a.bunit != b.bunit)
        warnings.push_back("units differ: " + unit(a) + " in \"" + a.name + "\", " + unit(b) + " in \"" + b.name + "\"; the joined image is said to have the first");
    if (a.rest_frequency && b.rest_frequency && std::fabs(*a.rest_frequency - *b.rest_frequency) > 1e-9 * *a.rest_frequency)
        warnings.push_back("rest frequencies of \"" + a.name + "\" and \"" + b.name + "\" differ; that of the first is used");
}

/// The beams of all planes. `in_header`: they are those of the first header.
std::vector<Beam> join_beams(const std::vector<StokesPart>& parts, bool& in_header) {
    constexpr double nothing = std::numeric_limits<double>::quiet_NaN();
    constexpr std::size_t beam_limit = 1 << 18;
    const auto same = [](const Beam& a, const Beam& b) { return a.major == b.major && a.minor == b.minor && a.pa == b.pa; };
    const auto& first = parts.front().image.info;
    in_header = std::all_of(parts.begin(), parts.end(), [](const StokesPart& part) { return part.image.info.beams.empty(); });
    if (in_header) return {};
    in_header = std::all_of(parts.begin(), parts.end(), [&](const StokesPart& part) {
        const auto& beams = part.image.info.beams;
        return beams.size() == 1 && beams.front().channel < 0 && same(beams.front(), first.beams.empty() ? Beam{nothing, nothing, nothing} : first.beams.front());
    });
    if (in_header) return first.beams;
    if (static_cast<std::size_t>(first.shape.depth) > beam_limit / parts.size()) return {};
    std::vector<Beam> beams;
    for (std::size_t stokes = 0; stokes < parts.size(); ++stokes) {
        for (int channel = 0; channel < first.shape.depth; ++channel) {
            const Beam* beam = find_beam(parts[stokes].image.info.beams, channel, 0);
            beams.push_back(beam != nullptr ? *beam : Beam{nothing, nothing, nothing});
            beams.back().channel = channel;
            beams.back().stokes = static_cast<int>(stokes);
        }
    }
    return beams;
}

/// Whether it is an element of a matrix in the row or column of an axis: "CD3_2" of 2 and 3.
bool couples(std::string_view keyword, std::string_view stem, const std::string& axis) {
    if (!keyword.starts_with(stem)) return false;
    const std::string_view pair = keyword.substr(stem.size());
    const auto bar = pair.find('_');
    return bar != std::string_view::npos && (pair.substr(0, bar) == axis || pair.substr(bar + 1) == axis);
}

/// `header` with an axis of these polarizations: as axis `number`, which is there or is the next one.
Header with_stokes_axis(const Header& header, int number, const std::vector<int>& types, bool keep_beam) {
    const std::string n = std::to_string(number);
    const bool appended = !header.find("NAXIS" + n);
    std::string records = header.records();
    if (appended) {
        // Behind the axis before it, where readers expect it.
        std::size_t at = 0;
        const std::string before = "NAXIS" + std::to_string(number - 1) + " ";
        while (at < records.size() && records.compare(at, before.size(), before) != 0) at += 80;
        std::string card = "NAXIS" + n;
        card.resize(8, ' ');
        card += "= ";
        card.resize(80, ' ');
        records.insert(std::min(at + 80, records.size()), card);
    }
    HeaderEditor editor{Header(records)};
    const int first = fits_stokes_value(types[0]), step = fits_stokes_value(types[1]) - first;
    const bool matrix = std::any_of(header.cards().begin(), header.cards().end(),
                                    [](const Card& card) { return card.keyword.size() == 5 && card.keyword.starts_with("CD") && card.keyword[3] == '_'; });
    editor.remove_if([&](std::string_view keyword) {
        const bool of_beam = keyword == "BMAJ" || keyword == "BMIN" || keyword == "BPA" || keyword == "CASAMBM";
        return couples(keyword, "CD", n) || couples(keyword, "PC", n) || keyword == "CROTA" + n || keyword == "CUNIT" + n || keyword == "CNAME" + n || (of_beam && !keep_beam);
    });
    if (appended) editor.set("NAXIS", number);
    if (const auto count = header.integer("WCSAXES"); count && *count < number) editor.set("WCSAXES", number);
    editor.set("NAXIS" + n, static_cast<std::int64_t>(types.size()));
    editor.set("CTYPE" + n, "STOKES");
    editor.set("CRPIX" + n, 1.0);
    editor.set("CRVAL" + n, static_cast<double>(first));
    editor.set("CDELT" + n, static_cast<double>(step));
    if (matrix) editor.set("CD" + n + "_" + n, static_cast<double>(step));
    return editor.header();
}

/// "cube_I.fits" without its folder.
std::string_view last_part(std::string_view file) { return file.substr(file.find_last_of('/') + 1); }

/// Where ".fits" begins, or ".fits.gz".
std::size_t extension_of(std::string_view name) {
    auto dot = name.find_last_of('.');
    if (dot == std::string_view::npos || dot == 0) return name.size();
    const std::string_view end = name.substr(dot);
    if (end == ".gz" || end == ".fz") {
        const auto before = name.find_last_of('.', dot - 1);
        if (before != std::string_view::npos && before != 0) dot = before;
    }
    return dot;
}

} // namespace

int fits_stokes_value(int polarization) { return polarization <= 4 ? polarization : 4 - polarization; }

void check_polarizations(std::span<const int> types) {
    if (types.size() < 2) throw ImageError("at least two images are needed to join polarizations");
    std::vector<int> sorted(types.begin(), types.end());
    std::sort(sorted.begin(), sorted.end());
    if (sorted.front() < 1 || sorted.back() > 12) throw ImageError("each image needs the polarization that it holds: one of I, Q, U, V, RR, LL, RL, LR, XX, YY, XY, YX");
    if (const auto twice = std::adjacent_find(sorted.begin(), sorted.end()); twice != sorted.end())
        throw ImageError("two images are both said to hold polarization " + polarization_name(*twice));
    const int step = fits_stokes_value(sorted[1]) - fits_stokes_value(sorted[0]);
    for (std::size_t i = 1; i < sorted.size(); ++i) {
        if (fits_stokes_value(sorted[i]) - fits_stokes_value(sorted[i - 1]) != step)
            throw ImageError("the polarizations " + names_of(sorted, ", ") + " can't be joined: their numbers on a FITS axis are not equally spaced");
    }
}

OpenedImage join_polarizations(std::vector<StokesPart> parts, const std::string& name, BudgetCache* budget) {
    std::sort(parts.begin(), parts.end(), [](const StokesPart& a, const StokesPart& b) { return a.polarization < b.polarization; });
    std::vector<int> types;
    for (const auto& part : parts) types.push_back(part.polarization);
    check_polarizations(types);
    std::vector<std::string> warnings;
    for (const auto& part : parts) {
        const ImageInfo& info = part.image.info;
        if (info.shape.stokes != 1)
            throw ImageError("\"" + info.name + "\" holds " + std::to_string(info.shape.stokes) + " polarizations; images of one each can be joined");
        const int own = info.stokes_types.size() == 1 ? info.stokes_types.front() : 0;
        if (own != 0 && own != part.polarization)
            warnings.push_back("\"" + info.name + "\" is taken for polarization " + polarization_name(part.polarization) + ", its header says " + polarization_name(own));
        if (&part != &parts.front()) compare(parts.front().image, part.image, warnings);
    }
    const OpenedImage& first = parts.front().image;
    const int number = first.info.axes.stokes != 0 ? first.info.axes.stokes : first.info.dimensions + 1;
    if (number > 4) throw ImageError("\"" + first.info.name + "\" has four axes, none of them STOKES: there is no place for the polarizations");
    bool beam_in_header = false;
    auto beams = join_beams(parts, beam_in_header);
    const Header header = with_stokes_axis(Header(first.cards), number, types, beam_in_header);
    std::vector<std::shared_ptr<const ImageSource>> sources;
    for (const auto& part : parts) sources.push_back(part.image.source);
    // Coordinates of "-TAB" axes lie in tables of the file.
    const auto& facts = first.info.header;
    const bool tables = std::any_of(facts.begin(), facts.end(), [](const HeaderEntry& entry) { return entry.name.starts_with("CTYPE") && entry.value.ends_with("-TAB"); });
    OpenedImage joined = describe_image(std::make_shared<const StackedImage>(std::move(sources), budget), header, name, std::move(beams), tables ? first.wcs : nullptr);
    joined.info.beam_from_history = std::any_of(parts.begin(), parts.end(), [](const StokesPart& part) { return part.image.info.beam_from_history; });
    joined.info.warnings.insert(joined.info.warnings.end(), warnings.begin(), warnings.end());
    joined.info.file_size = 0;
    joined.info.file_date = 0;
    for (const auto& part : parts) {
        joined.info.file_size += part.image.info.file_size;
        joined.info.file_date = std::max(joined.info.file_date, part.image.info.file_date);
    }
    return joined;
}

std::string hypercube_name(std::span<const std::string> files, std::vector<int> types) {
    std::sort(types.begin(), types.end());
    const std::string name = "hypercube_" + names_of(types, "");
    if (files.empty()) return name;
    const std::string_view first = last_part(files.front());
    std::size_t prefix = extension_of(first), suffix = first.size();
    for (const auto& file : files) {
        const std::string_view other = last_part(file);
        prefix = std::min(prefix, extension_of(other));
        prefix = static_cast<std::size_t>(std::mismatch(first.begin(), first.begin() + static_cast<std::ptrdiff_t>(prefix), other.begin(), other.end()).first - first.begin());
        suffix = static_cast<std::size_t>(std::mismatch(first.rbegin(), first.rbegin() + static_cast<std::ptrdiff_t>(suffix), other.rbegin(), other.rend()).first - first.rbegin());
    }
    for (const auto& file : files) suffix = std::min(suffix, last_part(file).size() - prefix);
    return std::string(first.substr(0, prefix)) + name + std::string(first.substr(first.size() - suffix));
}

} // namespace cubelink::imaging
