// The C++ client against the image server: exact pixels, spectra and tiles compared with the file's own bytes; the README's example; and
// the example program.

#include "clients/cpp/viewer.hpp"
#include "tests/clients/cpp/fits_file.hpp"
#include "tests/clients/cpp/readme_example.hpp"
#include "tests/clients/cpp/server_process.hpp"
#include "tests/support/temporary_folder.hpp"

#include <doctest/doctest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <future>
#include <limits>
#include <memory>
#include <string>
#include <thread>
#include <vector>

using cubelink::client::Client;
using cubelink::client::ConnectionLost;
using cubelink::client::Range;
using cubelink::client::SessionNotFound;
using cubelink::client::Viewer;
using cubelink::rpc::CallError;
using cubelink::test::TemporaryFolder;

namespace {

constexpr std::int64_t width = 300, height = 280, depth = 66;

float value_at(std::int64_t i) {
    if (i % 1013 == 5) return std::numeric_limits<float>::quiet_NaN();
    return static_cast<float>((i * 7919) % 100003) / 1000;
}
float pixel(std::int64_t x, std::int64_t y, std::int64_t z) { return value_at(x + width * (y + height * z)); }
bool same(double a, double b) { return a == b || (std::isnan(a) && std::isnan(b)); }

struct Images {
    TemporaryFolder folder;
    std::unique_ptr<ServerProcess> server;
    Images() {
        const auto images = folder.text() + "/images";
        std::filesystem::create_directories(images + "/sub");
        write_fits(images + "/disk_cube.fits", {width, height, depth}, value_at, {"CTYPE3  = 'FREQ    '", "CRVAL3  =               1.4E9"});
        write_fits(images + "/sub/plane.fits", {20, 10}, value_at);
        start({});
    }
    void start(std::vector<std::string> arguments) {
        for (const auto& more : {folder.text() + "/images", std::string("--store"), folder.text() + "/store.sqlite"}) arguments.push_back(more);
        server = std::make_unique<ServerProcess>(program("CUBELINK_PROGRAM", CUBELINK_PROGRAM), std::move(arguments));
    }
};

/// The tile's pixels are those of the plane.
bool shows_plane(const cubelink::client::Tile& tile, std::int64_t x0, std::int64_t y0, std::int64_t z) {
    for (std::int64_t y = 0; y < tile.height; ++y)
        for (std::int64_t x = 0; x < tile.width; ++x)
            if (!same(tile.pixels[static_cast<std::size_t>(y * tile.width + x)], pixel(x0 + x, y0 + y, z))) return false;
    return true;
}

} // namespace

TEST_CASE("images of the C++ client") {
    Images images;
    Client client(images.server->url(), images.server->secret(), {patience});
    Viewer viewer(client);
    CHECK(viewer.session_id() != 0);
    auto image = viewer.open("disk_cube.fits");
    CHECK(std::array{image.width(), image.height(), image.channels(), image.stokes()} == std::array<std::int64_t, 4>{width, height, depth, 1});

    const auto spectrum = image.spectrum(12, 34);
    REQUIRE(spectrum.size() == depth);
    for (std::int64_t z = 0; z < depth; ++z) CHECK(same(spectrum[static_cast<std::size_t>(z)], pixel(12, 34, z)));

    const auto block = image.read({10, 50, 3}, {20, 24}, {60, -1, 2});
    CHECK(block.shape == std::array<std::int64_t, 4>{1, 3, 4, 14});
    std::size_t at = 0;
    for (std::int64_t z = 60; z < depth; z += 2)
        for (std::int64_t y = 20; y < 24; ++y)
            for (std::int64_t x = 10; x < 50; x += 3) CHECK(same(block.values.at(at++), pixel(x, y, z)));

    auto tile = image.tile(1, 1, 0);
    CHECK(std::pair{tile.width, tile.height} == std::pair{std::int32_t{44}, std::int32_t{256}});
    CHECK(shows_plane(tile, 256, 0, 0));
    for (const std::int32_t channel : {7, 9, 8}) {
        image.set_channel(channel);
        CHECK(shows_plane(image.tile(1, 0, 0), 0, 0, channel));
    }
    const auto coarse = image.tile(0, 0, 0);
    CHECK(std::pair{coarse.width, coarse.height} == std::pair{std::int32_t{150}, std::int32_t{140}});

    CHECK_THROWS_AS(image.tile(1, 2, 0), CallError);
    CHECK_THROWS_AS(image.read({0, width + 1}), CallError);
    CHECK_THROWS_AS(image.set_channel(static_cast<std::int32_t>(depth)), CallError);
    CHECK_THROWS_AS(viewer.open("missing.fits"), CallError);
    CHECK_THROWS_WITH_AS(viewer.open("../x.fits"), doctest::Contains("orbidden"), CallError);

    auto plane = viewer.open("sub/plane.fits");
    CHECK(plane.file_id() != image.file_id());
    // Another connection joins, and its images do not take the place of these.
    Client second_client(images.server->url(), images.server->secret(), {patience});
    Viewer second(second_client, viewer.session_id());
    CHECK(second.session_id() == viewer.session_id());
    CHECK(second.open("sub/plane.fits").file_id() > plane.file_id());
    CHECK(viewer.open("sub/plane.fits").file_id() > plane.file_id() + 1);
    image.close();
    CHECK_THROWS_AS(image.spectrum(0, 0), CallError);
    CHECK(plane.read().values.size() == 200);
    CHECK_THROWS_AS(Viewer(second_client, 4'000'000'000u), SessionNotFound);
}

TEST_CASE("calls of the C++ client are cancelled, those alone that are named") {
    Images images;
    Client client(images.server->url(), images.server->secret(), {patience});
    Viewer viewer(client);
    const auto image = viewer.open("disk_cube.fits");
    const cubelink::rpc::Map request{{"file_id", image.file_id()}, {"channels", cubelink::rpc::Array{0, depth}}, {"types", cubelink::rpc::Array{"Median", "MAD"}}};
    // Computed one after the other: those behind the first have not begun.
    std::vector<Client::Started> calls;
    for (int i = 0; i < 20; ++i) calls.push_back(client.start("image.statistics", {}, request));
    for (int i = 0; i < 19; ++i) client.cancel(calls[static_cast<std::size_t>(i)].id);
    client.cancel("rpc:nobody:1");
    int cancelled = 0;
    for (int i = 0; i < 19; ++i) try {
            calls[static_cast<std::size_t>(i)].answer.get();
        } catch (const CallError& error) {
            CHECK(std::string(error.what()) == "cancelled");
            ++cancelled;
        }
    CHECK(cancelled > 0);
    CHECK(calls[19].answer.get().get_if<cubelink::rpc::Map>());

    std::promise<std::string> told;
    const auto id = client.call("image.statistics", {}, request, [&](const cubelink::rpc::Value&, const std::exception_ptr& error) {
        try {
            if (error) std::rethrow_exception(error);
            told.set_value("done");
        } catch (const std::exception& e) { told.set_value(e.what()); }
    });
    client.cancel(id);
    const auto end = told.get_future().get();
    CHECK((end == "cancelled" || end == "done"));
}

TEST_CASE("a viewer joins its session again, with its images, after the server was started again") {
    Images images;
    const auto port = images.server->port();
    std::promise<void> again;
    Client client(images.server->url(), images.server->secret(), {patience, patience});
    Viewer viewer(client);
    auto image = viewer.open("disk_cube.fits");
    image.set_channel(7);
    CHECK(shows_plane(image.tile(1, 0, 0), 0, 0, 7));
    client.on_state([&](Client::State state, const std::string&) {
        if (state == Client::State::connected) again.set_value();
    });
    images.server.reset(); // stops in order, so that the last change is in the store
    images.start({"--port", port});
    REQUIRE(again.get_future().wait_for(patience) == std::future_status::ready);
    CHECK(same(image.spectrum(12, 34).at(3), pixel(12, 34, 3)));
    CHECK(shows_plane(image.tile(1, 0, 0), 0, 0, 7));
    CHECK(viewer.open("sub/plane.fits").file_id() > image.file_id());
}

TEST_CASE("several threads take tiles; when the server dies, none of them goes on waiting") {
    Images images;
    Client client(images.server->url(), images.server->secret(), {patience, std::chrono::seconds(0)});
    Viewer viewer(client);
    const auto image = viewer.open("disk_cube.fits");
    std::promise<std::string> why;
    client.on_lost([&](const std::string& reason) { why.set_value(reason); });
    std::atomic<int> good{0}, wrong{0}, lost{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t)
        threads.emplace_back([&, t, mine = image]() mutable {
            try {
                for (;;) ++(shows_plane(mine.tile(1, t & 1, 0), 256 * (t & 1), 0, 0) ? good : wrong);
            } catch (const ConnectionLost&) {
                ++lost;
            } catch (const CallError&) {
                ++wrong;
            }
        });
    while (good < 20 && wrong == 0) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    images.server->kill();
    for (auto& thread : threads) thread.join();
    CHECK(std::pair{wrong.load(), lost.load()} == std::pair{0, 4});
    CHECK(why.get_future().get() != "");
    bool at_once = false;
    client.on_lost([&](const std::string&) { at_once = true; });
    CHECK(at_once);
}

TEST_CASE("wss: only to a server whose certificate is trusted and names the host") {
    TemporaryFolder folder;
    const auto path = [&](const char* name) { return folder.text() + "/" + name; };
    const auto command = "openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=test -addext subjectAltName=DNS:localhost -keyout " + path("key") + " -out " +
                         path("cert") + " 2>/dev/null";
    REQUIRE(std::system(command.c_str()) == 0);
    ServerProcess server(program("CUBELINK_PROGRAM", CUBELINK_PROGRAM),
                         {folder.text(), "--store", path("store"), "--ssl-cert", path("cert"), "--ssl-key", path("key"), "--host", "127.0.0.1"});
    const auto port = server.url().substr(server.url().rfind(':'));
    ::unsetenv("SSL_CERT_FILE");
    CHECK_THROWS_AS(Client("wss://localhost" + port, server.secret()), ConnectionLost);
    ::setenv("SSL_CERT_FILE", path("cert").c_str(), 1);
    CHECK_THROWS_AS(Client("wss://127.0.0.1" + port, server.secret()), ConnectionLost);
    Client client("wss://localhost" + port, server.secret(), {patience});
    CHECK(client.call("server.info").get().get_if<cubelink::rpc::Map>() != nullptr);
    ::unsetenv("SSL_CERT_FILE");
}

TEST_CASE("the example of the C++ README") {
    Images images;
    const auto results = readme_example(images.server->url(), images.server->secret());
    CHECK(results.name == "Cubelink");
    REQUIRE(results.spectrum.size() == depth);
    CHECK(same(results.spectrum[3], pixel(256, 256, 3)));
    REQUIRE(results.block.size() == 100 * 100);
    CHECK(same(results.block[1], pixel(101, 100, 64)));
    CHECK(results.tile == std::pair{150, 140});
}

TEST_CASE("the example program of the C++ client") {
    Images images;
    const std::string command = std::string(CUBELINK_CPP_EXAMPLE) + " " + images.server->url() + " disk_cube.fits '" + images.server->secret() + "'";
    FILE* output = ::popen(command.c_str(), "r");
    REQUIRE(output != nullptr);
    char line[200];
    std::vector<std::string> lines;
    while (std::fgets(line, sizeof line, output)) lines.emplace_back(line);
    CHECK(::pclose(output) == 0);
    REQUIRE(lines.size() == 2 + depth);
    CHECK(lines[0] == "300 x 280, 66 channels, 1 stokes\n");
    CHECK(std::stof(lines[2]) == pixel(150, 140, 0));
}
