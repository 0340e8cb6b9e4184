// tile, spectrum and statistics: what comes from the pixels of an image that is opened for the command.

#include "clients/cli/connection.hpp"
#include "clients/cli/exit_status.hpp"
#include "clients/cli/input.hpp"
#include "clients/cli/output.hpp"
#include "clients/cli/png.hpp"
#include "clients/cli/regions.hpp"
#include "clients/cli/run.hpp"
#include "clients/cli/values.hpp"

#include <array>
#include <cmath>
#include <limits>

#include <unistd.h>

namespace cubelink::cli {

using rpc::Array;
using rpc::Map;
using rpc::Value;

namespace {

client::Image open(Connection& connection, const Parsed& parsed) { return connection.viewer().open(parsed.text("FILE"), parsed.text("hdu")); }

std::int32_t index_of(const Parsed& parsed, const char* name) {
    const auto value = parsed.integer(name);
    if (value < 0 || value > std::numeric_limits<std::int32_t>::max()) throw UsageError(std::string("--") + name + ": " + std::to_string(value) + " is no index");
    return static_cast<std::int32_t>(value);
}

/// Centre and full sizes.
std::array<double, 4> box_of(const std::string& text) {
    std::array<double, 4> box{};
    std::size_t at = 0;
    for (std::size_t i = 0; i < 4; ++i) {
        const auto comma = text.find(',', at);
        if ((comma == std::string::npos) != (i == 3)) throw UsageError("--box: expected X,Y,WIDTH,HEIGHT, got \"" + text + "\"");
        box[i] = parse_number(text.substr(at, comma == std::string::npos ? comma : comma - at), "--box");
        at = comma + 1;
    }
    return box;
}

/// A pixel of an image.
struct Place {
    std::int64_t column, row;
};

/// The arguments X and Y.
Place place_of(Connection& connection, const client::Image& image, const Parsed& parsed) {
    double x = parse_number(parsed.text("X"), "X"), y = parse_number(parsed.text("Y"), "Y");
    if (parsed.has("frame")) {
        Array positions; // Array{Array{…}} is a copy for one compiler and a list of a list for the other
        positions.emplace_back(Array{x, y});
        const auto answer = connection.call("image.to_pixel", {image.file_id(), std::move(positions), parsed.text("frame")});
        const auto& points = items(field(answer, "points"));
        const auto pixel = points.empty() ? std::vector<double>() : numbers(points[0]);
        if (pixel.size() != 2 || !std::isfinite(pixel[0]) || !std::isfinite(pixel[1]))
            throw rpc::CallError(rpc::code::method_failed, "the position is not on the sky that the image shows");
        x = pixel[0];
        y = pixel[1];
    }
    if (!(x > -0.5 && y > -0.5 && x < static_cast<double>(image.width()) - 0.5 && y < static_cast<double>(image.height()) - 0.5))
        throw rpc::CallError(rpc::code::method_failed, "pixel " + decimal(x) + ", " + decimal(y) + " is outside of the image, which has " +
                                                           std::to_string(image.width()) + " × " + std::to_string(image.height()));
    return {std::llround(x), std::llround(y)};
}

/// The unit of a statistic of pixels with that unit; "" where it has none, or none that can be told.
std::string unit_of(const std::string& statistic, const std::string& unit) {
    if (statistic == "NumPixels" || unit.empty()) return {};
    if (statistic == "FluxDensity") {
        const auto first = unit.substr(0, unit.find_first_of("/ "));
        return first.ends_with("Jy") ? first : "";
    }
    return statistic == "SumSq" ? "(" + unit + ")^2" : unit;
}

} // namespace

int run_tile(const Parsed& parsed) {
    const auto output = parsed.text("output", "-");
    if (output == "-" && ::isatty(STDOUT_FILENO) == 1) throw UsageError("a picture is not for a terminal: --output FILE");
    Rendering rendering;
    rendering.percentile = parsed.number("percentile", rendering.percentile);
    if (rendering.percentile <= 0 || rendering.percentile > 100) throw UsageError("--percentile: expected more than 0, at most 100");
    rendering.stretch = parsed.text("stretch", rendering.stretch);
    rendering.inverted = parsed.has("invert");
    const auto layer = index_of(parsed, "layer"), x = index_of(parsed, "x"), y = index_of(parsed, "y");
    if (layer > 30 || x > 4095 || y > 4095) throw UsageError("layers are 0 to 30, tiles 0 to 4095");
    const auto channel = index_of(parsed, "channel"), stokes = index_of(parsed, "stokes");

    Connection connection(parsed);
    auto image = open(connection, parsed);
    if (channel != 0 || stokes != 0) image.set_channel(channel, stokes);
    const auto tile = image.tile(layer, x, y, std::chrono::hours(24)); // --timeout ends it before
    if (tile.width < 1 || tile.height < 1) throw rpc::CallError(rpc::code::method_failed, "the server sent a tile without pixels");
    write_file(output, grey_png(tile.pixels, tile.width, tile.height, rendering));
    if (parsed.has("json") && output != "-") print(json(Map{{"file", output}, {"width", tile.width}, {"height", tile.height}}) + "\n");
    return exit_status::success;
}

int run_spectrum(const Parsed& parsed) {
    const bool of_regions = parsed.has("region");
    if (of_regions ? parsed.has("X") || parsed.has("frame") : !parsed.has("Y")) throw UsageError("either X and Y or --region");
    if (parsed.has("statistic") && !of_regions) throw UsageError("--statistic is of the pixels of a --region");
    const auto kind = parsed.text("axis", "channel");
    if (parsed.has("spectral-frame") && kind == "channel") throw UsageError("--spectral-frame needs an --axis in frequencies, wavelengths or velocities");
    const auto region = text_or_file(parsed.text("region"), "--region");
    const auto statistic = parsed.text("statistic", "Mean");
    const auto stokes = index_of(parsed, "stokes");
    Connection connection(parsed);
    auto image = open(connection, parsed);
    Place place{};
    std::vector<std::vector<double>> spectra;
    if (of_regions) {
        if (stokes != 0) image.set_channel(0, stokes);
        for (const auto id : make_regions(connection, image.file_id(), region))
            spectra.push_back(region_spectrum(connection, image.file_id(), id, statistic, parsed.has("quiet") ? "" : "spectrum"));
    } else {
        place = place_of(connection, image, parsed);
        spectra.push_back(image.spectrum(place.column, place.row, stokes));
    }
    const auto channels = static_cast<std::size_t>(image.channels());
    for (const auto& values : spectra)
        if (values.size() != channels) throw rpc::CallError(rpc::code::method_failed, "a spectrum has another length than the image");

    std::vector<double> axis;
    std::string unit;
    if (kind != "channel") {
        Map options{{"kind", kind}};
        if (parsed.has("rest-frequency")) options["rest_freq"] = parsed.number("rest-frequency");
        if (parsed.has("spectral-frame")) options["frame"] = parsed.text("spectral-frame");
        if (parsed.has("spectral-frame") && !of_regions) options["point"] = Array{place.column, place.row};
        const auto answer = connection.call("image.spectral_axis", {image.file_id()}, std::move(options));
        axis = numbers(field(answer, "values"));
        unit = text(field(answer, "unit"));
        if (axis.size() != channels) throw rpc::CallError(rpc::code::method_failed, "the spectral axis has another length than the spectrum");
    }
    const auto pixel_unit = text(field(connection.call("image.statistics", {image.file_id()}, Map{{"types", Array{"NumPixels"}}}), "unit"));
    const auto value_unit = of_regions ? unit_of(statistic, pixel_unit) : pixel_unit;
    std::string out;
    if (parsed.has("json")) {
        Map result{{"stokes", stokes}, {"unit", value_unit}};
        if (of_regions) {
            Array lists;
            for (const auto& values : spectra) lists.emplace_back(Array(values.begin(), values.end()));
            result["statistic"] = statistic;
            result["regions"] = std::move(lists);
        } else {
            result["x"] = place.column;
            result["y"] = place.row;
            result["values"] = Array(spectra[0].begin(), spectra[0].end());
        }
        if (!axis.empty()) result[kind] = Map{{"unit", unit}, {"values", Array(axis.begin(), axis.end())}};
        out = json(result) + "\n";
    } else {
        const auto with_unit = [](const std::string& name, const std::string& its) { return csv(name + (its.empty() ? "" : " [" + its + "]")); };
        out = "channel";
        if (!axis.empty()) out += "," + with_unit(kind, unit);
        for (std::size_t n = 0; n < spectra.size(); ++n) {
            const auto number = spectra.size() > 1 ? "_" + std::to_string(n + 1) : std::string();
            out += "," + with_unit((of_regions ? statistic : "value") + number, value_unit);
        }
        out += "\n";
        for (std::size_t i = 0; i < channels; ++i) {
            out += std::to_string(i);
            if (!axis.empty()) out += "," + decimal(axis[i]);
            for (const auto& values : spectra) out += "," + decimal(values[i]);
            out += "\n";
        }
    }
    write_file(parsed.text("output", "-"), out);
    return exit_status::success;
}

int run_statistics(const Parsed& parsed) {
    if (parsed.has("box") && parsed.has("region")) throw UsageError("either --box or --region");
    const auto region = text_or_file(parsed.text("region"), "--region");
    const auto box = parsed.has("box") ? box_of(parsed.text("box")) : std::array<double, 4>{};
    Connection connection(parsed);
    const auto image = open(connection, parsed);
    Map options;
    if (parsed.has("type")) {
        Array types;
        for (const auto& type : parsed.all("type")) types.emplace_back(type);
        options["types"] = std::move(types);
    }
    if (parsed.has("percentile")) {
        Array percentiles;
        for (const auto& percentile : parsed.all("percentile")) percentiles.emplace_back(parse_number(percentile, "--percentile"));
        options["percentiles"] = std::move(percentiles);
    }
    if (parsed.has("channels")) {
        const auto channels = parsed.text("channels");
        const auto colon = channels.find(':');
        if (colon == std::string::npos) options["channels"] = parse_integer(channels, "--channels");
        else options["channels"] = Array{parse_integer(channels.substr(0, colon), "--channels"), parse_integer(channels.substr(colon + 1), "--channels")};
    }
    if (parsed.has("stokes")) {
        const auto stokes = parsed.text("stokes");
        const bool index = stokes.find_first_not_of("0123456789") == std::string::npos;
        options["stokes"] = index ? Value(parse_integer(stokes, "--stokes")) : Value(stokes);
    }
    if (parsed.has("box"))
        options["region"] = Map{{"region_type", "RECTANGLE"},
                                {"control_points", Array{Map{{"x", box[0]}, {"y", box[1]}}, Map{{"x", box[2]}, {"y", box[3]}}}}};
    std::vector<Value> answers;
    if (parsed.has("region")) {
        for (const auto id : make_regions(connection, image.file_id(), region)) {
            options["region"] = id;
            answers.push_back(connection.call("image.statistics", {image.file_id()}, options));
        }
    } else {
        answers.push_back(connection.call("image.statistics", {image.file_id()}, std::move(options)));
    }
    if (parsed.has("json")) {
        print((answers.size() == 1 ? json(answers[0]) : json(Map{{"regions", Array(answers.begin(), answers.end())}})) + "\n");
        return exit_status::success;
    }
    const auto shown = [](const Value& value) {
        if (const auto* number = value.get_if<double>()) return decimal(*number);
        return value.is_null() ? std::string("none") : value.is<std::string>() ? printable(text(value)) : json(value);
    };
    // A row for each statistic, a column for each region.
    std::vector<std::vector<std::string>> rows;
    if (const auto* statistics = field(answers[0], "statistics").get_if<Map>())
        for (const auto& [name, value] : *statistics) {
            rows.push_back({text(name)});
            for (const auto& answer : answers) rows.back().push_back(shown(field(field(answer, "statistics"), text(name))));
        }
    const auto& percentiles = parsed.all("percentile");
    for (std::size_t i = 0; i < percentiles.size(); ++i) {
        rows.push_back({percentiles[i] + " %"});
        for (const auto& answer : answers) {
            const auto values = numbers(field(answer, "percentiles"));
            rows.back().push_back(i < values.size() ? decimal(values[i]) : "none");
        }
    }
    if (const auto unit = text(field(answers[0], "unit")); !unit.empty()) rows.push_back({"unit", printable(unit)});
    print(table(rows));
    return exit_status::success;
}

} // namespace cubelink::cli
