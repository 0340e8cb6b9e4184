#include "server/net/http/static_files.hpp"

#include "server/net/http/http_util.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <stdexcept>

#include <sys/stat.h>

namespace cubelink::server {
namespace {

using transport::HttpRequest;
using transport::HttpResponse;

std::optional<std::string> real_path(const std::string& path) {
    const std::unique_ptr<char, decltype(&std::free)> resolved(::realpath(path.c_str(), nullptr), &std::free);
    if (!resolved) return std::nullopt;
    return std::string(resolved.get());
}

/// Whether no part of the path is empty, hidden, or made to mislead.
bool is_safe_path(std::string_view path) {
    if (path.empty() || path.front() != '/' || path.size() > 4096) return false;
    for (const char c : path)
        if (static_cast<unsigned char>(c) < ' ' || c == 0x7f || c == '\\') return false;
    for (std::size_t at = 0; at < path.size(); ++at) {
        if (path[at] != '/') continue;
        if (at + 1 < path.size() && (path[at + 1] == '.' || path[at + 1] == '/')) return false;
    }
    return true;
}

struct File {
    std::string path;
    struct stat facts {};
};

/// The file or folder, if it lies in the root once links are followed.
std::optional<File> find(const std::string& root, std::string_view path) {
    File file;
    auto resolved = real_path(root + std::string(path));
    if (!resolved) return std::nullopt;
    if (*resolved != root && (resolved->compare(0, root.size(), root) != 0 || (*resolved)[root.size()] != '/')) return std::nullopt;
    if (*resolved != root && !is_safe_path(std::string_view(*resolved).substr(root.size()))) return std::nullopt;
    file.path = std::move(*resolved);
    if (::stat(file.path.c_str(), &file.facts) != 0) return std::nullopt;
    return file;
}

bool is_file(const std::optional<File>& file) { return file && S_ISREG(file->facts.st_mode); }

HttpResponse plain(int status, std::string text) {
    HttpResponse response;
    response.status = status;
    response.headers = {{"Content-Type", "text/plain; charset=utf-8"}, {"Cache-Control", "no-cache"}};
    response.body = std::move(text);
    return response;
}

void add_security_headers(HttpResponse& response) {
    response.headers.emplace_back("X-Content-Type-Options", "nosniff");
    // The address of a page can carry the secret: it stays with us.
    response.headers.emplace_back("Referrer-Policy", "same-origin");
}

/// Whether a build has put a hash of the content into the name (index-BfX3a9Qz.js, main.3f2a1b9c.js): such a file never changes.
bool is_hashed(std::string_view path) {
    if (path.find("/assets/") == std::string_view::npos && path.find("/static/") == std::string_view::npos) return false;
    auto name = path.substr(path.rfind('/') + 1);
    const auto extension = name.rfind('.');
    if (extension == std::string_view::npos) return false;
    name = name.substr(0, extension);
    if (name.size() > 6 && name.substr(name.size() - 6) == ".chunk") name.remove_suffix(6);
    if (name.size() < 10) return false;
    const auto looks_random = [](std::string_view text) {
        bool digit = false, upper = false, lower = false;
        for (const char c : text) {
            digit |= c >= '0' && c <= '9';
            upper |= c >= 'A' && c <= 'Z';
            lower |= c >= 'a' && c <= 'z';
        }
        return digit || (upper && lower);
    };
    // The hash may hold dashes itself, so its length decides: 8 characters, or what stands behind the last separator if that is more.
    const auto last = name.find_last_of("-.");
    if (last != std::string_view::npos && name.size() - last - 1 >= 8) return looks_random(name.substr(last + 1));
    const char separator = name[name.size() - 9];
    return (separator == '-' || separator == '.') && looks_random(name.substr(name.size() - 8));
}

std::string etag_of(const File& file, bool gzip) {
    char text[80];
    std::snprintf(text, sizeof text, "\"%llx-%llx%s\"", static_cast<unsigned long long>(file.facts.st_size),
                  static_cast<unsigned long long>(file.facts.st_mtim.tv_sec) * 1'000'000'000ull +
                      static_cast<unsigned long long>(file.facts.st_mtim.tv_nsec),
                  gzip ? "-gz" : "");
    return text;
}

/// The redirect from "…/folder" to "…/folder/", as a relative reference made of the target as it was sent.
HttpResponse redirect_to_folder(const HttpRequest& request) {
    const auto target = split_target(request.target);
    std::string location("./");
    location.append(target.path.substr(target.path.rfind('/') + 1)).append("/");
    if (!target.query.empty()) location.append("?").append(target.query);
    auto response = plain(301, std::string("see ").append(location).append("\n"));
    response.headers.emplace_back("Location", location);
    return response;
}

bool not_modified(const HttpRequest& request, const std::string& etag, std::time_t modified) {
    if (const auto field = request.header("if-none-match"); !field.empty()) return etag_matches(field, etag);
    const auto since = parse_http_date(request.header("if-modified-since"));
    return since && modified <= *since;
}

/// If-Match and If-Unmodified-Since: what was asked for is done only to the very file that the client means.
bool is_another_file(const HttpRequest& request, const std::string& etag, std::time_t modified) {
    if (const auto field = request.header("if-match"); !field.empty()) return !etag_matches(field, etag) || field.substr(0, 2) == "W/";
    const auto since = parse_http_date(request.header("if-unmodified-since"));
    return since && modified > *since;
}

/// A range holds only for the very file that the client has part of.
bool range_applies(const HttpRequest& request, const std::string& etag, std::time_t modified) {
    const auto field = request.header("if-range");
    if (field.empty() || field == etag) return true;
    const auto date = parse_http_date(field);
    return date && *date == modified;
}

HttpResponse send_file(const HttpRequest& request, std::string_view path, const File& file, bool gzip, bool has_twin) {
    HttpResponse response;
    const auto etag = etag_of(file, gzip);
    const auto modified = file.facts.st_mtim.tv_sec;
    const auto size = static_cast<std::uint64_t>(file.facts.st_size);
    auto& headers = response.headers;
    headers.emplace_back("ETag", etag);
    headers.emplace_back("Last-Modified", http_date(modified));
    headers.emplace_back("Cache-Control", is_hashed(path) ? "public, max-age=31536000, immutable" : "no-cache");
    if (has_twin) headers.emplace_back("Vary", "Accept-Encoding");
    if (is_another_file(request, etag, modified)) return plain(412, "the file has changed\n");
    if (not_modified(request, etag, modified)) {
        response.status = 304;
        return response;
    }
    headers.emplace_back("Content-Type", media_type(path));
    if (gzip) headers.emplace_back("Content-Encoding", "gzip");
    else headers.emplace_back("Accept-Ranges", "bytes");
    response.file_path = file.path;
    response.file_size = size;
    const auto field = request.header("range");
    if (gzip || request.method == "HEAD" || field.empty() || !range_applies(request, etag, modified)) return response;
    const auto range = parse_range(field, size);
    if (range.kind == ByteRange::Kind::unsatisfiable) {
        auto refusal = plain(416, std::string("the file has ").append(std::to_string(size)).append(" bytes\n"));
        refusal.headers.emplace_back("Content-Range", std::string("bytes */").append(std::to_string(size)));
        return refusal;
    }
    if (range.kind == ByteRange::Kind::part) {
        response.status = 206;
        response.file_offset = range.offset;
        response.file_size = range.size;
        char text[80];
        std::snprintf(text, sizeof text, "bytes %llu-%llu/%llu", static_cast<unsigned long long>(range.offset),
                      static_cast<unsigned long long>(range.offset + range.size - 1), static_cast<unsigned long long>(size));
        headers.emplace_back("Content-Range", text);
    }
    return response;
}

HttpResponse answer(const std::string& root, const HttpRequest& request, std::string_view asked) {
    if (request.method != "GET" && request.method != "HEAD") {
        auto response = plain(405, "only GET and HEAD\n");
        response.headers.emplace_back("Allow", "GET, HEAD");
        return response;
    }
    const auto missing = [&] { return plain(404, "no such page\n"); };
    if (asked.empty()) return redirect_to_folder(request);
    if (!is_safe_path(asked)) return missing();
    std::string path(asked);
    if (path.back() == '/') path += "index.html";
    auto file = find(root, path);
    if (file && S_ISDIR(file->facts.st_mode)) return redirect_to_folder(request);
    // A range counts the bytes of the file itself, so the twin is not for it.
    const auto twin = find(root, path + ".gz");
    const bool gzip = is_file(twin) && accepts_gzip(request.header("accept-encoding")) && request.header("range").empty();
    if (gzip) return send_file(request, path, *twin, true, true);
    if (!is_file(file)) return missing();
    return send_file(request, path, *file, false, is_file(twin));
}

} // namespace

StaticFiles::StaticFiles(const std::string& root) {
    const auto resolved = real_path(root);
    struct stat facts {};
    if (!resolved || ::stat(resolved->c_str(), &facts) != 0 || !S_ISDIR(facts.st_mode)) throw std::runtime_error(root + " is not a folder");
    root_ = *resolved == "/" ? std::string{} : *resolved;
}

HttpResponse StaticFiles::serve(const HttpRequest& request, std::string_view path) const {
    auto response = answer(root_, request, path);
    add_security_headers(response);
    return response;
}

} // namespace cubelink::server
