#include "rpc/parameter.hpp"

#include "rpc/error.hpp"

#include <bitset>
#include <stdexcept>

namespace cubelink::rpc {

using Kind = Parameter::Kind;

namespace {
constexpr std::size_t most_parameters = 64;
}

Parameters::Parameters(std::initializer_list<Parameter> parameters) : parameters_(parameters) {
    if (parameters_.size() > most_parameters) throw std::logic_error("a method takes at most 64 parameters");
    for (std::size_t i = 0; i < parameters_.size(); ++i)
        for (std::size_t j = 0; j < i; ++j) {
            const Parameter &a = parameters_[i], &b = parameters_[j];
            if (a.name == b.name) throw std::logic_error("two parameters are named \"" + a.name + "\"");
            if (a.kind == b.kind && (a.kind == Kind::rest || a.kind == Kind::rest_keywords))
                throw std::logic_error("\"" + a.name + "\" is a second rest");
        }
}

std::vector<Value> Parameters::bind(Array&& args, Map&& kwargs) const {
    std::vector<Value> values(parameters_.size());
    std::bitset<most_parameters> given;
    Array* rest = nullptr;
    Map* rest_keywords = nullptr;
    std::size_t positional = 0;
    for (std::size_t i = 0; i < parameters_.size(); ++i) {
        switch (parameters_[i].kind) {
        case Kind::plain:
            if (positional < args.size()) {
                values[i] = std::move(args[positional++]);
                given[i] = true;
            }
            break;
        case Kind::keyword_only:
            break;
        case Kind::rest:
            rest = &values[i].storage().emplace<Array>();
            break;
        case Kind::rest_keywords:
            rest_keywords = &values[i].storage().emplace<Map>();
            break;
        }
    }
    if (rest) {
        rest->assign(std::make_move_iterator(args.begin() + static_cast<std::ptrdiff_t>(positional)), std::make_move_iterator(args.end()));
    } else if (positional < args.size()) {
        throw BadArguments("args[" + std::to_string(positional) + "]: at most " + std::to_string(positional) +
                           " positional arguments are taken, got " + std::to_string(args.size()));
    }

    for (auto& [key, value] : kwargs) {
        const auto* name = key.get_if<std::string>();
        if (!name) throw BadArguments("kwargs: expected names as keys, got " + brief(key));
        bool taken = false;
        for (std::size_t i = 0; i < parameters_.size() && !taken; ++i) {
            const Parameter& parameter = parameters_[i];
            if (parameter.name != *name || parameter.kind == Kind::rest || parameter.kind == Kind::rest_keywords) continue;
            if (given[i]) throw BadArguments(*name + ": given twice, by position and by name");
            values[i] = std::move(value);
            given[i] = taken = true;
        }
        if (taken) continue;
        if (!rest_keywords) throw BadArguments(brief(Value(*name)).substr(1, name->size() > 80 ? 80 : name->size()) + ": no such argument");
        rest_keywords->append(std::move(key), std::move(value));
    }

    for (std::size_t i = 0; i < parameters_.size(); ++i) {
        const Parameter& parameter = parameters_[i];
        if (given[i] || parameter.kind == Kind::rest || parameter.kind == Kind::rest_keywords) continue;
        if (!parameter.fallback) throw BadArguments(parameter.name + ": missing");
        values[i] = *parameter.fallback;
    }
    return values;
}

} // namespace cubelink::rpc
