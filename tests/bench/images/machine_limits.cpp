#include "tests/bench/images/machine_limits.hpp"

#include "tests/bench/images/fits_file.hpp"
#include "tests/bench/images/server_process.hpp"

#include <filesystem>

namespace cubelink::bench {

Cost sum_limit(const std::string& path, std::int64_t bytes, int threads) {
    Cost cost;
    cost.time = read_and_sum_time(path, fits_header_size, bytes, threads, &cost.cpu);
    return cost;
}

Cost one_scan(const std::string& path, std::int64_t bytes, int threads) {
    Cost cost;
    cost.time = read_and_sum_time(path, fits_header_size, bytes, threads, &cost.cpu, 1);
    return cost;
}

Cost zfp_limit(const std::string& path, std::int64_t width) {
    Cost cost;
    cost.time = zfp_tile_time(path, fits_header_size, width, 11, &cost.cpu);
    return cost;
}

namespace {
std::vector<std::string> example_server() {
    const auto here = std::filesystem::read_symlink("/proc/self/exe").parent_path();
    return {here.parent_path() / "wslink_example_server", "--port", "0", "--authKey", ServerProcess::secret};
}
} // namespace

PlainCalls::PlainCalls() : server_(example_server(), -1), session_(server_.port(), WireSession::Begin::unregistered) {}

double PlainCalls::time(std::size_t bytes) { return session_.time_call("bench.blob", {static_cast<std::int64_t>(bytes)}); }

} // namespace cubelink::bench
