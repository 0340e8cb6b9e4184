/// cubelink_cpp_example ADDRESS IMAGE [SECRET]: prints an image's size, its coarsest tile's middle and the spectrum there.

#include "clients/cpp/viewer.hpp"

#include <cstdio>

int main(int argc, char** argv) try {
    if (argc != 3 && argc != 4) {
        std::fprintf(stderr, "usage: %s http://HOST:PORT/?token=SECRET IMAGE, or ws://HOST:PORT/ws IMAGE SECRET\n", argv[0]);
        return 2;
    }
    cubelink::client::Client client(argv[1], argc == 4 ? argv[3] : "");
    cubelink::client::Viewer viewer(client);
    auto image = viewer.open(argv[2]);
    std::printf("%lld x %lld, %lld channels, %lld stokes\n", static_cast<long long>(image.width()), static_cast<long long>(image.height()),
                static_cast<long long>(image.channels()), static_cast<long long>(image.stokes()));
    const auto tile = image.tile(0, 0, 0);
    std::printf("coarsest tile %d x %d, middle %g\n", tile.width, tile.height,
                static_cast<double>(tile.pixels[static_cast<std::size_t>(tile.height / 2 * tile.width + tile.width / 2)]));
    for (double value : image.spectrum(image.width() / 2, image.height() / 2)) std::printf("%.9g\n", value);
} catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
}
