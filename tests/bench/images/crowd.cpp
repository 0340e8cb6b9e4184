#include "tests/bench/images/crowd.hpp"

#include "tests/bench/images/server_process.hpp"

#include <poll.h>
#include <stdexcept>

namespace cubelink::bench {

using rpc::Array;
using rpc::Map;

namespace {
constexpr auto interval = std::chrono::milliseconds(200); // between a user's actions
constexpr int actions_per_channel = 10;
constexpr double patience = 60; // seconds, for what has begun
} // namespace

CrowdUser::CrowdUser(const ServerProcess& server, const std::string& file, int side, int depth, unsigned number)
    : session_(server.port()), random_(number), side_(side), depth_(depth), actions_(static_cast<int>(number)) {
    session_.open(file, 0);
    session_.call("carta.set.spatial.requirements",
                  {Map{{"file_id", 0}, {"region_id", 0}, {"spatial_profiles", Array{Map{{"coordinate", "x"}}, Map{{"coordinate", "y"}}}}}});
    session_.call("carta.set.spectral.requirements",
                  {Map{{"file_id", 0}, {"region_id", 0}, {"spectral_profiles", Array{Map{{"coordinate", "z"}, {"stats_types", Array{"Sum"}}}}}}});
}

void CrowdUser::act(Clock::time_point due) {
    due_ = due;
    if (++actions_ % actions_per_channel == 0) {
        channel_ = (channel_ + 1 + up_to(depth_ - 1)) % depth_; // another one
        Array codes;
        for (const std::int64_t tile : {0, 1, 1 << 12, 1 << 12 | 1}) codes.push_back(std::int64_t{2} << 24 | tile);
        Map tiles{{"file_id", 0}, {"tiles", std::move(codes)}, {"compression_type", "ZFP"}, {"compression_quality", 11}};
        session_.start("carta.set.image.channels",
                       {Map{{"file_id", 0}, {"channel", channel_}, {"stokes", 0}, {"required_tiles", std::move(tiles)}}});
        tiles_pending_ = true;
        return;
    }
    const int x = up_to(side_ - 1);
    x_ = x < x_ ? x : x + 1; // another one
    y_ = up_to(side_);
    session_.start("carta.set.cursor", {Map{{"file_id", 0}, {"point", Map{{"x", x_}, {"y", y_}}}}});
    cursor_pending_ = value_pending_ = spectrum_pending_ = true;
}

bool CrowdUser::take(Samples& cursor, Samples& channel) {
    bool ended = false;
    for (WireSession::Message message; session_.poll(message);) {
        if (message.error) throw std::runtime_error("a call failed: " + rpc::brief(message.body, 200));
        if (message.topic == "carta.spatial.profile.data" && number_at(message.body, "x") == x_ && number_at(message.body, "y") == y_)
            value_pending_ = false;
        // The spectrum follows the value; what comes before is that of another position.
        if (message.topic == "carta.spectral.profile.data" && number_at(message.body, "progress") >= 1 && !value_pending_) spectrum_pending_ = false;
        if (cursor_pending_ && !value_pending_ && !spectrum_pending_) {
            cursor.push_back(seconds_since(due_));
            cursor_pending_ = false;
            ended = true;
        }
        if (tiles_pending_ && message.topic == "carta.raster.tile.sync" && is_true(message.body, "end_sync") &&
            number_at(message.body, "channel") == channel_) {
            channel.push_back(seconds_since(due_));
            tiles_pending_ = false;
            ended = true;
        }
    }
    return ended;
}

Crowd::Crowd(const ServerProcess& server, const std::string& file, int side, int depth, int users) : server_(server) {
    for (int i = 0; i < users; ++i) users_.push_back(std::make_unique<CrowdUser>(server, file, side, depth, static_cast<unsigned>(i)));
    for (auto& user : users_) user->session().drain(0.01); // what opening and requirements have caused
}

void Crowd::act(double seconds) {
    const double cpu = server_.cpu();
    const auto start = Clock::now();
    const auto end = start + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
    std::vector<Clock::time_point> due;
    std::vector<pollfd> sockets;
    for (std::size_t i = 0; i < users_.size(); ++i) {
        due.push_back(start + interval * static_cast<int>(i) / static_cast<int>(users_.size()));
        sockets.push_back({users_[i]->session().descriptor(), POLLIN, 0});
    }
    for (;;) {
        auto next = end;
        std::size_t busy = 0;
        const auto now = Clock::now();
        for (std::size_t i = 0; i < users_.size(); ++i) {
            if (!users_[i]->busy() && due[i] <= now && due[i] < end) {
                users_[i]->act(due[i]); // late if the action before has only now ended: that counts
                due[i] += interval;
            }
            if (users_[i]->busy()) ++busy;
            else next = std::min(next, due[i]);
        }
        if (busy == 0 && now >= end) break;
        if (seconds_since(end) > patience) throw std::runtime_error(std::to_string(busy) + " actions have not ended");
        const auto wait = std::clamp(next - Clock::now(), Clock::duration::zero(), Clock::duration(std::chrono::milliseconds(100)));
        const timespec limit{0, std::chrono::duration_cast<std::chrono::nanoseconds>(now >= end ? std::chrono::milliseconds(50) : wait).count()};
        if (::ppoll(sockets.data(), sockets.size(), &limit, nullptr) <= 0) continue;
        for (std::size_t i = 0; i < users_.size(); ++i)
            if (sockets[i].revents != 0) users_[i]->take(cursor_, channel_);
    }
    seconds_ += seconds_since(start);
    server_cpu_ += server_.cpu() - cpu;
}

} // namespace cubelink::bench
