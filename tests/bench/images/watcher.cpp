#include "tests/bench/images/watcher.hpp"

#include "tests/bench/images/report.hpp"
#include "tests/bench/images/wire_session.hpp"

#include <stdexcept>

namespace cubelink::bench {

using rpc::Array;
using rpc::Map;
using rpc::Value;

Watcher::Watcher(const ServerProcess& server) : client_(server.url(), ServerProcess::secret) {
    client_.listen("carta.region.histogram.data", [this](const Value&) { note("histogram"); });
    client_.listen("carta.raster.tile.data", [this](const Value& message) {
        if (const auto* tiles = at(message, "tiles").get_if<Array>())
            for (std::size_t i = 0; i < tiles->size(); ++i) note("tile");
    });
    client_.listen("carta.raster.tile.sync", [this](const Value& message) {
        if (is_true(message, "end_sync")) note("end");
    });
    client_.listen("carta.spectral.profile.data", [this](const Value& message) {
        if (number_at(message, "progress") >= 1) note("spectrum");
    });
    client_.call("carta.register.viewer", {Map{}}).get();
}

Value Watcher::call(const char* method, Map arguments) { return client_.call(method, {std::move(arguments)}).get(); }

void Watcher::reset() {
    std::lock_guard lock(mutex_);
    seen_.clear();
}

void Watcher::wait_for(const std::string& what, int count) {
    std::unique_lock lock(mutex_);
    if (!changed_.wait_for(lock, std::chrono::seconds(120), [&] { return seen_[what] >= count; }))
        throw std::runtime_error("no " + what + " came within two minutes");
}

double Watcher::open(const char* file, int id, bool with_histogram) {
    reset();
    const auto start = Clock::now();
    const auto ack = call("carta.open.file", Map{{"file", file}, {"file_id", id}});
    if (!is_true(ack, "success")) throw std::runtime_error(std::string(file) + " was not opened");
    if (with_histogram) wait_for("histogram", 1);
    return seconds_since(start);
}

double Watcher::tiles(int id, const Array& codes, const char* compression, int quality) {
    reset();
    const auto start = Clock::now();
    call("carta.add.required.tiles", Map{{"file_id", id}, {"tiles", codes}, {"compression_type", compression}, {"compression_quality", quality}});
    wait_for("tile", static_cast<int>(codes.size()));
    return seconds_since(start);
}

void Watcher::note(const char* what) {
    std::lock_guard lock(mutex_);
    ++seen_[what];
    changed_.notify_all();
}

Array twelve_tiles(int layer, int first_column) {
    Array codes;
    for (std::int64_t y = 0; y < 3; ++y)
        for (std::int64_t x = 0; x < 4; ++x) codes.push_back(static_cast<std::int64_t>(layer) << 24 | y << 12 | (x + first_column));
    return codes;
}

} // namespace cubelink::bench
