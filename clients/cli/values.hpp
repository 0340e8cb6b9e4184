#pragma once
/// Values of messages: fields, JSON text, and tables.

#include "rpc/values/value.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace cubelink::cli {

/// A field of a map; null if there is none, or `value` is no map.
const rpc::Value& field(const rpc::Value& value, std::string_view name);
/// A list's items; none if it is none.
const rpc::Array& items(const rpc::Value& value);
std::int64_t integer(const rpc::Value& value, std::int64_t otherwise = 0);
std::string text(const rpc::Value& value);
/// Little-endian float64s, or a list of numbers; null is NaN.
std::vector<double> numbers(const rpc::Value& value);

/// Strict JSON (RFC 8259): NaN and infinities become null, bytes {"base64": "…"}. On one line, or indented by two blanks with lists of scalars on one line.
std::string json(const rpc::Value& value, bool indented = false);
/// Throws std::invalid_argument with what is wrong.
rpc::Value parse_json(std::string_view text);

/// The shortest decimal number that reads as this one; nan, inf.
std::string decimal(double number);
/// A field of a CSV file (RFC 4180): quoted where it must be.
std::string csv(const std::string& text);
/// Rows under each other, columns two blanks apart; the last one is not padded. Widths are those of UTF-8 characters.
std::string table(const std::vector<std::vector<std::string>>& rows);
/// Control characters of what a server sent, as \xNN: they must not reach a terminal.
std::string printable(const std::string& text);

} // namespace cubelink::cli
