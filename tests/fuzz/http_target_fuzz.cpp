/// Whatever stands in a request's head, the answer is an orderly one, and no file outside the folder is named.
// link: cubelink_net cubelink_transport

#include "server/net/access/access.hpp"
#include "server/net/http/http_util.hpp"
#include "server/net/http/static_files.hpp"
#include "server/net/transport/http_head.hpp"
#include "server/net/transport/websocket_codec.hpp"

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

using namespace cubelink;

namespace {

/// A small site with links out of it, made once in the folder for temporary files.
const std::string& site() {
    static const std::string root = [] {
        namespace fs = std::filesystem;
        std::string name = (fs::temp_directory_path() / "http_target_fuzz_XXXXXX").string();
        if (!::mkdtemp(name.data())) std::abort();
        const auto www = fs::path(name) / "www";
        fs::create_directories(www / "sub");
        fs::create_directories(www / "assets");
        for (const char* file : {"index.html", "a.js", "a.js.gz", "sub/index.html", ".hidden", "assets/x-BfX3a9Qz.js"}) std::ofstream(www / file) << "text";
        std::ofstream(fs::path(name) / "secret") << "secret";
        fs::create_symlink("../secret", www / "out");
        fs::create_symlink("..", www / "up");
        fs::create_symlink("a.js", www / "in");
        return fs::canonical(www).string();
    }();
    return root;
}

void require(bool condition) {
    if (!condition) std::abort();
}

/// Reads the bytes as what a WebSocket client sends, too: same attacker, same port.
void decode_frames(std::string bytes) {
    transport::FrameReader reader(1000);
    for (std::size_t used = 0; used < bytes.size();) {
        const auto step = reader.feed(bytes.data() + used, bytes.size() - used);
        require(step.error == 0 || step.error == 1002 || step.error == 1007 || step.error == 1009);
        require(step.used <= bytes.size() - used && reader.unfinished() <= 1000);
        if (step.error != 0) return;
        used += step.used;
        if (!step.complete) require(used == bytes.size());
        else require(step.message.payload.size() <= 1000);
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const server::StaticFiles files(site());
    static const server::AccessPolicy policy({"cube.example", {"other.example"}, {"https://app.example"}, {"127.0.0.1", "10.0.0.0/8"}});
    const std::string input(reinterpret_cast<const char*>(data), size);
    decode_frames(input);

    // Either a whole head, or, for more of them, a target in a good one.
    auto head = input;
    if (transport::check_partial_head(head, 4096).status == 0 && head.find("\r\n\r\n") == std::string::npos) head += "\r\n\r\n";
    transport::RequestHead parsed;
    auto refusal = transport::parse_head(head, 1000, parsed);
    if (refusal.status != 0) {
        require(refusal.status >= 400 && refusal.status < 600 && !refusal.why.empty());
        parsed = {};
        head = "GET /" + input + " HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: " + input + "\r\nCookie: " + input + "\r\n\r\n";
        refusal = transport::parse_head(head, 1000, parsed);
        if (refusal.status != 0) return 0;
    }
    auto& request = parsed.request;
    request.remote_address = "127.0.0.1";
    require(!request.target.empty() && (request.target.front() == '/' || request.target == "*"));
    std::string accept;
    transport::check_websocket(parsed, accept);

    policy.host_allowed(request);
    policy.origin_allowed(request);
    policy.cors_origin(request);
    require(!policy.origin_of(request).address.empty());
    require(server::tokens_of(request, "carta-auth-token").size() <= 8);

    const auto path = server::percent_decode(server::split_target(request.target).path);
    if (!path) return 0;
    const auto below = server::below_base_path(*path, size % 2 ? "/base" : "");
    if (!below) return 0;
    const auto response = files.serve(request, *below);
    require(response.status >= 200 && response.status < 500);
    if (!response.file_path.empty()) {
        require(response.file_path.compare(0, site().size() + 1, site() + "/") == 0);
        require(response.file_path.find("/.", site().size()) == std::string::npos);
        require(response.file_offset + response.file_size <= 4);
    }
    const auto written = transport::write_head(response, 4);
    require(written.find("\r\n\r\n") == written.size() - 4);
    return 0;
}
