/// image_bench [OPTION…] [WORKLOAD…]
///
/// Times what a client sees through the socket, beside what the machine could do at best, measured in the same run; of one server, or of
/// two in turns. A ratio above its target is marked; timings on a busy machine mean little.

#include "tests/bench/images/report.hpp"
#include "tests/bench/images/workloads.hpp"

#include <algorithm>
#include <cstdio>
#include <stdexcept>

using namespace cubelink::bench;

namespace {

struct Workload {
    const char* name;
    void (*run)(const Settings&);
};

constexpr Workload workloads[] = {
    {"large-image", large_image},
    {"cube", cube},
    {"cursor", cursor},
    {"contours", contours},
    {"cursor-burst", cursor_burst},
    {"animation", animation},
    {"first-tiles", first_tiles},
    {"beside-opening", beside_opening},
    {"beside-messages", beside_messages},
    {"beside-cube-histogram", beside_cube_histogram},
    {"region-spectra", region_spectra},
    {"region-statistics", region_statistics},
    {"regions-20000", many_regions},
    {"vector-overlay", vector_overlay},
    {"moments", moments},
    {"position-velocity", position_velocity},
    {"pv-preview", pv_preview},
    {"fitting", fitting},
    {"expressions", expressions},
    {"hypercube", hypercube},
    {"saving", saving},
    {"small-requests", small_requests},
    {"stopping", stopping},
    {"computed-memory", computed_memory},
    {"sparse-cube", sparse_cube},
    {"beyond-the-limit", plane_beyond_the_limit},
};

int usage() {
    std::fprintf(stderr,
                 "usage: image_bench [OPTION...] [WORKLOAD...]\n%s"
                 "  --large            a plane of 24000 x 24000 instead of 12000 x 12000 for first-tiles\n"
                 "  --side N           pixels of a row of the cube that images are computed from (default: 1024), --channels N its channels (512)\n"
                 "  --gzip-mib N       what the gzipped image of beside-opening inflates to (default: 1600)\n"
                 "workloads (default: all):",
                 settings_usage);
    for (const auto& workload : workloads) std::fprintf(stderr, " %s", workload.name);
    std::fprintf(stderr, "\n");
    return 2;
}

} // namespace

int main(int argc, char** argv) try {
    Settings settings;
    std::vector<std::string> chosen;
    if (!read_settings(argc, argv, settings, chosen)) return usage();
    for (const auto& name : chosen)
        if (std::none_of(std::begin(workloads), std::end(workloads), [&](const Workload& workload) { return name == workload.name; })) return usage();
    std::printf("%s\n%d threads; times in ms\n", settings.names().c_str(), settings.threads);
    for (const auto& workload : workloads) {
        if (!chosen.empty() && std::find(chosen.begin(), chosen.end(), workload.name) == chosen.end()) continue;
        print_head(workload.name, settings.programs.size());
        workload.run(settings);
    }
} catch (const std::exception& error) {
    std::fprintf(stderr, "image_bench: %s\n", error.what());
    return 1;
}
