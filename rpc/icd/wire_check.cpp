#include "rpc/icd/wire_check.hpp"

#include "rpc/values/utf8.hpp"

#include <cstdint>

namespace cubelink::icd {
namespace {

namespace pb = google::protobuf;
using Field = pb::FieldDescriptor;

constexpr std::size_t pointer_cost = 16; // of an element in a repeated field, with the room that growing leaves
constexpr std::size_t text_cost = 32 + pointer_cost;
constexpr std::size_t map_entry_cost = 64;
constexpr std::size_t unknown_cost = 64;

enum WireType : unsigned { varint = 0, fixed64 = 1, length_delimited = 2, fixed32 = 5 };

WireType wire_type(const Field& field) {
    switch (field.type()) {
    case Field::TYPE_DOUBLE:
    case Field::TYPE_FIXED64:
    case Field::TYPE_SFIXED64: return fixed64;
    case Field::TYPE_FLOAT:
    case Field::TYPE_FIXED32:
    case Field::TYPE_SFIXED32: return fixed32;
    case Field::TYPE_STRING:
    case Field::TYPE_BYTES:
    case Field::TYPE_MESSAGE: return length_delimited;
    default: return varint;
    }
}

class Check {
public:
    explicit Check(std::size_t size) : budget_((std::size_t{32} << 20) + 4 * size) {}

    std::string problem() const { return path_.empty() ? what_ : path_ + ": " + what_; }

    /// False if something is wrong.
    bool message(const MessageSchema& schema, std::string_view wire) {
        while (!wire.empty()) {
            std::uint64_t tag = 0;
            if (!read_varint(wire, tag) || tag > UINT32_MAX || tag >> 3 == 0) return fail("malformed: a bad field number");
            const FieldSchema* known = schema.find(static_cast<int>(tag >> 3));
            const auto type = static_cast<unsigned>(tag & 7);
            std::uint64_t number = 0;
            std::string_view data;
            switch (type) {
            case varint:
                if (!read_varint(wire, number)) return fail("malformed: cut off", known);
                break;
            case fixed64:
            case fixed32: {
                const std::size_t size = type == fixed64 ? 8 : 4;
                if (wire.size() < size) return fail("malformed: cut off", known);
                wire.remove_prefix(size);
                break;
            }
            case length_delimited:
                if (!read_varint(wire, number) || number > wire.size()) return fail("malformed: longer than what contains it", known);
                data = wire.substr(0, number);
                wire.remove_prefix(number);
                break;
            default: return fail("malformed: a bad wire type", known);
            }
            if (!field(known, type, data)) return false;
        }
        return true;
    }

private:
    std::size_t budget_;
    std::string path_, what_;

    bool field(const FieldSchema* known, unsigned type, std::string_view data) {
        if (!known) return spend(unknown_cost + data.size(), known);
        const Field& field = *known->field;
        const WireType expected = wire_type(field);
        if (type != expected) {
            if (type == length_delimited && field.is_packable()) {
                // Packed: an element is at most eight bytes in memory, and a vector at most twice as large as it must be.
                const std::size_t element = expected == varint ? 1 : expected == fixed32 ? 4 : 8;
                if (element > 1 && data.size() % element != 0) return fail("malformed: cut off", known);
                return spend(element > 1 ? 2 * data.size() : 8 * data.size(), known) && (element > 1 || varints(data, known));
            }
            return spend(unknown_cost + data.size(), known);
        }
        if (field.type() == Field::TYPE_MESSAGE) {
            if (!spend(pointer_cost + known->message->size + (field.is_map() ? map_entry_cost : 0), known)) return false;
            if (message(*known->message, data)) return true;
            prepend(field);
            return false;
        }
        if (expected == length_delimited) {
            if (field.type() == Field::TYPE_STRING && !rpc::is_utf8(data)) return fail("not valid UTF-8", known);
            return spend(text_cost + data.size(), known);
        }
        return !field.is_repeated() || spend(pointer_cost, known);
    }

    bool varints(std::string_view data, const FieldSchema* known) {
        for (std::uint64_t number; !data.empty();)
            if (!read_varint(data, number)) return fail("malformed: cut off", known);
        return true;
    }

    static bool read_varint(std::string_view& wire, std::uint64_t& number) {
        number = 0;
        for (std::size_t i = 0; i < 10 && i < wire.size(); ++i) {
            const auto byte = static_cast<unsigned char>(wire[i]);
            number |= static_cast<std::uint64_t>(byte & 0x7f) << (7 * i);
            if (byte < 0x80) {
                wire.remove_prefix(i + 1);
                return true;
            }
        }
        return false;
    }

    bool spend(std::size_t bytes, const FieldSchema* known) {
        if (bytes > budget_) return fail("too many elements for a message of this size", known);
        budget_ -= bytes;
        return true;
    }

    bool fail(const char* what, const FieldSchema* known = nullptr) {
        what_ = what;
        if (known) prepend(*known->field);
        return false;
    }

    void prepend(const Field& field) { path_ = path_.empty() ? field.name() : field.name() + "." + path_; }
};

} // namespace

std::string wire_problem(const MessageSchema& schema, std::string_view wire) {
    Check check(wire.size());
    check.message(schema, wire);
    return check.problem();
}

} // namespace cubelink::icd
