// Types, shapes, units, and what is refused.

#include "expression_samples.hpp"

#include <doctest/doctest.h>

#include <cmath>

using namespace cubelink::imaging;
using expressions::Op;
using expressions::ValueType;

namespace {

samples::Images some_images() {
    samples::Images images;
    images.add("a", {4, 3, 1, 1}, "Jy/beam");
    images.add("b", {4, 3, 1, 1}, "K");
    images.add("cube", {4, 3, 5, 1}, "Jy/beam");
    images.add("other", {4, 3, 6, 1});
    images.add("iq", {4, 3, 1, 2});
    images.add("wide", {4, 3, 1, 1}, "Jy/beam", true);
    images.add("small", {3, 3, 1, 1});
    return images;
}

const expressions::Node& root_of(const expressions::Graph& graph) { return graph.nodes[std::size_t(graph.root)]; }

} // namespace

TEST_CASE("types are promoted as in casacore") {
    auto images = some_images();
    const auto type = [&](const std::string& text) { return root_of(images.compile(text)).type; };
    CHECK(type("a+1") == ValueType::single);
    CHECK(type("a*2e0") == ValueType::single);
    CHECK(type("a*2.5") == ValueType::double_);
    CHECK(type("a*pi()") == ValueType::double_);
    CHECK(type("a*float(pi())") == ValueType::single);
    CHECK(type("double(a)") == ValueType::double_);
    CHECK(type("wide") == ValueType::double_);
    CHECK(type("a-mean(a)") == ValueType::single);
    CHECK(type("a-nelements(a)") == ValueType::double_);
    CHECK(type("a>1") == ValueType::single);          // 0 and 1
    CHECK(type("complex(a,b)") == ValueType::single); // the amplitude
    CHECK(type("a+3i") == ValueType::double_);
    CHECK(type("a+3e0i") == ValueType::single);
    CHECK(type("iif(a>1,a,2.5)") == ValueType::double_);
}

TEST_CASE("shapes") {
    auto images = some_images();
    CHECK(root_of(images.compile("a+cube")).shape == ImageShape{4, 3, 5, 1});
    CHECK(root_of(images.compile("cube*a")).image == 0);
    CHECK(root_of(images.compile("a*cube")).image == 1);
    CHECK(root_of(images.compile("a*iq")).shape == ImageShape{4, 3, 1, 2});
    CHECK(root_of(images.compile("a+mean(small)")).shape == ImageShape{4, 3, 1, 1});
    CHECK(images.failure("a + small") == "column 3: images of different sizes: \"a\" has 4 × 3 pixels, \"small\" 3 × 3");
    CHECK(images.failure("1 + cube*other") == "column 9: images of different sizes: \"cube\" has 5 channels, \"other\" 6");
}

TEST_CASE("what has no sense is refused, with its place") {
    auto images = some_images();
    CHECK(images.failure("1+2") == "column 1: the expression is a single number, not an image");
    CHECK(images.failure("mean(a)") == "column 1: the expression is a single number, not an image");
    CHECK(images.failure("a + none") == "column 5: there is no image \"none\"");
    CHECK(images.failure("foo(a)") == "column 1: there is no function foo()");
    CHECK(images.failure("1+sin(a,b)") == "column 3: the function sin() takes 1 argument, not 2");
    CHECK(images.failure("atan2(a)") == "column 1: the function atan2() takes 2 arguments, not 1");
    CHECK(images.failure("replace(a,b,b)") == "column 1: the function replace() takes 1 or 2 arguments, not 3");
    CHECK(images.failure("a + (b>1)") == "column 3: + takes numbers, not a condition (true or false)");
    CHECK(images.failure("!a") == "column 1: ! takes conditions (true or false), not a real number");
    CHECK(images.failure("a && b") == "column 3: && takes conditions (true or false), not a real number");
    CHECK(images.failure("(a>1) > (b>1)").find("column 7: > takes numbers") == 0);
    CHECK(images.failure("(a>1) == b") == "column 7: == can't join a condition (true or false) and a number");
    CHECK(images.failure("a[2]") == "column 2: [ ] takes a condition such as image > 2, not a real number; regions are not supported");
    CHECK(images.failure("iif(a,a,b)") == "column 1: the first argument of iif() takes conditions (true or false), not a real number");
    CHECK(images.failure("complex(a,b) > 1") == "column 14: complex numbers have no order; compare their abs()");
    CHECK(images.failure("tan(complex(a,b))") == "column 1: tan() takes real numbers, not a complex number");
    CHECK(images.failure("a+fractile(a,2)") == "column 3: the fraction of fractile() lies between 0 and 1");
    CHECK(images.failure("a+fractile(a,b)") == "column 3: the fraction of fractile() is a number, not an image");
    CHECK(images.failure("a+length(a,b)").find("column 3: the axis of length()") == 0);
    CHECK(images.failure("spectralindex(a,b)") == "column 1: spectralindex() takes images of one channel; \"a\" has no frequency");
    CHECK(images.failure("spectralindex(a,2)") == "column 1: spectralindex() takes images of one channel; \"a\" has no frequency");
    CHECK(images.failure("spectralindex(1,2)") == "column 1: spectralindex() takes images, not a number");
    CHECK(images.failure("any(a)") == "column 1: any() takes conditions (true or false), not a real number");
}

TEST_CASE("equal parts are one, constants are computed, images are opened once") {
    auto images = some_images();
    const auto graph = images.compile("sin(a)*2 + sin(a)*2 + (1+2*3)^2 + a");
    CHECK(images.opened == 1);
    CHECK(graph.inputs.size() == 1);
    int sines = 0, constants = 0;
    for (const auto& node : graph.nodes) {
        sines += node.op == Op::sine;
        constants += node.op == Op::constant && node.re == 49;
    }
    CHECK(sines == 1);
    CHECK(constants == 1);
}

TEST_CASE("more images than are allowed") {
    samples::Images images;
    std::string sum = "i0";
    for (int n = 0; n <= int(expressions::kMaxExpressionImages); ++n) {
        images.add("i" + std::to_string(n), {1, 1, 1, 1});
        if (n > 0) sum += "+i" + std::to_string(n);
    }
    CHECK(images.failure(sum).find("the expression names more than 64 images") != std::string::npos);
}

TEST_CASE("units follow from the operations") {
    auto images = some_images();
    const auto unit = [&](const std::string& text) {
        const auto graph = images.compile(text);
        return root_of(graph).unit.value_or("unknown");
    };
    CHECK(unit("a") == "Jy/beam");
    CHECK(unit("a+cube") == "Jy/beam");
    CHECK(unit("a+b") == "unknown");
    CHECK(unit("a+1") == "Jy/beam");
    CHECK(unit("2*a/3") == "Jy/beam");
    CHECK(unit("a/cube") == "");
    CHECK(unit("a/b") == "unknown");
    CHECK(unit("a*b") == "unknown");
    CHECK(unit("a-mean(a)") == "Jy/beam");
    CHECK(unit("a/stddev(a)") == "");
    CHECK(unit("sin(a)") == "unknown");
    CHECK(unit("log(a/max(a))") == "");
    CHECK(unit("a>2") == "");
    CHECK(unit("a[a>2]") == "Jy/beam");
    CHECK(unit("iif(a>2,a,0)") == "Jy/beam");
    CHECK(unit("abs(complex(a,cube))") == "Jy/beam");
    CHECK(unit("pa(a,cube)") == "deg");
    CHECK(unit("a*a") == "unknown");
}

TEST_CASE("ndim and length") {
    auto images = some_images();
    const auto value = [&](const std::string& text) {
        const auto graph = images.compile("a*0+" + text);
        return graph.nodes[std::size_t(root_of(graph).operands[1])].re;
    };
    CHECK(value("ndim(cube)") == 3);
    CHECK(value("length(cube,0)") == 4);
    CHECK(value("length(cube,2)") == 5);
    CHECK(value("length(cube,7)") == 1);
}
