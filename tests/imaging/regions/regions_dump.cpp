// Regions as this server sees them, for comparison with astropy. Lines on standard input, an answer to each on standard output:
//
//   image CARD|CARD|…                           an image's world coordinates; answers its number, or "none"
//   mask WIDTH HEIGHT SHAPE                     answers runs "y:x0:x1 …"
//   convert FROM TO SHAPE                       (numbers of images) answers SHAPE, or "none"
//   time mask|convert COUNT …                   the same COUNT times; answers seconds
//
// SHAPE: type (ICD number), rotation, x y x y …

#include "imaging/regions/conversion.hpp"
#include "imaging/regions/mask.hpp"
#include "tests/imaging/regions/sample_wcs.hpp"

#include <chrono>
#include <cstdio>
#include <iostream>
#include <sstream>

using namespace cubelink::imaging;

namespace {

Shape shape_of(std::istringstream& words) {
    int type = 0;
    Shape shape;
    words >> type >> shape.rotation;
    shape.type = static_cast<RegionType>(type);
    for (PixelPoint point; words >> point.x >> point.y;) shape.points.push_back(point);
    return shape;
}

std::string answer(const std::string& verb, std::istringstream& words, std::vector<std::shared_ptr<const Wcs>>& images) {
    std::ostringstream out;
    out.precision(17);
    if (verb == "image") {
        std::string rest;
        std::getline(words >> std::ws, rest);
        std::vector<std::string> cards;
        std::istringstream parts(rest);
        for (std::string card; std::getline(parts, card, '|');) cards.push_back(card);
        const auto wcs = test::wcs_of(cards, 100, 100);
        if (!wcs) return "none";
        images.push_back(wcs);
        return std::to_string(images.size() - 1);
    }
    if (verb == "mask") {
        ImageShape image;
        words >> image.width >> image.height;
        const auto mask = mask_of(shape_of(words), image);
        for (const auto& run : mask.runs()) out << run.y << ':' << run.x0 << ':' << run.x1 << ' ';
        return out.str();
    }
    if (verb == "convert") {
        std::size_t from = 0, to = 0;
        words >> from >> to;
        const auto found = convert(shape_of(words), *images.at(from), *images.at(to));
        if (!found) return "none";
        out << static_cast<int>(found->type) << ' ' << found->rotation;
        for (const auto& point : found->points) out << ' ' << point.x << ' ' << point.y;
        return out.str();
    }
    if (verb == "time") {
        std::string what, rest;
        int count = 0;
        words >> what >> count;
        std::getline(words, rest);
        const auto begun = std::chrono::steady_clock::now();
        for (int i = 0; i < count; ++i) {
            std::istringstream again(rest);
            answer(what, again, images);
        }
        out << std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
        return out.str();
    }
    return "error: unknown word " + verb;
}

} // namespace

int main() {
    std::vector<std::shared_ptr<const Wcs>> images;
    for (std::string line; std::getline(std::cin, line);) {
        std::istringstream words(line);
        std::string verb;
        words >> verb;
        try {
            std::cout << answer(verb, words, images) << std::endl;
        } catch (const std::exception& e) {
            std::cout << "error: " << e.what() << std::endl;
        }
    }
    return 0;
}
