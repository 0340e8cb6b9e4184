#include "rpc/json/json_reader.hpp"

#include "rpc/json/json_plain.hpp"
#include "rpc/values/utf8.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

namespace cubelink::rpc {

namespace {

/// The structure of the text is broken: thrown within this file only.
struct Malformed {
    std::string what;
};

/// What a number becomes that has digits and is too large or too small for a double: infinity or zero.
double beyond_range(std::string_view number) {
    const bool negative = number.starts_with('-');
    if (negative) number.remove_prefix(1);
    const auto e = number.find_first_of("eE");
    const std::string_view mantissa = number.substr(0, e);
    // Out of double's range the exponent decides, unless there are hundreds of digits: their place is added to it.
    long long place = 0;
    const auto point = std::min(mantissa.find('.'), mantissa.size());
    const auto first = mantissa.find_first_of("123456789");
    if (first != std::string_view::npos)
        place = first < point ? static_cast<long long>(point - first) : static_cast<long long>(point) - static_cast<long long>(first);
    bool positive_exponent = true;
    long long exponent = 0;
    if (e != std::string_view::npos) {
        std::string_view digits = number.substr(e + 1);
        positive_exponent = !digits.starts_with('-');
        if (digits.starts_with('-') || digits.starts_with('+')) digits.remove_prefix(1);
        if (std::from_chars(digits.data(), digits.data() + digits.size(), exponent).ec == std::errc::result_out_of_range)
            exponent = std::numeric_limits<long long>::max() / 2;
    }
    const bool large = place + (positive_exponent ? exponent : -exponent) > 0;
    const double magnitude = large ? std::numeric_limits<double>::infinity() : 0.0;
    return negative ? -magnitude : magnitude;
}

/// The float that an integer beyond 64 bits stands for, if JavaScript may have meant it: JSON.stringify writes floats below 10^21 without an
/// exponent, as their shortest digits and zeros (2^64 is 18446744073709552000). Nothing where digits would be lost.
std::optional<double> as_javascript_float(std::string_view integer) {
    double number = 0;
    const auto read = std::from_chars(integer.data(), integer.data() + integer.size(), number);
    if (read.ec != std::errc() || !(std::abs(number) < 1e21)) return std::nullopt;
    char text[40];
    const auto written = [&](std::chars_format format) {
        return std::string_view(text, static_cast<std::size_t>(std::to_chars(text, text + sizeof text, number, format).ptr - text));
    };
    if (written(std::chars_format::fixed) == integer) return number; // exact
    std::string shortest;
    for (const char c : written(std::chars_format::scientific)) {
        if (c == 'e') break;
        if (c != '.') shortest += c;
    }
    shortest.resize(std::max(shortest.size(), integer.size()), '0');
    return shortest == integer ? std::optional(number) : std::nullopt;
}

class JsonReader {
public:
    JsonReader(std::string_view text, unsigned depth) : at_(text.data()), end_(at_ + text.size()), begin_(at_), max_depth_(depth) {}

    Decoded read() {
        Decoded decoded;
        try {
            read_value(decoded.message, 1);
            skip_space();
            if (at_ != end_) fail("text after the end of the message");
        } catch (Malformed& malformed) {
            if (problem_.empty()) problem_ = std::move(malformed.what);
        }
        if (!problem_.empty()) {
            decoded.problem = std::move(problem_);
            if (auto* map = decoded.message.get_if<Map>())
                if (Value* id = map->find("id"))
                    if (auto* text = id->get_if<std::string>()) decoded.id = std::move(*text);
            decoded.message = nullptr;
        }
        return decoded;
    }

private:
    [[noreturn]] void fail(std::string what) const { throw Malformed{std::move(what) + " at byte " + std::to_string(at_ - begin_)}; }

    /// Notes the first breach of a rule; reading goes on, for the sake of the id.
    void refuse(std::string what) {
        if (problem_.empty()) problem_ = std::move(what);
    }
    bool refused() const { return !problem_.empty(); }

    void skip_space() {
        while (at_ != end_ && (*at_ == ' ' || *at_ == '\n' || *at_ == '\r' || *at_ == '\t')) ++at_;
    }

    /// The next character that is no space, not consumed; '\0' at the end (which is never valid there).
    char peek() {
        skip_space();
        return at_ == end_ ? '\0' : *at_;
    }

    void expect(char wanted, const char* where) {
        if (peek() != wanted) fail(std::string("expected '") + wanted + "' " + where);
        ++at_;
    }

    bool take_word(std::string_view word) {
        if (static_cast<std::size_t>(end_ - at_) < word.size() || std::string_view(at_, word.size()) != word) return false;
        at_ += word.size();
        return true;
    }

    void count_value() {
        if (++values_ > max_values_per_message) refuse("more than " + std::to_string(max_values_per_message) + " values in one message");
    }

    void read_value(Value& out, unsigned depth) {
        count_value();
        switch (peek()) {
        case '{':
            return read_map(out, depth);
        case '[':
            return read_array(out, depth);
        case '"':
            out.storage().emplace<std::string>(read_string());
            return;
        case 't':
            if (take_word("true"))
                out = true;
            else
                fail("unknown word");
            return;
        case 'f':
            if (take_word("false"))
                out = false;
            else
                fail("unknown word");
            return;
        case 'n':
            if (!take_word("null")) fail("unknown word");
            return;
        case 'N':
            if (take_word("NaN"))
                out = std::numeric_limits<double>::quiet_NaN();
            else
                fail("unknown word");
            return;
        case 'I':
            if (take_word("Infinity"))
                out = std::numeric_limits<double>::infinity();
            else
                fail("unknown word");
            return;
        default:
            read_number(out);
        }
    }

    void read_array(Value& out, unsigned depth) {
        if (depth > max_depth_) return skip_nested();
        ++at_;
        Array& array = out.storage().emplace<Array>();
        if (peek() == ']') {
            ++at_;
            return;
        }
        for (;;) {
            if (refused()) {
                array.clear();
                array.shrink_to_fit();
                Value dropped;
                read_value(dropped, depth + 1);
            } else {
                read_value(array.emplace_back(), depth + 1);
            }
            const char next = peek();
            if (next != ',' && next != ']') fail("expected ',' or ']' in a list");
            ++at_;
            if (next == ']') return;
        }
    }

    void read_map(Value& out, unsigned depth) {
        if (depth > max_depth_) return skip_nested();
        ++at_;
        Map& map = out.storage().emplace<Map>();
        if (peek() == '}') {
            ++at_;
            return;
        }
        for (;;) {
            if (peek() != '"') fail("expected a name in a map");
            count_value();
            std::string key = read_string();
            expect(':', "after a name in a map");
            const bool id = depth == 1 && key == "id";
            if (refused() && (!id || id_read_)) {
                Value dropped;
                read_value(dropped, depth + 1);
            } else {
                id_read_ = id_read_ || id;
                // The entry is there before its value is read: a list within it may hold the place of the break.
                auto& entry = map.append();
                entry.first.storage().emplace<std::string>(std::move(key));
                read_value(entry.second, depth + 1);
            }
            const char next = peek();
            if (next != ',' && next != '}') fail("expected ',' or '}' in a map");
            ++at_;
            if (next == '}') break;
        }
        if (const Value* key = refused() ? nullptr : duplicate_key(map)) refuse("the key " + brief(*key) + " appears twice in a map");
    }

    /// Passes over a container, however deep, without recursion: only brackets and strings are looked at.
    void skip_nested() {
        refuse("nested more than " + std::to_string(max_depth_) + " deep");
        std::size_t open = 0;
        do {
            if (at_ == end_) fail("the text ends within a container");
            switch (*at_) {
            case '"':
                read_string();
                continue;
            case '[':
            case '{':
                ++open;
                break;
            case ']':
            case '}':
                --open;
                break;
            default:
                break;
            }
            ++at_;
        } while (open > 0);
    }

    std::string read_string() {
        ++at_;
        std::string out(plain_run());
        while (at_ != end_ && *at_ != '"') {
            if (static_cast<unsigned char>(*at_) < 0x20) fail("a control character in a string");
            if (*at_ == '\\') {
                read_escape(out);
            } else {
                out += plain_run();
            }
        }
        if (at_ == end_) fail("the text ends within a string");
        ++at_;
        return out;
    }

    std::string_view plain_run() {
        const std::string_view rest(at_, static_cast<std::size_t>(end_ - at_));
        const auto run = rest.substr(0, json_plain_prefix(rest));
        at_ += run.size();
        return run;
    }

    void read_escape(std::string& out) {
        ++at_;
        if (at_ == end_) fail("the text ends within a string");
        switch (*at_++) {
        case '"':
            out += '"';
            return;
        case '\\':
            out += '\\';
            return;
        case '/':
            out += '/';
            return;
        case 'b':
            out += '\b';
            return;
        case 'f':
            out += '\f';
            return;
        case 'n':
            out += '\n';
            return;
        case 'r':
            out += '\r';
            return;
        case 't':
            out += '\t';
            return;
        case 'u':
            break;
        default:
            --at_;
            fail("an unknown escape in a string");
        }
        std::uint32_t unit = read_hex4();
        if (unit >= 0xD800 && unit < 0xDC00) {
            const char* const after = at_;
            if (end_ - at_ >= 2 && at_[0] == '\\' && at_[1] == 'u') {
                at_ += 2;
                const std::uint32_t low = read_hex4();
                if (low >= 0xDC00 && low < 0xE000) return append_utf8(out, 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00));
                at_ = after; // a character of its own: it is read again
            }
            unit = 0xFFFD;
        } else if (unit >= 0xDC00 && unit < 0xE000) {
            unit = 0xFFFD;
        }
        append_utf8(out, unit);
    }

    std::uint32_t read_hex4() {
        std::uint32_t unit = 0;
        if (end_ - at_ < 4) fail("the text ends within an escape");
        for (const char* const stop = at_ + 4; at_ != stop; ++at_) {
            const char c = *at_;
            unit <<= 4;
            if (c >= '0' && c <= '9')
                unit |= static_cast<std::uint32_t>(c - '0');
            else if (c >= 'a' && c <= 'f')
                unit |= static_cast<std::uint32_t>(c - 'a' + 10);
            else if (c >= 'A' && c <= 'F')
                unit |= static_cast<std::uint32_t>(c - 'A' + 10);
            else
                fail("expected a hexadecimal digit");
        }
        return unit;
    }

    void skip_digits() {
        if (at_ == end_ || *at_ < '0' || *at_ > '9') fail(at_ == end_ ? "the text ends where a value is due" : "expected a value");
        while (at_ != end_ && *at_ >= '0' && *at_ <= '9') ++at_;
    }

    void read_number(Value& out) {
        const char* const start = at_;
        if (at_ != end_ && *at_ == '-') {
            ++at_;
            if (take_word("Infinity")) {
                out = -std::numeric_limits<double>::infinity();
                return;
            }
        }
        const char* const digits = at_;
        skip_digits();
        if (*digits == '0' && at_ - digits > 1) fail("a number begins with 0");
        bool integer = true;
        if (at_ != end_ && *at_ == '.') {
            integer = false;
            ++at_;
            skip_digits();
        }
        if (at_ != end_ && (*at_ == 'e' || *at_ == 'E')) {
            integer = false;
            ++at_;
            if (at_ != end_ && (*at_ == '+' || *at_ == '-')) ++at_;
            skip_digits();
        }
        if (integer) {
            std::int64_t number = 0;
            if (std::from_chars(start, at_, number).ec == std::errc()) {
                out = number;
                return;
            }
            std::uint64_t large = 0;
            if (*start != '-' && std::from_chars(start, at_, large).ec == std::errc()) {
                out = large;
                return;
            }
            if (const auto number = as_javascript_float({start, static_cast<std::size_t>(at_ - start)})) {
                out = *number;
                return;
            }
            return refuse("an integer beyond 64 bits: " + std::string(start, std::min<std::ptrdiff_t>(at_ - start, 40)));
        }
        double number = 0;
        if (std::from_chars(start, at_, number).ec == std::errc::result_out_of_range)
            number = beyond_range({start, static_cast<std::size_t>(at_ - start)});
        out = number;
    }

    const char* at_;
    const char* const end_;
    const char* const begin_;
    const unsigned max_depth_;
    std::size_t values_ = 0;
    bool id_read_ = false; // the message's own, of which a broken message keeps only the first
    std::string problem_;
};

} // namespace

Decoded read_json(std::string_view text, unsigned depth) { return JsonReader(text, depth).read(); }

} // namespace cubelink::rpc
