#pragma once
/// Messages that can be told apart, and a dialect that writes a publication's topic.

#include "pubsub/outbox.hpp"
#include "rpc/dialect.hpp"
#include "rpc/message.hpp"

#include <memory>
#include <string>
#include <vector>

namespace cubelink::pubsub::test {

/// A message of these frames, or of one with this text.
inline rpc::EncodedPtr frames(std::vector<std::string> frames) {
    auto encoded = std::make_shared<rpc::Encoded>();
    for (auto& text : frames) {
        encoded->bytes += text.size();
        encoded->frames.push_back({false, {rpc::Bytes::take(std::move(text))}});
    }
    return encoded;
}
inline rpc::EncodedPtr message(std::string text) { return frames({std::move(text)}); }

inline std::string text_of(const Outbox::Taken& taken) {
    std::string text;
    for (const auto& part : taken.message->frames[taken.frame].parts) text += part.text();
    return text;
}

/// What take() gives, the frames' texts separated by blanks.
inline std::string taken(Outbox& outbox, std::size_t max_frames = 1000, std::size_t max_bytes = 1 << 30) {
    std::vector<Outbox::Taken> frames;
    outbox.take(max_frames, max_bytes, frames);
    std::string result;
    for (const auto& frame : frames) result += (result.empty() ? "" : " ") + text_of(frame);
    return result;
}

inline Delivery replaceable(std::string key) { return {DeliveryClass::replaceable, std::move(key)}; }
inline Delivery droppable() { return {DeliveryClass::droppable}; }
inline Delivery of_set(std::uint64_t id, std::uint64_t generation, bool begin = false, bool end = false, std::string key = "tiles") {
    Delivery delivery;
    delivery.set_id = id;
    delivery.set_key = std::move(key);
    delivery.generation = generation;
    delivery.set_begin = begin;
    delivery.set_end = end;
    return delivery;
}

class TopicDialect final : public rpc::Dialect {
public:
    explicit TopicDialect(std::uint32_t key = 1) : key_(key) {}
    void receive(bool, std::string_view, const std::shared_ptr<const void>&, rpc::DialectSink&) override {}
    std::size_t unfinished_bytes() const override { return 0; }
    void set_limits(const rpc::InputLimits&) override {}
    rpc::EncodedPtr encode(const rpc::Reply& reply) const override { return message(reply.id); }
    rpc::EncodedPtr encode(const rpc::Publication& publication) const override {
        ++encoded;
        return message(publication.topic());
    }
    std::uint32_t encoding_key() const override { return key_; }
    std::string_view name() const override { return "topic"; }
    mutable std::atomic<int> encoded{0};

private:
    std::uint32_t key_;
};

} // namespace cubelink::pubsub::test
