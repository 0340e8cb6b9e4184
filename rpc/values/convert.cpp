#include "rpc/values/convert.hpp"

#include <cmath>

namespace cubelink::rpc {

namespace {

/// The integers up to here are exact in a double, which is what JavaScript has.
constexpr double exact = 9007199254740992.0; // 2^53

/// An integral float becomes the integer that it is; everything else stays.
Value as_integer(const Value& value) {
    const double* number = value.get_if<double>();
    if (number && std::trunc(*number) == *number && std::abs(*number) <= exact) return static_cast<std::int64_t>(*number);
    return value.is<std::int64_t>() || value.is<std::uint64_t>() ? value : Value();
}

} // namespace

std::string Path::text() const {
    if (!parent_) return std::string(name_);
    std::string text = parent_->text();
    if (is_index_)
        text.append("[").append(std::to_string(index_)).append("]");
    else
        text.append(".").append(name_);
    return text;
}

void throw_mismatch(const Path& path, std::string_view expected, const Value& got) {
    throw BadArguments(path.text().append(": expected ").append(expected).append(", got ").append(brief(got)));
}

std::int64_t integer_from_value(const Value& value, const Path& path, std::int64_t least, std::int64_t most) {
    const Value integer = as_integer(value);
    if (integer.is_null()) throw_mismatch(path, "an integer", value);
    const auto* number = integer.get_if<std::int64_t>();
    if (!number || *number < least || *number > most)
        throw_mismatch(path, std::string("an integer from ").append(std::to_string(least)).append(" to ").append(std::to_string(most)),
                       value);
    return *number;
}

std::uint64_t unsigned_from_value(const Value& value, const Path& path, std::uint64_t most) {
    const Value integer = as_integer(value);
    if (integer.is_null()) throw_mismatch(path, "an integer", value);
    const auto* number = integer.get_if<std::int64_t>();
    const std::uint64_t magnitude = number ? static_cast<std::uint64_t>(*number) : *integer.get_if<std::uint64_t>();
    if ((number && *number < 0) || magnitude > most)
        throw_mismatch(path, std::string("an integer from 0 to ").append(std::to_string(most)), value);
    return magnitude;
}

double number_from_value(const Value& value, const Path& path) {
    if (const auto* d = value.get_if<double>()) return *d;
    if (const auto* i = value.get_if<std::int64_t>()) return static_cast<double>(*i);
    if (const auto* u = value.get_if<std::uint64_t>()) return static_cast<double>(*u);
    if (value.is_null()) return std::numeric_limits<double>::quiet_NaN();
    throw_mismatch(path, "a number", value);
}

float float_from_value(const Value& value, const Path& path) {
    const double number = number_from_value(value, path);
    if (std::isfinite(number) && std::abs(number) > std::numeric_limits<float>::max())
        throw_mismatch(path, "a number within float's range", value);
    return static_cast<float>(number);
}

} // namespace cubelink::rpc
