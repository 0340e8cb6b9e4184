#include "rpc/msgpack/msgpack_writer.hpp"

#include "rpc/msgpack/chunking.hpp"
#include "rpc/message_writer.hpp"
#include "rpc/secret.hpp"
#include "rpc/values/utf8.hpp"

#include <algorithm>
#include <msgpack.hpp>

namespace cubelink::rpc {

namespace {

/// From here on a binary value goes out as a part of its own instead of being copied.
constexpr std::size_t worth_sharing = 4096;

/// What msgpack::packer writes to.
struct Appender {
    std::string& out;
    void write(const char* bytes, std::size_t size) { out.append(bytes, size); }
};

std::uint32_t size32(std::size_t size) {
    if (size > UINT32_MAX) throw NotEncodable("msgpack has no values beyond 4 GiB");
    return static_cast<std::uint32_t>(size);
}

/// Differs from those of other messages in flight; nothing depends on its being unpredictable. (SplitMix64, Steele et al. 2014.)
std::uint32_t random_message_id() {
    thread_local std::uint64_t state = random_bits();
    std::uint64_t z = state += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return static_cast<std::uint32_t>(z >> 32);
}

/// Deals out the bytes of consecutive parts as frames of a given size.
class PartReader {
public:
    explicit PartReader(std::vector<Bytes> parts) : parts_(std::move(parts)) {}

    void take(std::size_t size, SmallVector<Bytes>& out) {
        while (size > 0) {
            const Bytes& part = parts_[index_];
            const std::size_t step = std::min(size, part.size() - offset_);
            out.push_back(part.slice(offset_, step));
            size -= step;
            offset_ += step;
            if (offset_ == part.size()) {
                ++index_;
                offset_ = 0;
            }
        }
    }

private:
    std::vector<Bytes> parts_;
    std::size_t index_ = 0, offset_ = 0;
};

} // namespace

MsgpackWriter::MsgpackWriter() {
    buffer_->reserve(256);
    buffer_->resize(ChunkHeader::size);
}

void MsgpackWriter::begin_map(std::size_t entries) {
    Appender out{*buffer_};
    msgpack::packer<Appender>(out).pack_map(size32(entries));
}

void MsgpackWriter::text(std::string_view text) {
    if (!is_utf8(text)) return this->text(make_utf8(text));
    Appender out{*buffer_};
    msgpack::packer<Appender> packer(out);
    packer.pack_str(size32(text.size()));
    packer.pack_str_body(text.data(), size32(text.size()));
}

void MsgpackWriter::put_bytes(const Bytes& bytes) {
    if (bytes.size() < worth_sharing) {
        buffer_->append(bytes.data(), bytes.size());
    } else {
        large_.emplace_back(buffer_->size(), bytes);
        large_size_ += bytes.size();
    }
}

void MsgpackWriter::put(const Value& value, unsigned depth) {
    if (depth > max_result_depth) throw NotEncodable("nested too deep");
    Appender out{*buffer_};
    msgpack::packer<Appender> packer(out);
    if (value.is_null()) {
        packer.pack_nil();
    } else if (const auto* b = value.get_if<bool>()) {
        *b ? packer.pack_true() : packer.pack_false();
    } else if (const auto* i = value.get_if<std::int64_t>()) {
        packer.pack_int64(*i);
    } else if (const auto* u = value.get_if<std::uint64_t>()) {
        packer.pack_uint64(*u);
    } else if (const auto* d = value.get_if<double>()) {
        // Not pack_double, which writes integral values as integers.
        char eight[9] = {static_cast<char>(0xCB)};
        const auto bits = std::bit_cast<std::uint64_t>(*d);
        for (int k = 0; k < 8; ++k) eight[1 + k] = static_cast<char>(bits >> (56 - 8 * k));
        buffer_->append(eight, sizeof eight);
    } else if (const auto* string = value.get_if<std::string>()) {
        text(*string);
    } else if (const auto* bytes = value.get_if<Bytes>()) {
        packer.pack_bin(size32(bytes->size()));
        put_bytes(*bytes);
    } else if (const auto* array = value.get_if<Array>()) {
        packer.pack_array(size32(array->size()));
        for (const Value& element : *array) put(element, depth + 1);
    } else if (const auto* map = value.get_if<Map>()) {
        packer.pack_map(size32(map->size()));
        for (const auto& [name, element] : *map) {
            if (!name.is<std::string>() && !name.is<std::int64_t>() && !name.is<std::uint64_t>())
                throw NotEncodable("a map's key is neither a string nor an integer");
            put(name, depth + 1);
            put(element, depth + 1);
        }
    } else {
        const auto& extension = *value.get_if<Extension>();
        packer.pack_ext(size32(extension.data.size()), extension.type);
        put_bytes(extension.data);
    }
}

std::string MsgpackWriter::joined() const {
    std::string all;
    std::size_t at = ChunkHeader::size;
    for (const auto& [place, bytes] : large_) {
        all.append(*buffer_, at, place - at);
        all.append(bytes.text());
        at = place;
    }
    all.append(*buffer_, at);
    return all;
}

EncodedPtr MsgpackWriter::finish(std::size_t max_frame) {
    auto encoded = std::make_shared<Encoded>();
    const std::size_t total = buffer_->size() - ChunkHeader::size + large_size_;
    ChunkHeader header{random_message_id(), 0, size32(total)};
    header.write(buffer_->data());

    if (large_.empty() && buffer_->size() <= max_frame) {
        encoded->bytes = buffer_->size();
        encoded->frames.resize(1);
        encoded->frames.front().parts.push_back(buffer_.take());
        return encoded;
    }

    const std::size_t chunk_size = max_frame - ChunkHeader::size;
    const std::size_t frames = (total + chunk_size - 1) / chunk_size;
    const std::size_t inline_end = buffer_->size();
    // The other chunks' headers lie behind the message, in the same memory.
    for (std::size_t i = 1; i < frames; ++i) {
        char bytes[ChunkHeader::size];
        header.offset = static_cast<std::uint32_t>(i * chunk_size);
        header.write(bytes);
        buffer_->append(bytes, sizeof bytes);
    }
    const Bytes all = buffer_.take();
    std::vector<Bytes> parts;
    std::size_t at = ChunkHeader::size;
    for (auto& [place, bytes] : large_) {
        if (place > at) parts.push_back(all.slice(at, place - at));
        parts.push_back(std::move(bytes));
        at = place;
    }
    if (inline_end > at) parts.push_back(all.slice(at, inline_end - at));

    PartReader reader(std::move(parts));
    encoded->frames.resize(frames);
    for (std::size_t i = 0; i < frames; ++i) {
        auto& out = encoded->frames[i].parts;
        out.push_back(i == 0 ? all.slice(0, ChunkHeader::size) : all.slice(inline_end + (i - 1) * ChunkHeader::size, ChunkHeader::size));
        reader.take(std::min(chunk_size, total - i * chunk_size), out);
    }
    encoded->bytes = total + frames * ChunkHeader::size;
    return encoded;
}

} // namespace cubelink::rpc
