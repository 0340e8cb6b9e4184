#pragma once
/// Images in memory for expressions, and expressions over them.

#include "imaging/expressions/compile.hpp"
#include "imaging/expressions/expression_error.hpp"
#include "imaging/expressions/expression_image.hpp"
#include "imaging/expressions/parser.hpp"
#include "tests/imaging/pixels/test_sources.hpp"

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace cubelink::imaging::samples {

using test::MemorySource;

struct Images {
    std::map<std::string, OpenedImage> by_name;
    std::map<std::string, std::shared_ptr<MemorySource>> sources;
    int opened = 0;

    MemorySource& add(const std::string& name, const ImageShape& shape, const std::string& unit = "", bool wide = false,
                      bool direct = true) {
        auto source = std::make_shared<MemorySource>(shape, wide, direct);
        OpenedImage image;
        image.source = source;
        image.info.name = name;
        image.info.bunit = unit;
        image.info.shape = shape;
        image.info.axis_lengths = {shape.width, shape.height};
        if (shape.depth > 1) image.info.axis_lengths.push_back(shape.depth);
        if (shape.stokes > 1) image.info.axis_lengths.push_back(shape.stokes);
        image.info.dimensions = int(image.info.axis_lengths.size());
        by_name[name] = image;
        sources[name] = source;
        return *source;
    }
    expressions::ImageResolver resolver() {
        return [this](const std::string& name) {
            const auto found = by_name.find(name);
            if (found == by_name.end()) throw ImageError("there is no image \"" + name + "\"");
            ++opened;
            return found->second;
        };
    }
    expressions::Graph compile(const std::string& text) { return expressions::compile(parse_expression(text), resolver()); }
    std::shared_ptr<const ExpressionImage> image(const std::string& text, BudgetCache* budget = nullptr, int threads = 2) {
        return std::make_shared<const ExpressionImage>(compile(text), budget, threads);
    }
    std::string failure(const std::string& text) {
        try {
            compile(text);
            return "no error";
        } catch (const ExpressionError& error) {
            return error.what();
        }
    }
};

inline std::vector<float> plane_of(const ImageSource& source, PlaneId plane = {}, int threads = 1) {
    const Rect rect{0, 0, source.shape().width, source.shape().height};
    std::vector<float> pixels(std::size_t(rect.size()));
    source.read(rect, plane, pixels, threads, {});
    return pixels;
}

} // namespace cubelink::imaging::samples
