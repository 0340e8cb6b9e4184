#include "rpc/json/json_writer.hpp"

#include "rpc/json/json_plain.hpp"
#include "rpc/message_writer.hpp"
#include "rpc/values/utf8.hpp"

#include <charconv>
#include <cmath>

namespace cubelink::rpc {

namespace {

WireFrame frame(bool text, Bytes bytes) {
    WireFrame made{text, {}};
    if (!bytes.empty()) made.parts.push_back(std::move(bytes));
    return made;
}

/// Where U+2028 or U+2029 stands: JSON5, with which generation 1 reads, complains of each on the page's console.
std::size_t find_line_separator(std::string_view text) {
    std::size_t at = 0;
    while ((at = text.find("\xE2\x80", at)) != std::string_view::npos) {
        if (at + 2 < text.size() && (text[at + 2] == '\xA8' || text[at + 2] == '\xA9')) break;
        at += 2;
    }
    return at;
}

} // namespace

void JsonWriter::begin_map(std::size_t) {
    *out_ += '{';
    comma_ = false;
}

void JsonWriter::key(std::string_view name) {
    if (comma_) *out_ += ',';
    comma_ = true;
    put_string(name);
    *out_ += ':';
}

void JsonWriter::end_map() {
    *out_ += '}';
    comma_ = true;
}

void JsonWriter::value(const Value& value) {
    keys_.emplace(value);
    put(value, 0);
    keys_.reset();
    comma_ = true;
}

void JsonWriter::put_string(std::string_view text) {
    if (!is_utf8(text)) return put_string(make_utf8(text));
    constexpr std::size_t large = 4096, what_may_follow = 64;
    if (text.size() > large) out_->reserve(out_->size() + text.size() + what_may_follow); // or the end of the message would move all of it
    *out_ += '"';
    for (std::size_t at; (at = find_line_separator(text)) != std::string_view::npos; text.remove_prefix(at + 3)) {
        put_escaped(text.substr(0, at));
        *out_ += text[at + 2] == '\xA8' ? "\\u2028" : "\\u2029";
    }
    put_escaped(text);
    *out_ += '"';
}

void JsonWriter::put_escaped(std::string_view text) {
    while (true) {
        const auto plain = json_plain_prefix(text);
        out_->append(text, 0, plain);
        if (plain == text.size()) break;
        const auto c = static_cast<unsigned char>(text[plain]);
        text.remove_prefix(plain + 1);
        *out_ += '\\';
        switch (c) {
        case '"':
        case '\\':
            *out_ += static_cast<char>(c);
            break;
        case '\n':
            *out_ += 'n';
            break;
        case '\r':
            *out_ += 'r';
            break;
        case '\t':
            *out_ += 't';
            break;
        default:
            *out_ += "u00";
            *out_ += "0123456789abcdef"[c >> 4];
            *out_ += "0123456789abcdef"[c & 15];
        }
    }
}

void JsonWriter::put_double(double number) {
    if (std::isnan(number)) {
        *out_ += "NaN";
    } else if (std::isinf(number)) {
        *out_ += number < 0 ? "-Infinity" : "Infinity";
    } else {
        char digits[32];
        const std::string_view shortest(digits,
                                        static_cast<std::size_t>(std::to_chars(digits, digits + sizeof digits, number).ptr - digits));
        *out_ += shortest;
        if (shortest.find_first_of(".e") == std::string_view::npos) *out_ += ".0";
    }
}

template <class Integer>
void JsonWriter::put_integer(Integer number) {
    char digits[24];
    out_->append(digits, std::to_chars(digits, digits + sizeof digits, number).ptr);
}

void JsonWriter::put(const Value& value, unsigned depth) {
    if (depth > max_result_depth) throw NotEncodable("nested too deep");
    if (value.is_null()) {
        *out_ += "null";
    } else if (const auto* b = value.get_if<bool>()) {
        *out_ += *b ? "true" : "false";
    } else if (const auto* i = value.get_if<std::int64_t>()) {
        put_integer(*i);
    } else if (const auto* u = value.get_if<std::uint64_t>()) {
        put_integer(*u);
    } else if (const auto* d = value.get_if<double>()) {
        put_double(*d);
    } else if (const auto* text = value.get_if<std::string>()) {
        put_string(*text);
    } else if (const auto* bytes = value.get_if<Bytes>()) {
        attachments_.emplace_back(keys_->take(), *bytes);
        put_string(attachments_.back().first);
    } else if (const auto* array = value.get_if<Array>()) {
        *out_ += '[';
        bool first = true;
        for (const Value& element : *array) {
            if (!first) *out_ += ',';
            first = false;
            put(element, depth + 1);
        }
        *out_ += ']';
    } else if (const auto* map = value.get_if<Map>()) {
        *out_ += '{';
        bool first = true;
        for (const auto& [name, element] : *map) {
            if (!first) *out_ += ',';
            first = false;
            if (const auto* string = name.get_if<std::string>()) {
                put_string(*string);
            } else if (name.is<std::int64_t>() || name.is<std::uint64_t>()) {
                *out_ += '"';
                put(name, depth + 1);
                *out_ += '"';
            } else {
                throw NotEncodable("a map's key is neither a string nor an integer");
            }
            *out_ += ':';
            put(element, depth + 1);
        }
        *out_ += '}';
    } else {
        throw NotEncodable("JSON has no extension values");
    }
}

EncodedPtr JsonWriter::finish() {
    auto encoded = std::make_shared<Encoded>();
    encoded->frames.reserve(2 * attachments_.size() + 1);
    for (auto& [key, bytes] : attachments_) {
        std::string header = R"({"wslink":"1.0","method":"wslink.binary.attachment","args":[")" + key + "\"]}";
        encoded->frames.push_back(frame(true, Bytes::take(std::move(header))));
        encoded->frames.push_back(frame(false, std::move(bytes)));
    }
    encoded->frames.push_back(frame(true, out_.take()));
    for (const WireFrame& made : encoded->frames) encoded->bytes += made.size();
    return encoded;
}

} // namespace cubelink::rpc
