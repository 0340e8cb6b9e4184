/// A plane of 12000² or 24000² floats: twelve tiles of full resolution asked for with the opening, when nothing of the plane is known, and
/// when everything is.

#include "tests/bench/images/fits_file.hpp"
#include "tests/bench/images/machine_limits.hpp"
#include "tests/bench/images/report.hpp"
#include "tests/bench/images/watcher.hpp"
#include "tests/bench/images/wire_session.hpp"
#include "tests/bench/images/workloads.hpp"

#include <fcntl.h>
#include <thread>
#include <unistd.h>

namespace cubelink::bench {

using rpc::Array;
using rpc::Map;

namespace {

/// Asks the kernel to forget a file's pages; it forgets those that nobody else uses.
void drop_from_page_cache(const std::string& path) {
    const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (file < 0) return;
    fdatasync(file); // pages that are not on disk yet are kept
    posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
    close(file);
}

struct First {
    double tiles = 0, histogram = 0, last_histogram = 0; // from sending OPEN_FILE
};

/// Opens the plane, asks for tiles at once, and waits until nothing is computed any more.
First open_with_tiles(const ServerProcess& server, const Array& codes, WireSession& session) {
    First first;
    const auto start = Clock::now();
    const auto opening = session.start("carta.open.file", {Map{{"file", "plane.fits"}, {"file_id", 0}}});
    session.start("carta.add.required.tiles",
                  {Map{{"file_id", 0}, {"tiles", codes}, {"compression_type", "ZFP"}, {"compression_quality", 11}}});
    std::size_t tiles = 0;
    session.wait_until([&](const WireSession::Message& message) {
        if (message.id == opening && !is_true(message.body, "success")) throw std::runtime_error("plane.fits was not opened");
        if (message.topic == "carta.region.histogram.data" && first.histogram == 0) first.histogram = first.last_histogram = seconds_since(start);
        if (message.topic == "carta.raster.tile.data")
            if (const auto* list = at(message.body, "tiles").get_if<Array>()) tiles += list->size();
        if (tiles >= codes.size() && first.tiles == 0) first.tiles = seconds_since(start);
        return first.tiles > 0 && first.histogram > 0;
    });
    // Of a large plane a histogram of a sample of rows may come first, and the exact one when all has been read.
    for (double before = -1, now = server.cpu(); now - before > 0.01; now = server.cpu()) {
        before = now;
        const auto looked = Clock::now();
        while (seconds_since(looked) < 0.2) {
            for (WireSession::Message message; session.poll(message);)
                if (message.topic == "carta.region.histogram.data") first.last_histogram = seconds_since(start);
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
    }
    return first;
}

double more_tiles(WireSession& session, const Array& codes) {
    const auto start = Clock::now();
    session.start("carta.add.required.tiles",
                  {Map{{"file_id", 0}, {"tiles", codes}, {"compression_type", "ZFP"}, {"compression_quality", 11}}});
    session.wait_until([](const WireSession::Message& message) {
        return message.topic == "carta.raster.tile.sync" && is_true(message.body, "end_sync");
    });
    return seconds_since(start);
}

} // namespace

void first_tiles(const Settings& settings) {
    const std::int64_t side = settings.large ? 24000 : 12000;
    const int layer = settings.large ? 7 : 6;
    const auto path = settings.file("plane.fits");
    make_cube(path, side, side, 1, 1);
    const auto count = settings.programs.size();
    std::vector<Samples> from_disk(count), fresh(count), histogram(count), exact(count), known(count);
    Cost zfp, sum;
    for (int round = 0; round < 3; ++round) {
        for (std::size_t k = 0; k < count; ++k) {
            // The order alternates: what lies under the kernel may keep what one server has read for the next.
            const std::size_t i = round % 2 ? count - 1 - k : k;
            drop_from_page_cache(path);
            const auto server = settings.start(settings.programs[i]);
            WireSession session(server->port());
            from_disk[i].push_back(open_with_tiles(*server, twelve_tiles(layer), session).tiles);
        }
        sum.keep_best(sum_limit(path, side * side * 4, settings.threads)); // which reads the file into the page cache
        zfp.keep_best(zfp_limit(path, side));
        for (std::size_t i = 0; i < count; ++i) {
            const auto server = settings.start(settings.programs[i]);
            WireSession session(server->port());
            const auto first = open_with_tiles(*server, twelve_tiles(layer), session);
            fresh[i].push_back(first.tiles);
            histogram[i].push_back(first.histogram);
            exact[i].push_back(first.last_histogram);
            // Tiles of other places: the first ones are kept.
            for (int column = 4; column < 24; column += 4) known[i].push_back(more_tiles(session, twelve_tiles(layer, column)));
        }
    }
    std::vector<Cost> allowed;
    for (const auto& cost : medians(known)) allowed.push_back({std::max(4 * cost.time, 0.1), 0});
    const std::string size = std::to_string(side) + " x " + std::to_string(side);
    report("12 full-resolution tiles of " + size + ", plane known", medians(known), {"12 tiles x ZFP / threads"}, Cost{12 * zfp.time / settings.threads, 0});
    report("with the opening, file in the page cache", medians(fresh), {"4 x plane known, or 100 ms", 1}, allowed);
    report("with the opening, file not in the page cache", medians(from_disk), {"4 x plane known, or 100 ms", 1}, allowed);
    report("first histogram after the opening, in the page cache", medians(histogram), {"reading and summing the plane"}, sum);
    report("last histogram after the opening, in the page cache", medians(exact), {"reading and summing the plane", 6}, sum);
}

} // namespace cubelink::bench
