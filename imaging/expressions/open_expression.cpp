#include "imaging/expressions/open_expression.hpp"

#include "imaging/expressions/expression_error.hpp"
#include "imaging/expressions/expression_image.hpp"
#include "imaging/expressions/parser.hpp"
#include "imaging/fits/describe_image.hpp"
#include "imaging/world/header_editor.hpp"

#include <cmath>
#include <memory>
#include <utility>
#include <vector>

namespace cubelink::imaging {

namespace {

/// The first keyword by which the coordinates of the picture's plane differ by more than a thousandth of a pixel; "" if none does.
std::string difference_of_coordinates(const Header& a, const Header& b) {
    for (const char* axis : {"1", "2"}) {
        const auto key = [&](const char* name) { return std::string(name) + axis; };
        if (a.text(key("CTYPE")) != b.text(key("CTYPE"))) return key("CTYPE");
        const double step = a.number(key("CDELT")).value_or(1);
        const std::pair<const char*, double> allowed[] = {{"CRPIX", 1}, {"CDELT", std::abs(step)}, {"CRVAL", std::abs(step)}};
        for (const auto& [name, unit] : allowed) {
            const double difference = a.number(key(name)).value_or(0) - b.number(key(name)).value_or(0);
            if (std::abs(difference) > 1e-3 * unit) return key(name);
        }
    }
    return "";
}

} // namespace

OpenedImage open_expression(const std::string& expression, const expressions::ImageResolver& resolve, const OpenOptions& options) {
    auto graph = expressions::compile(parse_expression(expression), resolve);
    const expressions::Node root = graph.nodes[static_cast<std::size_t>(graph.root)];
    const OpenedImage first = graph.images[static_cast<std::size_t>(root.image)];
    // Channels of one image and stokes of another make a shape that no header describes.
    if (first.info.shape != root.shape)
        throw ExpressionError(1, "the result has " + std::to_string(root.shape.depth) + " channels and " +
                                     std::to_string(root.shape.stokes) + " stokes, which none of the images has");
    HeaderEditor header(header_of(first));
    if (root.unit && !root.unit->empty()) {
        if (*root.unit != first.info.bunit) header.set("BUNIT", *root.unit);
    } else {
        header.remove("BUNIT");
    }
    for (const char* extremes : {"DATAMIN", "DATAMAX"}) header.remove(extremes); // of other pixels
    std::vector<std::string> warnings;
    for (const OpenedImage& other : graph.images) {
        if (other.info.shape.width != first.info.shape.width || other.info.shape.height != first.info.shape.height) continue;
        const std::string keyword = difference_of_coordinates(header_of(first), header_of(other));
        if (!keyword.empty())
            warnings.push_back('"' + other.info.name + "\" has other coordinates than \"" + first.info.name + "\" (" + keyword +
                               "); pixels are joined by their numbers");
    }
    graph.images.clear(); // their headers
    const auto source = std::make_shared<const ExpressionImage>(std::move(graph), options.budget, options.threads);
    auto image = describe_image(source, header.header(), options.name.empty() ? expression : options.name, first.info.beams, first.wcs);
    image.info.beam_from_history = first.info.beam_from_history;
    image.info.warnings.insert(image.info.warnings.end(), warnings.begin(), warnings.end());
    return image;
}

} // namespace cubelink::imaging
