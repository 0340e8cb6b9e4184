/// A cube written as a FITS file that goes nowhere: what remains of saving without the disk.

#include "imaging/fits/fits_writer.hpp"
#include "tests/bench/computed/in_process.hpp"
#include "tests/bench/images/computed/comparison.hpp"
#include "tests/bench/images/machine_limits.hpp"

namespace cubelink::bench {

using namespace imaging;

void write_fits_files(const Settings& settings) {
    const auto image = open_cube(settings);
    BudgetCache budget(std::size_t{256} << 20);
    FitsFile file;
    file.add_image({image.source, {FitsAxis::x, FitsAxis::y, FitsAxis::depth}, ""});
    FitsWriteSettings write;
    write.threads = settings.threads;
    write.budget = &budget;
    Comparison comparison(1);
    for (int round = 0; round < 5; ++round) {
        comparison.add_limit(one_scan(settings.file("cube.fits"), cube_bytes(settings), settings.threads));
        comparison.add(0, measure([&] { file.write([](std::uint64_t, std::span<const std::byte>) {}, write); }));
    }
    comparison.print("a cube to the bytes of a FITS file", {"scan of the cube", 0});
}

} // namespace cubelink::bench
