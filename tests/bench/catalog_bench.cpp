// Sources of a catalog on an image, without a server: their pixels (catalog.pixels), and which of them are in a region or a rectangle ("inside"), beside astropy with
// the same values on one thread. The image has 4096² pixels of 2 arcseconds, orthographic; the sources are on it and around it. The best of five, wall clock.
//
//     catalog_bench [ROWS [FOLDER]]
//
// "FK5" has positions of another frame than the image's, "sexagesimal" texts. astropy takes minutes for a million of the latter: of those it gets a tenth, and the time is for all.

#include "imaging/base/parallel.hpp"
#include "imaging/regions/mask.hpp"
#include "imaging/tables/open_table.hpp"
#include "imaging/tables/views/table_view.hpp"
#include "server/tasks/catalogs/catalog_positions.hpp"
#include "tests/imaging/regions/sample_wcs.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <numeric>
#include <random>
#include <string>
#include <unistd.h>
#include <vector>

using namespace cubelink;
using namespace cubelink::imaging;

namespace {

constexpr std::int64_t side = 4096;
constexpr double center_lon = 150, center_lat = 2, step = 2.0 / 3600;

double best_of_five(const std::function<void()>& work) {
    double best = 1e300;
    for (int i = 0; i < 5; ++i) {
        const auto begin = std::chrono::steady_clock::now();
        work();
        best = std::min(best, std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count());
    }
    return best;
}

void print_row(const std::string& name, double milliseconds) {
    std::printf("%-46s %10.1f ms\n", name.c_str(), milliseconds);
    std::fflush(stdout);
}

std::string sexagesimal_text(double value, const char* sign) {
    const double size = std::abs(value), minutes = (size - std::floor(size)) * 60;
    char text[40];
    std::snprintf(text, sizeof text, "%s%02d:%02d:%08.5f", value < 0 ? "-" : sign, static_cast<int>(size), static_cast<int>(minutes), (minutes - std::floor(minutes)) * 60);
    return text;
}

/// CSV: ra, dec, and both as texts.
void write_table(const std::string& path, std::size_t rows) {
    std::FILE* const file = std::fopen(path.c_str(), "wb");
    if (file == nullptr) {
        std::perror("catalog_bench: the folder can't be written to");
        std::exit(1);
    }
    std::fputs("ra,dec,ra_text,dec_text\n", file);
    std::mt19937_64 random(1);
    const double half = side * step / 2 * 1.1;
    std::uniform_real_distribution<double> offset(-half, half);
    for (std::size_t row = 0; row < rows; ++row) {
        const double lon = center_lon + offset(random), lat = center_lat + offset(random);
        std::fprintf(file, "%.10f,%.10f,%s,%s\n", lon, lat, sexagesimal_text(lon / 15, "").c_str(), sexagesimal_text(lat, "+").c_str());
    }
    if (std::fclose(file) != 0) std::exit(1);
}

/// As the handler of catalog.pixels cuts the work.
void all_pixels(const Table& table, const SkyColumns& columns, const Wcs& wcs, const ThreadShare& threads, std::span<const std::uint32_t> rows, std::span<PixelPoint> out) {
    constexpr std::size_t at_once = 4096;
    parallel_for(threads, static_cast<std::int64_t>((rows.size() + at_once - 1) / at_once), {}, [&](std::int64_t part, int) {
        const auto first = static_cast<std::size_t>(part) * at_once, count = std::min(at_once, rows.size() - first);
        server::catalog_pixels(table, columns, wcs, 0, rows.subspan(first, count), out.subspan(first, count));
    });
}

constexpr const char* astropy_script = R"(
import sys, time, warnings
warnings.simplefilter('ignore')
import numpy as np
from astropy import units
from astropy.coordinates import SkyCoord
from astropy.table import Table
from astropy.wcs import WCS
table = Table.read(sys.argv[1], format='ascii.csv')
side, lon, lat, step = int(sys.argv[2]), *map(float, sys.argv[3:6])
ra, dec = np.asarray(table['ra']), np.asarray(table['dec'])
ra_text, dec_text = table['ra_text'][::10], table['dec_text'][::10]
wcs = WCS(naxis=2)
wcs.wcs.ctype, wcs.wcs.crval, wcs.wcs.crpix, wcs.wcs.cdelt, wcs.wcs.radesys = ['RA---SIN', 'DEC--SIN'], [lon, lat], [side / 2 + 1] * 2, [-step, step], 'ICRS'
wcs.wcs.set()
y, x = np.mgrid[:side, :side]
mask = ((x - side / 2) / 1200) ** 2 + ((y - side / 2) / 1000) ** 2 <= 1
def inside():
    i, j = (np.floor(p + 0.5).astype(int) for p in wcs.all_world2pix(ra, dec, 0))
    on = (i >= 0) & (i < side) & (j >= 0) & (j < side)
    return on & mask[np.clip(j, 0, side - 1), np.clip(i, 0, side - 1)]
def bounds():
    i, j = wcs.all_world2pix(ra, dec, 0)
    return (i >= 1000) & (i <= 3000) & (j >= 1000) & (j <= 3000)
def fk5():
    icrs = SkyCoord(ra, dec, unit='deg', frame='fk5').icrs
    return wcs.all_world2pix(icrs.ra.deg, icrs.dec.deg, 0)
def texts():
    sky = SkyCoord(ra_text, dec_text, unit=(units.hourangle, units.deg))
    return wcs.all_world2pix(sky.ra.deg, sky.dec.deg, 0)
def row(name, work, times=5, scale=1):
    best = 1e300
    for _ in range(times):
        begin = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - begin)
    print('%-46s %10.1f ms' % ('astropy: ' + name, best * 1e3 * scale), flush=True)
row('pixels', lambda: wcs.all_world2pix(ra, dec, 0))
row('pixels, FK5', fk5)
row('pixels, sexagesimal (a tenth, times ten)', texts, 1, 10)
row('inside an ellipse', inside)
row('inside a rectangle', bounds)
)";

} // namespace

int main(int argc, char** argv) {
    const std::size_t count = argc > 1 ? static_cast<std::size_t>(std::atoll(argv[1])) : 1'000'000;
    const std::string folder = argc > 2 ? argv[2] : "/tmp";
    const auto path = folder + "/catalog_bench.csv";
    write_table(path, count);
    BudgetCache budget(std::max<std::size_t>(std::size_t{1} << 30, count * 512));
    const auto table = open_table(path, TableOptions{.budget = budget, .scratch = folder, .memory_share = budget.limit()});
    test::Sky sky{.projection = "SIN", .crval1 = center_lon, .crval2 = center_lat, .crpix1 = side / 2 + 1, .crpix2 = side / 2 + 1, .cdelt1 = -step, .cdelt2 = step};
    const auto wcs = test::wcs_of(sky, side, side);
    const Shape ellipse{.type = RegionType::ellipse, .points = {{side / 2.0, side / 2.0}, {1000, 1200}}};
    const auto mask = std::make_shared<const PixelMask>(mask_of(ellipse, ImageShape{side, side}));
    const auto icrs = sky_columns(*table, 0, 1, sky_system_of("ICRS")), fk5 = sky_columns(*table, 0, 1, sky_system_of("FK5")), texts = sky_columns(*table, 2, 3, sky_system_of("ICRS"));
    std::vector<std::uint32_t> rows(table->rows);
    std::iota(rows.begin(), rows.end(), 0u);
    std::vector<PixelPoint> pixels(rows.size());

    const int cores = static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN));
    for (int threads = 1; threads <= cores; threads *= 2) {
        const ThreadShare share(threads);
        const auto behind = threads == 1 ? std::string(", 1 thread") : ", " + std::to_string(threads) + " threads";
        print_row("pixels" + behind, best_of_five([&] { all_pixels(*table, icrs, *wcs, share, rows, pixels); }));
        print_row("pixels, FK5" + behind, best_of_five([&] { all_pixels(*table, fk5, *wcs, share, rows, pixels); }));
        print_row("pixels, sexagesimal" + behind, best_of_five([&] { all_pixels(*table, texts, *wcs, share, rows, pixels); }));
        const auto view = [&](const RowTestPtr& test) { ViewCache(table).view({.test = test}, {.budget = budget, .scratch = folder, .threads = share}); };
        print_row("inside an ellipse" + behind, best_of_five([&] { view(server::on_mask(icrs, wcs, 0, mask, "")); }));
        print_row("inside a rectangle" + behind, best_of_five([&] { view(server::on_pixels(icrs, wcs, 0, 1000, 3000, 1000, 3000, "")); }));
    }
    const auto command = "/usr/bin/python3 -c \"" + std::string(astropy_script) + "\" '" + path + "' " + std::to_string(side) + " " + std::to_string(center_lon) + " " +
                         std::to_string(center_lat) + " " + std::to_string(step);
    std::fflush(stdout);
    if (std::system(command.c_str()) != 0) std::printf("astropy: could not be measured (python3-astropy is needed)\n");
    std::remove(path.c_str());
}
