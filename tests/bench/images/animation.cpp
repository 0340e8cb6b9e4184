/// Animations as fast as a client acknowledges: frames of twelve full-resolution tiles, ZFP quality 9, beside what libzfp takes for the
/// tiles alone.

#include "tests/bench/images/fits_file.hpp"
#include "tests/bench/images/machine_limits.hpp"
#include "tests/bench/images/report.hpp"
#include "tests/bench/images/watcher.hpp"
#include "tests/bench/images/wire_session.hpp"
#include "tests/bench/images/workloads.hpp"

namespace cubelink::bench {

using rpc::Map;

namespace {

struct Case {
    const char* name;
    const char* file;
    std::int64_t side, depth;
    int layer; // of full resolution
    int frames;
};

class Player {
public:
    Player(const ServerProcess& server, const Case& what) : case_(what), server_(server), session_(server.port()) {
        session_.open(what.file, 0);
    }

    /// Time and the server's processor time of a frame, when it is under way.
    Cost play() {
        const auto frame = [](std::int64_t channel) { return Map{{"channel", channel}, {"stokes", 0}}; };
        session_.call(
            "carta.start.animation",
            {Map{{"file_id", 0},
                 {"first_frame", frame(0)},
                 {"last_frame", frame(case_.depth - 1)},
                 {"start_frame", frame(next_)},
                 {"delta_frame", Map{{"channel", 1}}},
                 {"frame_rate", 1000},
                 {"looping", true},
                 {"required_tiles", Map{{"tiles", twelve_tiles(case_.layer)}, {"compression_type", "ZFP"}, {"compression_quality", 9}}}}});
        constexpr int before = 5; // frames until it is under way
        take(before);
        const auto start = Clock::now();
        const auto cpu = server_.cpu();
        take(case_.frames);
        const Cost cost{seconds_since(start) / case_.frames, (server_.cpu() - cpu) / case_.frames};
        session_.call("carta.stop.animation", {Map{{"file_id", 0}}});
        session_.drain(0.2);
        next_ = (next_ + before + case_.frames) % case_.depth;
        return cost;
    }

private:
    void take(int frames) {
        for (int ended = 0; ended < frames;) {
            const auto message = session_.next();
            if (message.topic != "carta.raster.tile.sync" || !is_true(message.body, "end_sync")) continue;
            ++ended;
            session_.start("carta.animation.flow.control",
                           {Map{{"file_id", 0}, {"received_frame", Map{{"channel", number_at(message.body, "channel")}}}}});
        }
    }

    const Case case_;
    const ServerProcess& server_;
    WireSession session_;
    std::int64_t next_ = 1;
};

} // namespace

void animation(const Settings& settings) {
    for (const Case& what : {Case{"a frame of 12 tiles, cube of 1024 x 1024", "cube.fits", 1024, 512, 2, 150},
                             Case{"a frame of 12 tiles, cube of 8192 x 8192 x 8", "large-cube.fits", 8192, 8, 5, 60}}) {
        const auto path = settings.file(what.file);
        make_cube(path, what.side, what.side, what.depth, what.depth);
        std::vector<std::unique_ptr<ServerProcess>> servers;
        std::vector<std::unique_ptr<Player>> players;
        for (const auto& program : settings.programs) {
            servers.push_back(settings.start(program));
            players.push_back(std::make_unique<Player>(*servers.back(), what));
        }
        std::vector<Cost> frames(players.size());
        Cost zfp;
        for (int round = 0; round < 3; ++round) {
            Cost one;
            one.time = zfp_tile_time(path, fits_header_size, what.side, 9, &one.cpu);
            zfp.keep_best(one);
            for (std::size_t i = 0; i < players.size(); ++i) frames[i].keep_best(players[i]->play());
        }
        report(what.name, frames, {"12 tiles x ZFP 9 / threads", 1 / 0.7}, Cost{12 * zfp.time / settings.threads, 12 * zfp.cpu});
    }
}

} // namespace cubelink::bench
