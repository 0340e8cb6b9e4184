/// cubelink_computed_bench [OPTION…] [WORKLOAD…]: computed images without a server, each beside the machine's own limit measured in the same run.

#include "tests/bench/computed/in_process.hpp"

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
    {"moments", compute_moment_images}, {"position-velocity", compute_position_velocity}, {"fitting", compute_fits},
    {"expressions", compute_expressions}, {"fits-files", write_fits_files},
};

int usage() {
    std::fprintf(stderr,
                 "usage: cubelink_computed_bench [OPTION...] [WORKLOAD...]\n"
                 "  --folder FOLDER    make the images here and keep them for the next run (default: a temporary folder, removed at the end)\n"
                 "  --threads N        (default: all cores)\n"
                 "  --side N           pixels of a row of the cube (default: 1024)\n"
                 "  --channels N       its channels (default: 512)\n"
                 "workloads (default: all):");
    for (const auto& workload : workloads) std::fprintf(stderr, " %s", workload.name);
    std::fprintf(stderr, "\n");
    return 2;
}

} // namespace

int main(int argc, char** argv) try {
    Settings settings;
    settings.programs = {argv[0]}; // no server is needed
    std::vector<std::string> chosen;
    if (!read_settings(argc, argv, settings, chosen)) return usage();
    for (const auto& name : chosen)
        if (std::none_of(std::begin(workloads), std::end(workloads), [&](const Workload& workload) { return name == workload.name; })) return usage();
    std::printf("%d threads; times in ms\n", settings.threads);
    for (const auto& workload : workloads) {
        if (!chosen.empty() && std::find(chosen.begin(), chosen.end(), workload.name) == chosen.end()) continue;
        print_head(workload.name, 1);
        workload.run(settings);
    }
} catch (const std::exception& error) {
    std::fprintf(stderr, "cubelink_computed_bench: %s\n", error.what());
    return 1;
}
