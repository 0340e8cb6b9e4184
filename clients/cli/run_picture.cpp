// picture: what image.render draws.

#include "clients/cli/connection.hpp"
#include "clients/cli/exit_status.hpp"
#include "clients/cli/output.hpp"
#include "clients/cli/run.hpp"
#include "clients/cli/values.hpp"

#include <algorithm>

#include <unistd.h>

namespace cubelink::cli {

using rpc::Array;
using rpc::Map;
using rpc::Value;

namespace {

/// By --format, or else by the ending of the file's name; png if neither says.
std::string format_of(const Parsed& parsed, const std::string& output) {
    if (parsed.has("format")) return parsed.text("format");
    const auto dot = output.rfind('.');
    auto ending = dot == std::string::npos ? std::string() : output.substr(dot + 1);
    std::transform(ending.begin(), ending.end(), ending.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    if (ending == "jpg" || ending == "jpeg") return "jpeg";
    return ending == "webp" ? "webp" : "png";
}

/// One number, or WIDTHxHEIGHT.
Value size_of(const std::string& text) {
    const auto by = text.find('x');
    const auto side = [&](const std::string& part) {
        const auto value = parse_integer(part, "--size");
        if (value < 1) throw UsageError("--size: " + text + " is no size");
        return value;
    };
    if (by == std::string::npos) return side(text);
    return Array{side(text.substr(0, by)), side(text.substr(by + 1))};
}

} // namespace

int run_picture(const Parsed& parsed) {
    const auto output = parsed.text("output", "-");
    if (output == "-" && ::isatty(STDOUT_FILENO) == 1) throw UsageError("a picture is not for a terminal: --output FILE");
    Map options{{"format", format_of(parsed, output)}, {"channel", parsed.integer("channel")}};
    if (parsed.has("size")) options["size"] = size_of(parsed.text("size"));
    if (parsed.has("stokes")) {
        const auto stokes = parsed.text("stokes");
        const bool index = stokes.find_first_not_of("0123456789") == std::string::npos;
        options["stokes"] = index ? Value(parse_integer(stokes, "--stokes")) : Value(stokes);
    }
    if (parsed.has("percentile") && parsed.has("limits")) throw UsageError("either --percentile or --limits");
    if (parsed.has("percentile")) options["percentile"] = parsed.number("percentile");
    if (parsed.has("limits")) {
        const auto [low, high] = parsed.range("limits");
        options["limits"] = Array{low, high};
    }
    if (parsed.has("stretch")) options["stretch"] = parsed.text("stretch");
    if (parsed.has("colour-map")) options["colour_map"] = parsed.text("colour-map");
    if (parsed.has("invert")) options["inverted"] = true;
    if (parsed.has("beam")) options["beam"] = true;
    if (parsed.has("grid")) options["grid"] = parsed.text("grid");

    Connection connection(parsed);
    const auto image = connection.viewer().open(parsed.text("FILE"), parsed.text("hdu"));
    const auto answer = connection.call("image.render", {image.file_id()}, std::move(options));
    const auto* data = field(answer, "data").get_if<rpc::Bytes>();
    if (!data) throw rpc::CallError(rpc::code::method_failed, "the server sent no picture");
    write_file(output, data->text());
    if (parsed.has("json") && output != "-")
        print(json(Map{{"file", output}, {"width", field(answer, "width")}, {"height", field(answer, "height")}, {"limits", field(answer, "limits")}, {"stretch", field(answer, "stretch")}}) + "\n");
    return exit_status::success;
}

} // namespace cubelink::cli
