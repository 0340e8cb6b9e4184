#pragma once
/// The parameters of an exported method, and how arguments find them. Immutable after construction; thread-safe.

#include "rpc/values/value.hpp"

#include <initializer_list>
#include <optional>
#include <string>
#include <vector>

namespace cubelink::rpc {

/// One parameter: {"a"} must be given, {"b", 2} has a default. See keyword_only(), rest() and rest_keywords() for the others.
class Parameter {
public:
    enum class Kind { plain, keyword_only, rest, rest_keywords };

    Parameter(const char* name) : name(name) {}
    Parameter(std::string name, Value fallback) : name(std::move(name)), fallback(std::move(fallback)) {}
    Parameter(Kind kind, std::string name, std::optional<Value> fallback = {})
        : kind(kind), name(std::move(name)), fallback(std::move(fallback)) {}

    Kind kind = Kind::plain;
    std::string name;
    std::optional<Value> fallback;
};

/// Given by name or not at all.
inline Parameter keyword_only(std::string name) { return {Parameter::Kind::keyword_only, std::move(name)}; }
inline Parameter keyword_only(std::string name, Value fallback) {
    return {Parameter::Kind::keyword_only, std::move(name), std::move(fallback)};
}
/// The positional arguments that no plain parameter takes, as an Array.
inline Parameter rest(std::string name) { return {Parameter::Kind::rest, std::move(name)}; }
/// The keyword arguments that no other parameter takes, as a Map.
inline Parameter rest_keywords(std::string name) { return {Parameter::Kind::rest_keywords, std::move(name)}; }

class Parameters {
public:
    /// Throws std::logic_error if two have the same name, or there are two rests of a kind.
    explicit Parameters(std::initializer_list<Parameter> parameters);

    std::size_t size() const { return parameters_.size(); }
    const std::string& name(std::size_t i) const { return parameters_[i].name; }

    /// One value for each parameter, in their order. Throws BadArguments, the message beginning with the parameter's name, if one
    /// is missing, given twice, or unknown.
    std::vector<Value> bind(Array&& args, Map&& kwargs) const;

private:
    std::vector<Parameter> parameters_;
};

} // namespace cubelink::rpc
