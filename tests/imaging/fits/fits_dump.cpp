// What this server reads in a FITS file, for comparison with astropy: facts as JSON on standard output, pixels as raw little-endian doubles.
//
//   fits_dump info PATH HDU              facts, world coordinates at some pixels, spectral axis
//   fits_dump pixels PATH HDU OUT [f|d]  all planes (stokes outer, channel inner), float or double
//   fits_dump spectrum PATH HDU X Y STOKES OUT
//   fits_dump frames < "lon lat from equinox to equinox" lines
//   fits_dump hdus PATH

#include "imaging/fits/open_fits.hpp"

#include <cmath>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <sstream>

using namespace cubelink::imaging;
using nlohmann::json;

namespace {

json number(double value) { return std::isfinite(value) ? json(value) : json(nullptr); }

json numbers(const std::vector<double>& values) {
    json result = json::array();
    for (const double value : values) result.push_back(number(value));
    return result;
}

json entries(const std::vector<HeaderEntry>& list) {
    json result = json::array();
    for (const auto& entry : list)
        result.push_back({{"name", entry.name}, {"value", entry.value}, {"type", static_cast<int>(entry.type)}, {"number", number(entry.numeric_value)}, {"comment", entry.comment}});
    return result;
}

json world(const Wcs& wcs, const ImageInfo& info) {
    json result;
    result["frame"] = wcs.frame_text();
    result["projection"] = wcs.projection();
    result["celestial_plane"] = wcs.celestial_plane();
    result["area"] = wcs.pixel_area() ? json(*wcs.pixel_area()) : json(nullptr);
    const double w = static_cast<double>(info.shape.width), h = static_cast<double>(info.shape.height);
    json facts = json::array();
    for (const auto& axis : wcs.axis_facts())
        facts.push_back({{"ctype", axis.ctype}, {"unit", axis.unit}, {"crval", number(axis.crval)}, {"cdelt", number(axis.cdelt)}, {"known", axis.known}});
    result["axes"] = facts;
    json points = json::array();
    for (const double fx : {0.0, 0.31, 0.77, 1.0}) {
        for (const double fy : {0.0, 0.42, 1.0}) {
            const PixelPoint pixel{fx * (w - 1), fy * (h - 1)};
            json point{{"x", pixel.x}, {"y", pixel.y}, {"world", numbers(wcs.pixel_to_world(pixel))}};
            const auto plane = wcs.plane_world(pixel);
            const auto back = wcs.plane_pixel(plane);
            point["back"] = {number(back.x), number(back.y)};
            SkyPoint icrs;
            const std::array pixels{pixel};
            wcs.pixels_to_sky(pixels, 0, *sky_system_of("ICRS"), std::span(&icrs, 1));
            point["icrs"] = {number(icrs.lon), number(icrs.lat)};
            points.push_back(point);
        }
    }
    result["points"] = points;
    if (const auto axis = wcs.spectral_axis()) {
        result["spectral"] = {{"frame", axis->spectral_frame()},
                              {"native", numbers(axis->native_values())},
                              {"frequency", numbers(axis->values(SpectralKind::frequency))},
                              {"wavelength", numbers(axis->values(SpectralKind::wavelength))},
                              {"air", numbers(axis->values(SpectralKind::air_wavelength))},
                              {"radio", numbers(axis->values(SpectralKind::velocity_radio))},
                              {"optical", numbers(axis->values(SpectralKind::velocity_optical))},
                              {"relativistic", numbers(axis->values(SpectralKind::velocity_relativistic))}};
    }
    return result;
}

json facts(const FitsImage& image) {
    const ImageInfo& info = image.info;
    json beams = json::array();
    for (const Beam& beam : info.beams) beams.push_back({number(beam.major), number(beam.minor), number(beam.pa), beam.channel, beam.stokes});
    json result{{"hdu", info.hdu},
                {"extname", info.extname},
                {"dimensions", info.dimensions},
                {"lengths", info.axis_lengths},
                {"shape", {info.shape.width, info.shape.height, info.shape.depth, info.shape.stokes}},
                {"axes", {info.axes.spatial_x, info.axes.spatial_y, info.axes.spectral, info.axes.stokes, info.axes.depth}},
                {"rendered", {info.rendered_axes[0], info.rendered_axes[1]}},
                {"header", entries(info.header)},
                {"computed", entries(info.computed)},
                {"beams", beams},
                {"bunit", info.bunit},
                {"stokes_types", info.stokes_types},
                {"warnings", info.warnings},
                {"wide", image.source->capabilities().prefers_double},
                {"direct", image.source->capabilities().random_access}};
    result["rest_frequency"] = info.rest_frequency ? json(*info.rest_frequency) : json(nullptr);
    result["wcs"] = image.wcs ? world(*image.wcs, info) : json(nullptr);
    return result;
}

template <class Value, class Read>
void dump_planes(const FitsImage& image, const std::string& path, Read read) {
    const ImageShape& shape = image.source->shape();
    std::ofstream out(path, std::ios::binary);
    std::vector<Value> plane(static_cast<std::size_t>(shape.plane_size()));
    for (int stokes = 0; stokes < shape.stokes; ++stokes) {
        for (int channel = 0; channel < shape.depth; ++channel) {
            read(Rect{0, 0, shape.width, shape.height}, PlaneId{channel, stokes}, std::span<Value>(plane));
            out.write(reinterpret_cast<const char*>(plane.data()), static_cast<std::streamsize>(plane.size() * sizeof(Value)));
        }
    }
}

void frames() {
    std::string line;
    while (std::getline(std::cin, line)) {
        std::istringstream words(line);
        SkyPoint point;
        std::string from, to;
        double from_equinox = 0, to_equinox = 0;
        words >> point.lon >> point.lat >> from >> from_equinox >> to >> to_equinox;
        const auto result = convert(point, {sky_system_of(from)->frame, from_equinox}, {sky_system_of(to)->frame, to_equinox});
        std::printf("%.15g %.15g\n", result.lon, result.lat);
    }
}

} // namespace

int main(int argc, char** argv) {
    const std::vector<std::string> arguments(argv + 1, argv + argc);
    try {
        const std::string command = arguments.at(0);
        if (command == "frames") {
            frames();
        } else if (command == "hdus") {
            json list = json::array();
            for (const auto& hdu : list_image_hdus(arguments.at(1)))
                list.push_back({{"number", hdu.number}, {"extname", hdu.extname}, {"bitpix", hdu.bitpix}, {"axes", hdu.axes}, {"compressed", hdu.compressed}});
            std::cout << list.dump() << "\n";
        } else {
            OpenOptions options;
            options.support_aips_beam = std::getenv("AIPS_BEAM") != nullptr;
            const FitsImage image = open_fits(arguments.at(1), arguments.at(2), options);
            if (command == "info") {
                std::cout << facts(image).dump(-1, ' ', true) << "\n";
            } else if (command == "pixels" && arguments.at(4) == "f") {
                dump_planes<float>(image, arguments.at(3), [&](auto rect, auto plane, auto out) { image.source->read(rect, plane, out, 2, {}); });
            } else if (command == "pixels") {
                dump_planes<double>(image, arguments.at(3), [&](auto rect, auto plane, auto out) { image.source->read64(rect, plane, out, 2, {}); });
            } else if (command == "spectrum") {
                std::vector<float> values(static_cast<std::size_t>(image.source->shape().depth));
                image.source->read_spectrum(std::stoll(arguments.at(3)), std::stoll(arguments.at(4)), std::stoi(arguments.at(5)), 0, values, {});
                std::ofstream(arguments.at(6), std::ios::binary).write(reinterpret_cast<const char*>(values.data()), static_cast<std::streamsize>(values.size() * 4));
            }
        }
        return 0;
    } catch (const std::exception& error) {
        std::cerr << error.what() << "\n";
        return 1;
    }
}
