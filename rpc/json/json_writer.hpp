#pragma once
/// Values as JSON text with attachments (generation 1). One writer for one message; see message_writer.hpp.
///
/// Floats are written shortest and always look like floats (1.0), NaN and the infinities bare. The text is valid UTF-8
/// whatever the strings hold. Integer keys become decimal strings. Extension values throw NotEncodable.

#include "rpc/json/attachments.hpp"
#include "rpc/message.hpp"
#include "rpc/values/scratch.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace cubelink::rpc {

class JsonWriter {
public:
    void begin_map(std::size_t entries);
    void key(std::string_view name);
    void text(std::string_view text) { put_string(text); }
    void value(const Value& value);
    void end_map();

    /// For each attachment its header and its bytes, then the text. The writer is empty after it.
    EncodedPtr finish();
    /// The text alone, for tests and for values that hold no bytes.
    std::string take_text() { return std::exchange(*out_, {}); }

private:
    void put(const Value& value, unsigned depth);
    void put_string(std::string_view text);
    void put_escaped(std::string_view text);
    void put_double(double number);
    template <class Integer>
    void put_integer(Integer number);

    Scratch out_;
    bool comma_ = false; // before the next key
    std::vector<std::pair<std::string, Bytes>> attachments_;
    std::optional<AttachmentKeys> keys_;
};

} // namespace cubelink::rpc
