// list, info and header: what the server says of files that are not opened.

#include "clients/cli/connection.hpp"
#include "clients/cli/output.hpp"
#include "clients/cli/run.hpp"
#include "clients/cli/values.hpp"

#include <algorithm>
#include <ctime>

namespace cubelink::cli {

using rpc::Array;
using rpc::Map;
using rpc::Value;

namespace {

std::string date_of(std::int64_t seconds) {
    const auto time = static_cast<std::time_t>(seconds);
    std::tm parts{};
    char buffer[40];
    if (!::gmtime_r(&time, &parts) || std::strftime(buffer, sizeof buffer, "%Y-%m-%dT%H:%M:%SZ", &parts) == 0) return "";
    return buffer;
}

/// FILE_INFO_RESPONSE of the file, of one HDU if that is given.
Value information(Connection& connection, const Parsed& parsed) {
    const auto path = parsed.text("FILE");
    const auto slash = path.rfind('/');
    connection.viewer();
    return connection.call("carta.file.info.request", {Map{{"directory", slash == std::string::npos ? "" : path.substr(0, slash)},
                                                           {"file", slash == std::string::npos ? path : path.substr(slash + 1)},
                                                           {"hdu", parsed.text("hdu")}}});
}

/// By name: the server lists them as its file system does.
Array by_name(Array entries) {
    std::sort(entries.begin(), entries.end(), [](const Value& a, const Value& b) { return text(field(a, "name")) < text(field(b, "name")); });
    return entries;
}

Value entry_value(const Value& entry) {
    const auto type = text(field(entry, "entry_type"));
    if (type == "INT" || type == "FLOAT") {
        const auto* number = field(entry, "numeric_value").get_if<double>();
        if (number && type == "INT" && *number == static_cast<double>(integer(*number))) return integer(*number);
        if (number) return *number;
    }
    return text(field(entry, "value"));
}

} // namespace

int run_list(const Parsed& parsed) {
    Connection connection(parsed);
    connection.viewer();
    const auto answer = connection.call("carta.file.list.request", {Map{{"directory", parsed.text("FOLDER")}, {"filter_mode", "Content"}}});
    const auto found_folders = by_name(items(field(answer, "subdirectories"))), found_files = by_name(items(field(answer, "files")));
    if (parsed.has("json")) {
        Array folders, files;
        for (const auto& folder : found_folders)
            folders.push_back(Map{{"name", field(folder, "name")}, {"items", field(folder, "item_count")}, {"date", date_of(integer(field(folder, "date")))}});
        for (const auto& file : found_files)
            files.push_back(Map{{"name", field(file, "name")},
                                {"type", field(file, "type")},
                                {"size", field(file, "size")},
                                {"date", date_of(integer(field(file, "date")))}});
        print(json(Map{{"folder", field(answer, "directory")}, {"folders", std::move(folders)}, {"files", std::move(files)}}) + "\n");
        return 0;
    }
    std::vector<std::vector<std::string>> rows;
    const bool everything = parsed.has("long");
    for (const auto& folder : found_folders) {
        const auto name = printable(text(field(folder, "name"))) + "/";
        if (everything) rows.push_back({"folder", std::to_string(integer(field(folder, "item_count"))) + " items", date_of(integer(field(folder, "date"))), name});
        else rows.push_back({name});
    }
    for (const auto& file : found_files) {
        const auto name = printable(text(field(file, "name")));
        if (everything) rows.push_back({text(field(file, "type")), std::to_string(integer(field(file, "size"))), date_of(integer(field(file, "date"))), name});
        else rows.push_back({name});
    }
    print(table(rows));
    return 0;
}

int run_info(const Parsed& parsed) {
    Connection connection(parsed);
    const auto answer = information(connection, parsed);
    const auto* hdus = field(answer, "file_info_extended").get_if<Map>();
    Map all;
    std::vector<std::vector<std::string>> rows;
    if (hdus)
        for (const auto& [name, info] : *hdus) {
            Map entries;
            if (!rows.empty()) rows.push_back({});
            for (const auto& entry : items(field(info, "computed_entries"))) {
                rows.push_back({printable(text(field(entry, "name"))), printable(text(field(entry, "value")))});
                entries[text(field(entry, "name"))] = field(entry, "value");
            }
            Map hdu{{"width", field(info, "width")}, {"height", field(info, "height")}, {"channels", field(info, "depth")}, {"stokes", field(info, "stokes")},
                    {"entries", std::move(entries)}};
            all[text(name)] = std::move(hdu);
        }
    const auto& file = field(answer, "file_info");
    if (parsed.has("json")) print(json(Map{{"file", parsed.text("FILE")}, {"type", field(file, "type")}, {"size", field(file, "size")}, {"hdus", std::move(all)}}) + "\n");
    else print(table(rows));
    return 0;
}

int run_header(const Parsed& parsed) {
    Connection connection(parsed);
    const auto answer = information(connection, parsed);
    const auto* hdus = field(answer, "file_info_extended").get_if<Map>();
    if (!hdus || hdus->empty()) throw rpc::CallError(rpc::code::method_failed, parsed.text("FILE") + " has no image");
    const auto& entries = items(field(hdus->begin()->second, "header_entries"));
    const auto& keywords = parsed.all("KEYWORD");
    Array chosen;
    if (keywords.empty()) {
        chosen = entries;
    } else {
        for (const auto& keyword : keywords) {
            const auto before = chosen.size();
            for (const auto& entry : entries)
                if (text(field(entry, "name")) == keyword) chosen.push_back(entry);
            if (chosen.size() == before) throw rpc::CallError(rpc::code::method_failed, parsed.text("FILE") + " has no keyword " + keyword);
        }
    }
    if (parsed.has("json")) {
        Array cards;
        for (const auto& entry : chosen)
            cards.push_back(Map{{"name", field(entry, "name")}, {"value", entry_value(entry)}, {"comment", field(entry, "comment")}});
        print(json(cards) + "\n");
        return 0;
    }
    std::string out;
    for (const auto& entry : chosen) {
        const auto name = printable(text(field(entry, "name"))), value = printable(text(field(entry, "value"))), comment = printable(text(field(entry, "comment")));
        if (!keywords.empty()) out += value + "\n";
        else out += name + std::string(name.size() < 8 ? 8 - name.size() : 0, ' ') + "= " + value + (comment.empty() ? "" : " / " + comment) + "\n";
    }
    print(out);
    return 0;
}

} // namespace cubelink::cli
