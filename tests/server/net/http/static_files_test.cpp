#include "server/net/http/static_files.hpp"

#include "server/net/http/http_util.hpp"

#include "doctest/doctest.h"

#include <filesystem>
#include <fstream>
#include <stdexcept>

#include <sys/stat.h>
#include <unistd.h>

using namespace cubelink::server;
using namespace cubelink::transport;
namespace fs = std::filesystem;

namespace {

/// A folder to serve, with a secret beside it.
struct Site {
    Site() {
        std::string name = (fs::temp_directory_path() / "static_files_XXXXXX").string();
        if (!::mkdtemp(name.data())) throw std::runtime_error("mkdtemp");
        top = name;
        write("secret.txt", "secret");
        write("www-evil/file", "secret");
        write("www/index.html", "<p>index");
        write("www/app.js", "0123456789");
        write("www/app.js.gz", "zipped");
        write("www/only.css.gz", "zipped");
        write("www/sub/index.html", "sub");
        write("www/empty/other.txt", "other");
        write("www/.hidden", "hidden");
        write("www/.git/config", "hidden");
        write("www/a b\xc3\xa4%.txt", "odd name");
        write("www/assets/index-BfX3a9Qz.js", "x");
        write("www/assets/main-document.js", "x");
        write("www/static/js/main.3f2a1b9c.chunk.js", "x");
        fs::create_symlink("../secret.txt", top / "www/out");
        fs::create_symlink(top / "secret.txt", top / "www/absolute");
        fs::create_symlink("..", top / "www/up");
        fs::create_symlink("../www-evil", top / "www/beside");
        fs::create_symlink("app.js", top / "www/inside.js");
        fs::create_symlink(".hidden", top / "www/visible");
        fs::create_symlink("loop", top / "www/loop");
        ::mkfifo((top / "www/pipe").c_str(), 0600);
    }
    ~Site() { fs::remove_all(top); }
    void write(const fs::path& name, const std::string& text) const {
        fs::create_directories((top / name).parent_path());
        std::ofstream(top / name) << text;
    }
    fs::path top;
};

HttpResponse get(const Site& site, const std::string& target, std::vector<std::pair<std::string, std::string>> headers = {}, std::string method = "GET") {
    HttpRequest request;
    request.method = std::move(method);
    request.target = target;
    request.headers = std::move(headers);
    const auto path = percent_decode(split_target(target).path);
    REQUIRE(path);
    return StaticFiles((site.top / "www").string()).serve(request, *path);
}

std::string field(const HttpResponse& response, std::string_view name) {
    std::string found;
    for (const auto& [key, value] : response.headers) {
        if (key != name) continue;
        CHECK(found.empty());
        found = value;
    }
    return found;
}

std::string content(const HttpResponse& response) {
    std::ifstream file(response.file_path, std::ios::binary);
    std::string text(response.file_size, '\0');
    file.seekg(static_cast<std::streamoff>(response.file_offset));
    file.read(text.data(), static_cast<std::streamsize>(text.size()));
    return text;
}

} // namespace

TEST_CASE("files, folders and types") {
    const Site site;
    auto r = get(site, "/");
    CHECK(r.status == 200);
    CHECK(content(r) == "<p>index");
    CHECK(field(r, "Content-Type") == "text/html; charset=utf-8");
    CHECK(field(r, "Cache-Control") == "no-cache");
    CHECK(field(r, "X-Content-Type-Options") == "nosniff");
    CHECK_FALSE(field(r, "Referrer-Policy").empty());
    r = get(site, "/app.js");
    CHECK(content(r) == "0123456789");
    CHECK(field(r, "Content-Type") == "text/javascript; charset=utf-8");
    CHECK(content(get(site, "/inside.js")) == "0123456789");
    CHECK(content(get(site, "/a%20b%C3%A4%25.txt")) == "odd name");
    CHECK(content(get(site, "/sub/?x=1")) == "sub");
    r = get(site, "/sub?a=b");
    CHECK(r.status == 301);
    CHECK(field(r, "Location") == "./sub/?a=b");
    r = get(site, "/app.js", {}, "HEAD");
    CHECK(r.file_size == 10);
    for (const char* method : {"POST", "PUT", "DELETE", "OPTIONS", "get"}) {
        r = get(site, "/app.js", {}, method);
        CHECK(r.status == 405);
        CHECK(field(r, "Allow") == "GET, HEAD");
    }
    CHECK(field(get(site, "/assets/index-BfX3a9Qz.js"), "Cache-Control").find("immutable") != std::string::npos);
    CHECK(field(get(site, "/static/js/main.3f2a1b9c.chunk.js"), "Cache-Control").find("immutable") != std::string::npos);
    CHECK(field(get(site, "/assets/main-document.js"), "Cache-Control") == "no-cache");
    CHECK_THROWS_AS(StaticFiles((site.top / "nothing").string()), std::runtime_error);
    CHECK_THROWS_AS(StaticFiles((site.top / "secret.txt").string()), std::runtime_error);
}

TEST_CASE("no way out of the folder") {
    const Site site;
    for (const char* path : {"/nothing", "/empty/", "/pipe", "/loop", "/.hidden", "/.git/config", "/visible", "/sub/../app.js", "/..", "/../secret.txt", "/%2e%2e/secret.txt",
                             "/..%2fsecret.txt", "/%2e%2e%2fsecret.txt", "/sub/..%2f..%2fsecret.txt", "/.", "/./app.js", "//app.js", "/sub//index.html", "/..\\secret.txt",
                             "/%5c..%5csecret.txt", "/app.js%00.html", "/%00", "/app.js/", "/app.js/x", "/out", "/absolute", "/up/", "/up/secret.txt", "/beside/file",
                             "/%2fetc/passwd", "//etc/passwd", "/etc/passwd", "/%0d%0aX:%20y", "/index.html%0a", "/www-evil/file", "/%252e%252e/secret.txt", "/app.js."}) {
        CAPTURE(path);
        const auto r = get(site, path);
        CHECK(r.status == 404);
        CHECK(r.file_path.empty());
        CHECK(field(r, "X-Content-Type-Options") == "nosniff");
    }
    CHECK(get(site, "/" + std::string(5000, 'a')).status == 404);
    std::string deep;
    for (int i = 0; i < 1000; ++i) deep += "/a";
    CHECK(get(site, deep).status == 404);
    // A redirect never leads to another host.
    for (const char* path : {"/sub", "/empty", "//sub", "/%2fsub"}) {
        const auto location = field(get(site, path), "Location");
        CHECK((location.empty() || location.substr(0, 2) == "./"));
    }
}

TEST_CASE("validators") {
    const Site site;
    const auto first = get(site, "/app.js");
    const auto etag = field(first, "ETag"), date = field(first, "Last-Modified");
    CHECK(parse_http_date(date));
    auto r = get(site, "/app.js", {{"if-none-match", "\"other\", " + etag}});
    CHECK(r.status == 304);
    CHECK(r.file_path.empty());
    CHECK(field(r, "ETag") == etag);
    CHECK(get(site, "/app.js", {{"if-none-match", "\"other\""}}).status == 200);
    CHECK(get(site, "/app.js", {{"if-modified-since", date}}).status == 304);
    CHECK(get(site, "/app.js", {{"if-modified-since", http_date(*parse_http_date(date) - 1)}}).status == 200);
    CHECK(get(site, "/app.js", {{"if-modified-since", "yesterday"}}).status == 200);
    CHECK(get(site, "/app.js", {{"if-none-match", "\"other\""}, {"if-modified-since", date}}).status == 200); // the tag decides
    CHECK(get(site, "/app.js", {{"if-match", "\"other\""}}).status == 412);
    CHECK(get(site, "/app.js", {{"if-match", "\"other\", " + etag}}).status == 200);
    CHECK(get(site, "/app.js", {{"if-match", "*"}}).status == 200);
    CHECK(get(site, "/app.js", {{"if-unmodified-since", date}}).status == 200);
    CHECK(get(site, "/app.js", {{"if-unmodified-since", http_date(*parse_http_date(date) - 1)}}).status == 412);
    site.write("www/app.js", "changed");
    CHECK(get(site, "/app.js", {{"if-none-match", etag}}).status == 200);
}

TEST_CASE("ranges") {
    const Site site;
    auto r = get(site, "/app.js", {{"range", "bytes=2-4"}});
    CHECK(r.status == 206);
    CHECK(content(r) == "234");
    CHECK(field(r, "Content-Range") == "bytes 2-4/10");
    r = get(site, "/app.js", {{"range", "bytes=2-99999999999999999999"}});
    CHECK(r.status == 206);
    CHECK(content(r) == "23456789");
    CHECK(get(site, "/app.js", {{"range", "bytes=2-4"}}, "HEAD").status == 200); // ranges are for GET
    r = get(site, "/app.js", {{"range", "bytes=10-"}});
    CHECK(r.status == 416);
    CHECK(field(r, "Content-Range") == "bytes */10");
    CHECK(r.file_path.empty());
    const auto etag = field(r = get(site, "/app.js"), "ETag");
    CHECK(get(site, "/app.js", {{"range", "bytes=0-1"}, {"if-range", etag}}).status == 206);
    CHECK(get(site, "/app.js", {{"range", "bytes=0-1"}, {"if-range", "\"old\""}}).status == 200);
    CHECK(get(site, "/app.js", {{"range", "bytes=0-1"}, {"if-range", field(r, "Last-Modified")}}).status == 206);
    CHECK(get(site, "/app.js", {{"range", "bytes=0-1,4-5"}}).status == 200);
    r = get(site, "/app.js", {{"range", "bytes=0-1"}, {"accept-encoding", "gzip"}});
    CHECK(field(r, "Content-Encoding").empty());
    CHECK(content(r) == "01");
}

TEST_CASE("gzip'd twins") {
    const Site site;
    auto r = get(site, "/app.js", {{"accept-encoding", "br, gzip"}});
    CHECK(content(r) == "zipped");
    CHECK(field(r, "Content-Encoding") == "gzip");
    CHECK(field(r, "Content-Type") == "text/javascript; charset=utf-8");
    CHECK(field(r, "Vary") == "Accept-Encoding");
    const auto plain = get(site, "/app.js", {{"accept-encoding", "gzip;q=0"}});
    CHECK(content(plain) == "0123456789");
    CHECK(field(plain, "Vary") == "Accept-Encoding");
    CHECK(field(plain, "ETag") != field(r, "ETag"));
    CHECK(field(get(site, "/index.html"), "Vary").empty());
    CHECK(content(get(site, "/only.css", {{"accept-encoding", "gzip"}})) == "zipped");
    CHECK(get(site, "/only.css").status == 404);
    fs::create_symlink("../../secret.txt", site.top / "www/sub/index.html.gz");
    CHECK(content(get(site, "/sub/", {{"accept-encoding", "gzip"}})) == "sub");
}
