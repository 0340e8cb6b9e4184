#include "clients/cli/regions.hpp"

#include "clients/cli/progress.hpp"
#include "clients/cli/values.hpp"

#include <algorithm>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>

namespace cubelink::cli {

using rpc::Array;
using rpc::Map;
using rpc::Value;

namespace {

std::string trimmed(const std::string& text) {
    const auto first = text.find_first_not_of(" \t\r\n");
    return first == std::string::npos ? std::string() : text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

Value point(double x, double y) { return Map{{"x", x}, {"y", y}}; }

/// The whole spectrum of one region, when it has come.
struct Awaited {
    std::mutex mutex;
    std::condition_variable changed;
    std::optional<std::vector<double>> values;
    std::optional<std::string> lost, refused;
};

} // namespace

bool short_region(const std::string& given, RegionShape& shape) {
    const auto text = trimmed(given);
    const auto open = text.find('(');
    if (open == std::string::npos || text.back() != ')' || text.find_first_of(";\n#[\"':") != std::string::npos) return false;
    const auto name = trimmed(text.substr(0, open));
    std::vector<double> numbers;
    for (std::size_t at = open + 1; at < text.size();) {
        const auto end = std::min(text.find(',', at), text.size() - 1);
        numbers.push_back(parse_number(trimmed(text.substr(at, end - at)), "--region: " + name));
        at = end + 1;
    }
    const auto count = numbers.size();
    const auto needs = [&](bool right, const char* form) {
        if (!right) throw UsageError("--region: expected " + std::string(form) + ", got \"" + text + "\"");
    };
    const auto sizes = [&](std::size_t from, std::size_t to) { return std::all_of(numbers.begin() + static_cast<long>(from), numbers.begin() + static_cast<long>(to), [](double size) { return size > 0; }); };
    if (name == "circle") {
        needs(count == 3 && sizes(2, 3), "circle(X,Y,RADIUS)");
        shape = {"ELLIPSE", {point(numbers[0], numbers[1]), point(numbers[2], numbers[2])}};
    } else if (name == "ellipse") {
        needs((count == 4 || count == 5) && sizes(2, 4), "ellipse(X,Y,A,B[,ANGLE])");
        // The ICD's first semi-axis lies along y.
        shape = {"ELLIPSE", {point(numbers[0], numbers[1]), point(numbers[3], numbers[2])}, count == 5 ? numbers[4] : 0.0};
    } else if (name == "box") {
        needs((count == 4 || count == 5) && sizes(2, 4), "box(X,Y,WIDTH,HEIGHT[,ANGLE])");
        shape = {"RECTANGLE", {point(numbers[0], numbers[1]), point(numbers[2], numbers[3])}, count == 5 ? numbers[4] : 0.0};
    } else if (name == "polygon" || name == "line" || name == "point") {
        if (name == "polygon") needs(count >= 6 && count % 2 == 0, "polygon(X1,Y1,X2,Y2,X3,Y3,…)");
        else if (name == "line") needs(count == 4, "line(X1,Y1,X2,Y2)");
        else needs(count == 2, "point(X,Y)");
        shape = {name == "polygon" ? "POLYGON" : name == "line" ? "LINE" : "POINT", {}};
        for (std::size_t i = 0; i < count; i += 2) shape.points.push_back(point(numbers[i], numbers[i + 1]));
    } else {
        throw UsageError("--region: there is no \"" + name + "\", but circle, ellipse, box, polygon, line and point");
    }
    return true;
}

std::vector<std::int32_t> make_regions(Connection& connection, std::int32_t file_id, const std::string& text) {
    RegionShape shape;
    if (short_region(text, shape)) {
        Map info{{"region_type", shape.kind}, {"control_points", std::move(shape.points)}, {"rotation", shape.rotation}};
        const auto answer = connection.call("carta.set.region", {Map{{"file_id", file_id}, {"region_id", -1}, {"region_info", std::move(info)}}});
        return {static_cast<std::int32_t>(integer(field(answer, "region_id")))};
    }
    auto contents = trimmed(text);
    bool casa = contents.starts_with("#CRTF");
    if (!casa && contents.find("[[") != std::string::npos) { // one shape of such a file
        contents = "#CRTFv0\n" + contents;
        casa = true;
    }
    const auto answer = connection.call("carta.import.region", {Map{{"group_id", file_id}, {"type", casa ? "CRTF" : "DS9_REG"}, {"contents", Array{contents}}}});
    std::vector<std::int32_t> ids;
    if (const auto* regions = field(answer, "regions").get_if<Map>())
        for (const auto& [id, region] : *regions) ids.push_back(static_cast<std::int32_t>(parse_integer(cli::text(id), "a region's id")));
    std::sort(ids.begin(), ids.end());
    if (ids.empty()) throw UsageError("--region: there is no region in it");
    return ids;
}

std::vector<double> region_spectrum(Connection& connection, std::int32_t file_id, std::int32_t region_id, const std::string& statistic, const std::string& bar) {
    const auto awaited = std::make_shared<Awaited>();
    const auto progress = std::make_shared<Progress>(bar, !bar.empty());
    std::weak_ptr<Progress> weak_bar = progress;
    connection.client().listen("carta.spectral.profile.data", [=](const Value& message) {
        if (integer(field(message, "file_id")) != file_id || integer(field(message, "region_id")) != region_id) return;
        const auto* part = field(message, "progress").get_if<double>();
        if (const auto shown = weak_bar.lock(); shown && part) shown->show(*part);
        if (part && *part < 1) return;
        for (const auto& profile : items(field(message, "profiles"))) {
            if (text(field(profile, "stats_type")) != statistic) continue;
            std::lock_guard lock(awaited->mutex);
            awaited->values = numbers(field(profile, "raw_values_fp64"));
            awaited->changed.notify_all();
        }
    });
    connection.client().listen("carta.error.data", [=](const Value& message) {
        for (const auto& tag : items(field(message, "tags"))) {
            if (text(tag) != "spectral") continue;
            std::lock_guard lock(awaited->mutex);
            awaited->refused = text(field(message, "message"));
            awaited->changed.notify_all();
        }
    });
    connection.client().on_state([=](client::Client::State state, const std::string& why) {
        if (state == client::Client::State::connected) return;
        std::lock_guard lock(awaited->mutex);
        awaited->lost = why;
        awaited->changed.notify_all();
    });
    Map request{{"file_id", file_id}, {"region_id", region_id}, {"spectral_profiles", Array{Map{{"coordinate", "z"}, {"stats_types", Array{statistic}}}}}};
    connection.call("carta.set.spectral.requirements", {std::move(request)});
    std::unique_lock lock(awaited->mutex);
    awaited->changed.wait(lock, [&] { return awaited->values || awaited->lost || awaited->refused; }); // --timeout ends the connection
    if (awaited->values) return *awaited->values;
    if (awaited->refused) throw rpc::CallError(rpc::code::method_failed, *awaited->refused);
    throw client::ConnectionLost(*awaited->lost);
}

} // namespace cubelink::cli
