#pragma once
/// Command lines by the definitions of command.hpp.

#include "clients/cli/command.hpp"

#include <cstdint>
#include <optional>
#include <stdexcept>
#include <utility>

namespace cubelink::cli {

/// A command line that makes no sense; what() says what is wrong.
class UsageError : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// A command line that was read and checked. Names are those of the definitions.
class Parsed {
public:
    const Command* command = nullptr; // none: only options of the program

    bool has(std::string_view name) const { return values_.count(std::string(name)) > 0; }
    /// The last value given, or `otherwise`.
    std::string text(std::string_view name, std::string otherwise = {}) const;
    std::int64_t integer(std::string_view name, std::int64_t otherwise = 0) const;
    double number(std::string_view name, double otherwise = 0) const;
    std::pair<double, double> range(std::string_view name) const;
    /// All values, in their order.
    const std::vector<std::string>& all(std::string_view name) const;

private:
    friend Parsed parse(const Program& program, const std::vector<std::string>& arguments);
    std::map<std::string, std::vector<std::string>> values_;
};

/// Reads arguments (without the program's name). `--name value`, `--name=value`, `-n value`, `-nvalue`; `--` ends the options, and what looks like a
/// negative number is none. With --help or --version arguments may be missing. Throws UsageError.
Parsed parse(const Program& program, const std::vector<std::string>& arguments);

/// Throw UsageError with `what` it was for.
std::int64_t parse_integer(const std::string& text, const std::string& what);
double parse_number(const std::string& text, const std::string& what);
std::pair<double, double> parse_range(const std::string& text, const std::string& what);

} // namespace cubelink::cli
