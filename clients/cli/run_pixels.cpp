// tile, spectrum and statistics: what comes from the pixels of an image that is opened for the command.

#include "clients/cli/connection.hpp"
#include "clients/cli/exit_status.hpp"
#include "clients/cli/output.hpp"
#include "clients/cli/png.hpp"
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
    double x = parse_number(parsed.text("X"), "X"), y = parse_number(parsed.text("Y"), "Y");
    const auto stokes = index_of(parsed, "stokes");
    Connection connection(parsed);
    auto image = open(connection, parsed);
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
    const auto column = std::llround(x), row = std::llround(y);
    const auto values = image.spectrum(column, row, stokes);

    const auto kind = parsed.text("axis", "channel");
    std::vector<double> axis;
    std::string unit;
    if (kind != "channel") {
        Map options{{"kind", kind}};
        if (parsed.has("rest-frequency")) options["rest_freq"] = parsed.number("rest-frequency");
        const auto answer = connection.call("image.spectral_axis", {image.file_id()}, std::move(options));
        axis = numbers(field(answer, "values"));
        unit = text(field(answer, "unit"));
        if (axis.size() != values.size()) throw rpc::CallError(rpc::code::method_failed, "the spectral axis has another length than the spectrum");
    }
    const auto value_unit = text(field(connection.call("image.statistics", {image.file_id()}, Map{{"types", Array{"NumPixels"}}}), "unit"));
    std::string out;
    if (parsed.has("json")) {
        Array list;
        for (const double value : values) list.emplace_back(value);
        Map result{{"x", column}, {"y", row}, {"stokes", stokes}, {"unit", value_unit}, {"values", std::move(list)}};
        if (!axis.empty()) result[kind] = Map{{"unit", unit}, {"values", Array(axis.begin(), axis.end())}};
        out = json(result) + "\n";
    } else {
        out = "channel";
        if (!axis.empty()) out += "," + csv(kind + (unit.empty() ? "" : " [" + unit + "]"));
        out += "," + csv("value" + (value_unit.empty() ? "" : " [" + value_unit + "]")) + "\n";
        for (std::size_t i = 0; i < values.size(); ++i) {
            out += std::to_string(i);
            if (!axis.empty()) out += "," + decimal(axis[i]);
            out += "," + decimal(values[i]) + "\n";
        }
    }
    write_file(parsed.text("output", "-"), out);
    return exit_status::success;
}

int run_statistics(const Parsed& parsed) {
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
    const auto answer = connection.call("image.statistics", {image.file_id()}, std::move(options));
    if (parsed.has("json")) {
        print(json(answer) + "\n");
        return exit_status::success;
    }
    std::vector<std::vector<std::string>> rows;
    const auto shown = [](const Value& value) {
        if (const auto* number = value.get_if<double>()) return decimal(*number);
        return value.is_null() ? std::string("none") : value.is<std::string>() ? printable(text(value)) : json(value);
    };
    if (const auto* statistics = field(answer, "statistics").get_if<Map>())
        for (const auto& [name, value] : *statistics) rows.push_back({text(name), shown(value)});
    const auto& percentiles = parsed.all("percentile");
    const auto values = numbers(field(answer, "percentiles"));
    for (std::size_t i = 0; i < values.size() && i < percentiles.size(); ++i) rows.push_back({percentiles[i] + " %", decimal(values[i])});
    if (const auto unit = text(field(answer, "unit")); !unit.empty()) rows.push_back({"unit", printable(unit)});
    print(table(rows));
    return exit_status::success;
}

} // namespace cubelink::cli
