#include "clients/cli/input.hpp"

#include "clients/cli/parse.hpp"

#include <fstream>
#include <iostream>
#include <iterator>

namespace cubelink::cli {

namespace {

std::string whole(std::istream& stream, const std::string& name) {
    std::string text((std::istreambuf_iterator<char>(stream)), std::istreambuf_iterator<char>());
    if (stream.bad()) throw UsageError(name + " cannot be read");
    return text;
}

} // namespace

std::string text_or_file(const std::string& argument, const std::string& what) {
    if (argument == "@-") return whole(std::cin, "standard input");
    if (!argument.starts_with('@')) return argument;
    const auto path = argument.substr(1);
    std::ifstream file(path);
    if (!file) throw UsageError(what + ": " + path + " cannot be read");
    return whole(file, path);
}

} // namespace cubelink::cli
