#include "clients/cli/connection.hpp"
#include "clients/cli/exit_status.hpp"
#include "clients/cli/input.hpp"
#include "clients/cli/output.hpp"
#include "clients/cli/progress.hpp"
#include "clients/cli/regions.hpp"
#include "clients/cli/run.hpp"
#include "clients/cli/values.hpp"

namespace cubelink::cli {

using rpc::Array;
using rpc::Map;

const std::vector<std::pair<std::string, int>>& moment_names() {
    static const std::vector<std::pair<std::string, int>> names = {
        {"mean", 0}, {"integrated", 1}, {"velocity", 2}, {"dispersion", 3}, {"median", 4}, {"median-velocity", 5}, {"sigma", 6}, {"rms", 7}, {"mean-deviation", 8},
        {"max", 9}, {"max-velocity", 10}, {"min", 11}, {"min-velocity", 12}};
    return names;
}

int run_moments(const Parsed& parsed) {
    Array numbers_of_moments;
    auto chosen = parsed.all("moment");
    if (chosen.empty()) chosen = {"integrated"};
    for (const auto& name : chosen)
        for (const auto& [known, number] : moment_names())
            if (known == name) numbers_of_moments.emplace_back(number);
    Map request{{"moments", std::move(numbers_of_moments)}, {"axis", "SPECTRAL"}, {"region_id", -1}, {"mask", "None"}};
    if (parsed.has("include") && parsed.has("exclude")) throw UsageError("either --include or --exclude");
    for (const auto& [option, mask] : {std::pair{"include", "Include"}, std::pair{"exclude", "Exclude"}})
        if (parsed.has(option)) {
            const auto [low, high] = parsed.range(option);
            request["mask"] = mask;
            request["pixel_range"] = Map{{"min", low}, {"max", high}};
        }
    if (parsed.has("rest-frequency")) request["rest_freq"] = parsed.number("rest-frequency");
    const auto output = parsed.text("save");
    if (parsed.has("save")) {
        const auto slash = output.rfind('/');
        request["output_directory"] = slash == std::string::npos ? "" : output.substr(0, slash);
        request["output_file"] = slash == std::string::npos ? output : output.substr(slash + 1);
        request["overwrite"] = parsed.has("overwrite");
    }
    std::pair<std::int64_t, std::int64_t> channels{0, -1};
    if (parsed.has("channels")) {
        const auto text = parsed.text("channels");
        const auto colon = text.find(':');
        if (colon == std::string::npos) throw UsageError("--channels: expected FROM:TO, got \"" + text + "\"");
        channels = {parse_integer(text.substr(0, colon), "--channels"), parse_integer(text.substr(colon + 1), "--channels")};
        if (channels.first < 0 || channels.second <= channels.first) throw UsageError("--channels: " + text + " has no channel");
    }

    const auto region = text_or_file(parsed.text("region"), "--region");
    Connection connection(parsed);
    const auto image = connection.viewer().open(parsed.text("FILE"), parsed.text("hdu"));
    request["file_id"] = image.file_id();
    if (parsed.has("region")) {
        const auto made = make_regions(connection, image.file_id(), region);
        if (made.size() != 1) throw UsageError("--region: moments are made of one region, and there are " + std::to_string(made.size()));
        request["region_id"] = made[0];
    }
    const auto last = channels.second < 0 ? image.channels() : channels.second;
    request["spectral_range"] = Map{{"min", channels.first}, {"max", last - 1}}; // the ICD's includes its end
    rpc::Value answer;
    {
        const auto progress = std::make_shared<Progress>("moments", !parsed.has("quiet"));
        std::weak_ptr<Progress> weak = progress;
        connection.client().listen("carta.moment.progress", [weak](const rpc::Value& message) {
            if (const auto bar = weak.lock())
                if (const auto* part = field(message, "progress").get_if<double>()) bar->show(*part);
        });
        answer = connection.call("carta.moment.request", {std::move(request)});
    }
    const auto message = text(field(answer, "message"));
    Array results;
    std::vector<std::vector<std::string>> rows{{"moment", "unit", "pixels", "min", "mean", "max"}};
    std::size_t at = 0;
    for (const auto& ack : items(field(answer, "open_file_acks"))) {
        const auto statistics = connection.call("image.statistics", {field(ack, "file_id")}, Map{{"types", Array{"NumPixels", "Min", "Mean", "Max"}}});
        const auto& values = field(statistics, "statistics");
        const auto name = at < chosen.size() ? chosen[at] : text(field(field(ack, "file_info"), "name"));
        ++at;
        const auto shown = [&](const char* what) {
            const auto* number = field(values, what).get_if<double>();
            return number ? decimal(*number) : std::string("nan");
        };
        rows.push_back({name, printable(text(field(statistics, "unit"))), shown("NumPixels"), shown("Min"), shown("Mean"), shown("Max")});
        results.push_back(Map{{"moment", name}, {"unit", field(statistics, "unit")}, {"pixels", field(values, "NumPixels")}, {"min", field(values, "Min")},
                              {"mean", field(values, "Mean")}, {"max", field(values, "Max")}});
    }
    if (parsed.has("json")) {
        Map result{{"moments", std::move(results)}, {"message", message}};
        if (!output.empty()) result["saved"] = output;
        print(json(result) + "\n");
        return exit_status::success;
    }
    print(table(rows));
    if (!message.empty() && !parsed.has("quiet")) complain("cubelink-cli", message, exit_status::success, 0, false);
    return exit_status::success;
}

} // namespace cubelink::cli
