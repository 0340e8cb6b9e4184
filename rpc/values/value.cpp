#include "rpc/values/value.hpp"

#include <charconv>
#include <cmath>

namespace cubelink::rpc {

Map::Map(std::initializer_list<std::pair<std::string, Value>> entries) {
    entries_.reserve(entries.size());
    for (const auto& [key, value] : entries) entries_.emplace_back(key, value);
}

const Value* Map::find(std::string_view key) const {
    for (const auto& [name, value] : entries_) {
        const auto* text = name.get_if<std::string>();
        if (text && *text == key) return &value;
    }
    return nullptr;
}

Value* Map::find(std::string_view key) { return const_cast<Value*>(std::as_const(*this).find(key)); }

Value& Map::operator[](std::string_view key) {
    if (Value* found = find(key)) return *found;
    return entries_.emplace_back(key, Value()).second;
}

void Map::append(Value key, Value value) { entries_.emplace_back(std::move(key), std::move(value)); }

bool operator==(const Map& a, const Map& b) {
    if (a.size() != b.size()) return false;
    if (a.entries_ == b.entries_) return true;
    // The order of entries means nothing.
    for (const auto& [key, value] : a.entries_) {
        bool found = false;
        for (const auto& [other_key, other_value] : b.entries_)
            if (key == other_key) {
                found = value == other_value;
                break;
            }
        if (!found) return false;
    }
    return true;
}

bool operator==(const Value& a, const Value& b) {
    if (const double* x = a.get_if<double>())
        if (const double* y = b.get_if<double>()) return *x == *y || (std::isnan(*x) && std::isnan(*y));
    return a.storage_ == b.storage_;
}

std::string_view Value::kind() const {
    static constexpr std::string_view names[] = {"null",   "bool",  "integer", "integer", "float",
                                                 "string", "bytes", "list",    "map",     "extension"};
    static_assert(std::size(names) == std::variant_size_v<Storage>);
    return names[storage_.index()];
}

namespace {

/// Renders until `limit` is passed; what is too long is cut by the caller, so a huge value costs little.
class Brief {
public:
    explicit Brief(std::size_t limit) : limit_(limit) {}

    void add(const Value& value) {
        std::visit([this](const auto& held) { put(held); }, value.storage());
    }

    std::string finish() {
        if (out_.size() > limit_) {
            std::size_t cut = limit_;
            while (cut > 0 && (static_cast<unsigned char>(out_[cut]) & 0xC0) == 0x80) --cut; // not within a character
            out_.resize(cut);
            out_ += "…";
        }
        return std::move(out_);
    }

private:
    bool full() const { return out_.size() > limit_; }
    void put(std::monostate) { out_ += "null"; }
    void put(bool b) { out_ += b ? "true" : "false"; }
    template <class Number>
    requires(std::is_arithmetic_v<Number> && !std::same_as<Number, bool>) void put(Number number) {
        char digits[32];
        out_.append(digits, std::to_chars(digits, digits + sizeof digits, number).ptr);
    }
    void put(const std::string& text) {
        out_ += '"';
        for (char c : std::string_view(text).substr(0, limit_ + 4)) {
            if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = '.';
            if (c == '"' || c == '\\') out_ += '\\';
            out_ += c;
        }
        out_ += '"';
    }
    void put(const Bytes& bytes) { out_ += '<' + std::to_string(bytes.size()) + " bytes>"; }
    void put(const Extension& extension) {
        out_.append("<extension ")
            .append(std::to_string(extension.type))
            .append(", ")
            .append(std::to_string(extension.data.size()))
            .append(" bytes>");
    }
    void put(const Array& array) {
        out_ += '[';
        for (std::size_t i = 0; i < array.size() && !full(); ++i) {
            if (i > 0) out_ += ", ";
            add(array[i]);
        }
        out_ += ']';
    }
    void put(const Map& map) {
        out_ += '{';
        bool first = true;
        for (const auto& [key, value] : map) {
            if (full()) break;
            if (!first) out_ += ", ";
            first = false;
            add(key);
            out_ += ": ";
            add(value);
        }
        out_ += '}';
    }

    std::size_t limit_;
    std::string out_;
};

} // namespace

std::string brief(const Value& value, std::size_t limit) {
    Brief rendering(limit);
    rendering.add(value);
    return rendering.finish();
}

} // namespace cubelink::rpc
