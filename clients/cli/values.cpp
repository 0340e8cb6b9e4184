#include "clients/cli/values.hpp"

#include "rpc/json/json_reader.hpp"
#include "rpc/json/json_writer.hpp"
#include "rpc/values/utf8.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <limits>
#include <stdexcept>

namespace cubelink::cli {

using rpc::Array;
using rpc::Bytes;
using rpc::Map;
using rpc::Value;

namespace {

std::string base64(std::string_view bytes) {
    static constexpr char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string result;
    result.reserve((bytes.size() + 2) / 3 * 4);
    for (std::size_t i = 0; i < bytes.size(); i += 3) {
        const auto byte = [&](std::size_t k) { return i + k < bytes.size() ? static_cast<unsigned char>(bytes[i + k]) : 0u; };
        const unsigned group = byte(0) << 16 | byte(1) << 8 | byte(2);
        result += letters[group >> 18];
        result += letters[group >> 12 & 63];
        result += i + 1 < bytes.size() ? letters[group >> 6 & 63] : '=';
        result += i + 2 < bytes.size() ? letters[group & 63] : '=';
    }
    return result;
}

std::string scalar(const Value& value) {
    if (const auto* number = value.get_if<double>(); number && !std::isfinite(*number)) return "null";
    rpc::JsonWriter writer;
    writer.value(value);
    return writer.take_text();
}

bool nested(const Value& value) { return value.is<Array>() || value.is<Map>() || value.is<Bytes>(); }

void put(const Value& value, bool indented, std::size_t depth, std::string& out) {
    const auto line = [&](std::size_t level) {
        if (indented) out += "\n" + std::string(2 * level, ' ');
    };
    if (const auto* bytes = value.get_if<Bytes>()) {
        out += "{\"base64\": \"" + base64(bytes->text()) + "\"}";
    } else if (const auto* extension = value.get_if<rpc::Extension>()) {
        out += "{\"extension\": " + std::to_string(extension->type) + ", \"base64\": \"" + base64(extension->data.text()) + "\"}";
    } else if (const auto* array = value.get_if<Array>()) {
        const bool lines = std::any_of(array->begin(), array->end(), nested);
        out += '[';
        bool first = true;
        for (const auto& item : *array) {
            if (!first) out += lines && indented ? "," : ", ";
            first = false;
            if (lines) line(depth + 1);
            put(item, indented, depth + 1, out);
        }
        if (lines) line(depth);
        out += ']';
    } else if (const auto* map = value.get_if<Map>()) {
        out += '{';
        bool first = true;
        for (const auto& [key, item] : *map) {
            if (!first) out += indented ? "," : ", ";
            first = false;
            line(depth + 1);
            out += (key.is<std::string>() ? scalar(key) : "\"" + scalar(key) + "\"") + ": ";
            put(item, indented, depth + 1, out);
        }
        if (!map->empty()) line(depth);
        out += '}';
    } else {
        out += scalar(value);
    }
}

std::size_t characters(const std::string& text) {
    return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

} // namespace

const Value& field(const Value& value, std::string_view name) {
    static const Value none;
    const auto* map = value.get_if<Map>();
    const auto* found = map ? map->find(name) : nullptr;
    return found ? *found : none;
}

const Array& items(const Value& value) {
    static const Array none;
    const auto* array = value.get_if<Array>();
    return array ? *array : none;
}

std::int64_t integer(const Value& value, std::int64_t otherwise) {
    if (const auto* whole = value.get_if<std::int64_t>()) return *whole;
    if (const auto* real = value.get_if<double>(); real && *real >= -0x1p63 && *real < 0x1p63) return static_cast<std::int64_t>(*real);
    return otherwise;
}

std::string text(const Value& value) {
    const auto* string = value.get_if<std::string>();
    return string ? *string : std::string();
}

std::vector<double> numbers(const Value& value) {
    std::vector<double> result;
    if (const auto* bytes = value.get_if<Bytes>()) {
        result.resize(bytes->size() / sizeof(double));
        if (!result.empty()) std::memcpy(result.data(), bytes->data(), result.size() * sizeof(double));
    }
    for (const auto& item : items(value)) {
        if (const auto* real = item.get_if<double>()) result.push_back(*real);
        else if (const auto* whole = item.get_if<std::int64_t>()) result.push_back(static_cast<double>(*whole));
        else result.push_back(std::numeric_limits<double>::quiet_NaN());
    }
    return result;
}

std::string json(const Value& value, bool indented) {
    std::string out;
    put(value, indented, 0, out);
    return out;
}

Value parse_json(std::string_view text) {
    if (!rpc::is_utf8(text)) throw std::invalid_argument("it is not UTF-8");
    auto decoded = rpc::read_json(text, 64);
    if (!decoded.good()) throw std::invalid_argument(decoded.problem);
    return std::move(decoded.message);
}

std::string decimal(double number) {
    char buffer[40];
    const auto end = std::to_chars(buffer, buffer + sizeof buffer, number).ptr;
    return {buffer, end};
}

std::string csv(const std::string& text) {
    if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
    std::string result = "\"";
    for (const char c : text) result += c == '"' ? std::string("\"\"") : std::string(1, c);
    return result + "\"";
}

std::string table(const std::vector<std::vector<std::string>>& rows) {
    std::vector<std::size_t> widths;
    for (const auto& row : rows)
        for (std::size_t i = 0; i < row.size(); ++i) {
            widths.resize(std::max(widths.size(), i + 1));
            widths[i] = std::max(widths[i], characters(row[i]));
        }
    std::string out;
    for (const auto& row : rows) {
        for (std::size_t i = 0; i < row.size(); ++i) {
            out += row[i];
            if (i + 1 < row.size()) out += std::string(widths[i] - characters(row[i]) + 2, ' ');
        }
        out += '\n';
    }
    return out;
}

std::string printable(const std::string& text) {
    std::string result;
    for (const char c : text) {
        if (static_cast<unsigned char>(c) >= 0x20 && c != 0x7F) {
            result += c;
            continue;
        }
        char escape[8];
        std::snprintf(escape, sizeof escape, "\\x%02x", static_cast<unsigned char>(c));
        result += escape;
    }
    return result;
}

} // namespace cubelink::cli
