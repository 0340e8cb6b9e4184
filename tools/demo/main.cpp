/// cubelink_demo_data FOLDER: writes the demo images that are not there yet.

#include "tools/demo/scenes.hpp"

#include <cstdio>
#include <exception>
#include <filesystem>

int main(int argc, char** argv) {
    if (argc != 2) {
        std::fprintf(stderr, "usage: cubelink_demo_data FOLDER\n");
        return 2;
    }
    try {
        namespace fs = std::filesystem;
        const fs::path folder = argv[1];
        fs::create_directories(folder);
        const std::pair<const char*, void (*)(const std::string&)> scenes[] = {{"mosaic.fits", cubelink::demo::write_mosaic},
                                                                              {"disk_cube.fits", cubelink::demo::write_disk_cube},
                                                                              {"polarised_jet.fits", cubelink::demo::write_polarised_jet}};
        for (const auto& [name, write] : scenes) {
            const auto path = folder / name;
            if (fs::exists(path)) continue;
            std::printf("making %s\n", path.c_str());
            std::fflush(stdout);
            write(path.string());
        }
    } catch (const std::exception& error) {
        std::fprintf(stderr, "cubelink_demo_data: %s\n", error.what());
        return 1;
    }
}
