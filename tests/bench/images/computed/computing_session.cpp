#include "tests/bench/images/computed/computing_session.hpp"

#include "tests/bench/images/http_request.hpp"
#include "tests/bench/images/watcher.hpp"

#include <stdexcept>

namespace cubelink::bench {

using rpc::Array;
using rpc::Map;
using rpc::Value;

namespace {

void collect(const Value& value, std::vector<std::int64_t>& ids) {
    if (const auto* list = value.get_if<Array>())
        for (const auto& one : *list) collect(one, ids);
    const auto* map = value.get_if<Map>();
    if (!map) return;
    if (map->find("file_info_extended")) ids.push_back(static_cast<std::int64_t>(number_at(value, "file_id")));
    for (const char* name : {"open_file_acks", "open_file_ack", "model_image", "residual_image"})
        if (const auto* inner = map->find(name)) collect(*inner, ids);
}

} // namespace

std::vector<std::int64_t> images_of(const Value& answer) {
    std::vector<std::int64_t> ids;
    collect(answer, ids);
    return ids;
}

Cost ComputingSession::open(const std::string& file, int file_id, bool expression) {
    const auto start = Clock::now();
    const double cpu = server_.cpu();
    const auto ack = session_.call("carta.open.file", {Map{{"directory", ""}, {"file", file}, {"file_id", file_id}, {"lel_expr", expression}}});
    if (!is_true(ack, "success")) throw std::runtime_error(file + ": " + rpc::brief(at(ack, "message"), 200));
    session_.wait_until([&](const WireSession::Message& message) {
        return message.topic == "carta.region.histogram.data" && number_at(message.body, "file_id") == file_id;
    });
    const Cost cost{seconds_since(start), server_.cpu() - cpu};
    session_.drain(0.1);
    return cost;
}

std::int64_t ComputingSession::region(int file_id, const char* type, Array points) {
    Map info{{"region_type", type}, {"control_points", std::move(points)}, {"rotation", 0}};
    const auto answer = session_.call("carta.set.region", {Map{{"file_id", file_id}, {"region_id", -1}, {"region_info", std::move(info)}}});
    if (!is_true(answer, "success")) throw std::runtime_error("a region was refused: " + rpc::brief(answer, 200));
    return static_cast<std::int64_t>(number_at(answer, "region_id"));
}

Computed ComputingSession::compute(std::string_view method, Map request) {
    Computed computed;
    const double cpu = server_.cpu();
    const auto start = Clock::now();
    computed.answer = session_.call(method, {std::move(request)});
    computed.cost = {seconds_since(start), server_.cpu() - cpu};
    if (!is_true(computed.answer, "success")) throw std::runtime_error(std::string(method) + ": " + rpc::brief(at(computed.answer, "message"), 400));
    return computed;
}

double ComputingSession::stop(std::string_view method, Map request, std::string_view stop, Map stop_request, double after) {
    const auto id = session_.start(method, {std::move(request)});
    const auto start = Clock::now();
    WireSession::Message message;
    while (seconds_since(start) < after) {
        if (!session_.poll(message)) {
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
            continue;
        }
        if (message.id != id) continue;
        if (!is_true(message.body, "success")) throw std::runtime_error(std::string(method) + ": " + rpc::brief(at(message.body, "message"), 400));
        close_images_of(message.body);
        return -1;
    }
    const auto stopped = Clock::now();
    session_.start(stop, {std::move(stop_request)});
    double time = 0;
    Value answer;
    session_.wait_until([&](const WireSession::Message& one) {
        if (one.id != id) return false;
        time = seconds_since(stopped);
        answer = one.body;
        return true;
    });
    if (!is_true(answer, "success") || is_true(answer, "cancel")) return time;
    close_images_of(answer); // it had ended while the call to stop it was on its way
    return -1;
}

double ComputingSession::time_to_idle() const {
    constexpr auto window = std::chrono::milliseconds(4);
    const auto start = Clock::now();
    double idle = 0;
    for (int quiet = 0; quiet < 3 && seconds_since(start) < 60;) {
        const double begun = seconds_since(start), before = server_.cpu();
        std::this_thread::sleep_for(window);
        if (server_.cpu() - before > 0.0005) quiet = 0;
        else if (++quiet == 1) idle = begun;
    }
    return idle;
}

void ComputingSession::close(std::int64_t file_id) {
    session_.call("carta.close.file", {Map{{"file_id", file_id}}});
    session_.drain(0.05);
}

void ComputingSession::close_images_of(const Value& answer) {
    session_.drain(0.05);
    for (const auto id : images_of(answer)) session_.call("carta.close.file", {Map{{"file_id", id}}});
    session_.drain(0.05);
}

Cost ComputingSession::change_channel(int file_id, std::int64_t channel, int layer) {
    Map tiles{{"file_id", file_id}, {"tiles", twelve_tiles(layer)}, {"compression_type", "ZFP"}, {"compression_quality", 11}};
    const double cpu = server_.cpu();
    const auto start = Clock::now();
    session_.start("carta.set.image.channels", {Map{{"file_id", file_id}, {"channel", channel}, {"stokes", 0}, {"required_tiles", std::move(tiles)}}});
    bool tiles_came = false, histogram = false;
    session_.wait_until([&](const WireSession::Message& message) {
        if (message.error) throw std::runtime_error("a channel was refused: " + rpc::brief(message.body, 200));
        if (number_at(message.body, "file_id") != file_id || number_at(message.body, "channel") != static_cast<double>(channel)) return false;
        tiles_came |= message.topic == "carta.raster.tile.sync" && is_true(message.body, "end_sync");
        histogram |= message.topic == "carta.region.histogram.data";
        return tiles_came && histogram;
    });
    return {seconds_since(start), server_.cpu() - cpu};
}

MemoryWatch::MemoryWatch(const ServerProcess& server) : server_(server), thread_([this] { watch(); }) {}

MemoryWatch::~MemoryWatch() {
    ended_ = true;
    thread_.join();
}

void MemoryWatch::watch() {
    for (int i = 0; !ended_; ++i) {
        anonymous_ = std::max(anonymous_.load(), static_cast<double>(server_.anonymous()));
        if (i % 8 == 0) counted_ = std::max(counted_.load(), metric(server_.port(), "cubelink_cache_bytes"));
        std::this_thread::sleep_for(std::chrono::milliseconds(3));
    }
}

} // namespace cubelink::bench
