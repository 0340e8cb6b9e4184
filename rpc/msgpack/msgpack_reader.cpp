#include "rpc/msgpack/msgpack_reader.hpp"

#include "rpc/values/utf8.hpp"

#include <algorithm>
#include <array>
#include <msgpack.hpp>

namespace cubelink::rpc {

namespace {

/// Below this a binary value is copied, so that it does not keep a whole message alive.
constexpr std::size_t worth_sharing = 4096;

/// Containers that are followed, though not kept, while looking for the id of a message that is nested too deep. The
/// parser keeps a few bytes for each.
constexpr unsigned hopeless_depth = 65536;

/// Builds the value in place. After the first breach of a rule it keeps nothing but the id.
class Builder : public msgpack::null_visitor {
public:
    Builder(std::size_t message_size, const std::shared_ptr<const void>& owner, unsigned depth)
        : message_size_(message_size), owner_(owner), max_depth_(std::min<unsigned>(depth, levels_.size())) {}

    bool visit_nil() { return put(nullptr); }
    bool visit_boolean(bool v) { return put(v); }
    bool visit_positive_integer(std::uint64_t v) { return put_key(v); }
    bool visit_negative_integer(std::int64_t v) { return put_key(v); }
    bool visit_float32(float v) { return put(v); }
    bool visit_float64(double v) { return put(v); }

    bool visit_str(const char* data, std::uint32_t size) {
        const std::string_view text(data, size);
        if (refused()) {
            note_id(text);
            return true;
        }
        if (!is_utf8(text)) {
            refuse("a string that is not UTF-8");
            return true;
        }
        return put_key(text);
    }

    bool visit_bin(const char* data, std::uint32_t size) { return put(bytes(data, size)); }

    bool visit_ext(const char* data, std::uint32_t size) {
        // The first byte is the type.
        return put(Extension{static_cast<std::int8_t>(data[0]), bytes(data + 1, size - 1)});
    }

    bool start_array(std::uint32_t size) { return start(Array(), size, 1); }
    bool end_array() { return end(); }

    bool start_map(std::uint32_t size) { return start(Map(), size, 2); }
    bool start_map_key() {
        in_key_ = true;
        if (depth_ == 1) id_is_next_ = false;
        return true;
    }
    bool end_map_key() {
        in_key_ = false;
        return true;
    }
    bool end_map() {
        if (!refused())
            if (const Value* key = duplicate_key(*levels_[depth_ - 1]->get_if<Map>()))
                refuse("the key " + brief(*key) + " appears twice in a map");
        return end();
    }

    void parse_error(std::size_t, std::size_t offset) {
        if (problem_.empty()) malformed("a byte that begins no value at byte " + std::to_string(offset));
    }
    void insufficient_bytes(std::size_t, std::size_t) { malformed("the message ends within a value"); }

    /// What is wrong with the structure: no rule broken before it matters more.
    void malformed(std::string what) { refuse(std::move(what)); }

    Decoded finish() {
        Decoded decoded;
        decoded.problem = std::move(problem_);
        if (decoded.good())
            decoded.message = std::move(root_);
        else
            decoded.id = std::move(id_);
        return decoded;
    }

private:
    bool refused() const { return !problem_.empty(); }

    void refuse(std::string what) {
        if (refused()) return;
        problem_ = std::move(what);
        if (const auto* map = root_.get_if<Map>())
            if (const Value* id = map->find("id"))
                if (const auto* text = id->get_if<std::string>()) id_ = *text;
        root_ = nullptr;
    }

    /// While nothing is kept: the id is the string after the key "id" of the outermost map.
    void note_id(std::string_view text) {
        if (depth_ != 1 || id_) return;
        if (in_key_) {
            id_is_next_ = text == "id";
        } else if (id_is_next_) {
            id_is_next_ = false;
            if (is_utf8(text)) id_ = std::string(text);
        }
    }

    Bytes bytes(const char* data, std::size_t size) const {
        if (refused()) return {};
        const std::string_view text(data, size);
        return owner_ && size >= worth_sharing ? Bytes::view(owner_, text) : Bytes::copy(text);
    }

    bool count_value() {
        if (++values_ <= max_values_per_message) return true;
        refuse("more than " + std::to_string(max_values_per_message) + " values in one message");
        return false;
    }

    /// Where the next value goes; nullptr if it is not kept. Containers do not move while something is built within them.
    Value* place() {
        if (depth_ == 0) return &root_;
        Value& container = *levels_[depth_ - 1];
        if (auto* array = container.get_if<Array>()) return &array->emplace_back();
        Map& map = *container.get_if<Map>();
        if (in_key_) return &map.append().first;
        return &(map.end() - 1)->second;
    }

    // Made where they stay: most of a small message is texts and integers.
    static void set(Value& at, std::string_view text) { at.storage().emplace<std::string>(text); }
    static void set(Value& at, std::int64_t number) { at.storage().emplace<std::int64_t>(number); }
    static void set(Value& at, std::uint64_t number) {
        if (number > static_cast<std::uint64_t>(INT64_MAX))
            at.storage().emplace<std::uint64_t>(number);
        else
            set(at, static_cast<std::int64_t>(number));
    }

    /// A value that may also be a map's key.
    template <class T>
    bool put_key(T value) {
        if (!refused() && count_value()) set(*place(), value);
        return true;
    }

    template <class T>
    bool put(T&& value) {
        if (refused()) return true;
        if (in_key_)
            refuse("a map's key that is neither a string nor an integer");
        else if (count_value())
            *place() = Value(std::forward<T>(value));
        return true;
    }

    template <class Container>
    bool start(Container&& empty, std::uint32_t size, std::size_t bytes_each) {
        if (size * bytes_each > message_size_) {
            malformed("a container that claims " + std::to_string(size) + " entries in a message of " + std::to_string(message_size_) +
                      " bytes");
            return false;
        }
        if (!refused() && in_key_) refuse("a map's key that is neither a string nor an integer");
        if (!refused() && depth_ >= max_depth_) refuse("nested more than " + std::to_string(max_depth_) + " deep");
        if (!refused() && count_value()) {
            // Room for what is likely true; more grows with what comes.
            empty.reserve(std::min<std::size_t>(size, 64));
            Value* value = place();
            value->storage() = std::move(empty);
            levels_[depth_] = value;
        }
        in_key_ = false;
        return ++depth_ <= hopeless_depth;
    }

    bool end() {
        --depth_;
        return true;
    }

    const std::size_t message_size_;
    const std::shared_ptr<const void>& owner_;
    std::array<Value*, 126> levels_;
    const unsigned max_depth_;
    unsigned depth_ = 0; // of open containers, kept or not
    bool in_key_ = false;
    bool id_is_next_ = false;
    std::size_t values_ = 0;
    Value root_;
    std::string problem_;
    std::optional<std::string> id_;
};

} // namespace

Decoded read_msgpack(std::string_view bytes, const std::shared_ptr<const void>& owner, unsigned depth) {
    Builder builder(bytes.size(), owner, depth);
    std::size_t end = 0;
    if (msgpack::parse(bytes.data(), bytes.size(), end, builder) && end != bytes.size())
        builder.malformed("bytes after the end of the message");
    return builder.finish();
}

} // namespace cubelink::rpc
