#include "server/net/transport/websocket_codec.hpp"

#include <openssl/evp.h>

#include <websocketpp/close.hpp>
#include <websocketpp/config/core.hpp>
#include <websocketpp/frame.hpp>
#include <websocketpp/http/request.hpp>
#include <websocketpp/http/response.hpp>
#include <websocketpp/processors/hybi13.hpp>

#include <algorithm>
#include <cstring>
#include <system_error>

namespace cubelink::transport {
namespace {

using Config = websocketpp::config::core;
using Base = websocketpp::processor::hybi13<Config>;
using Manager = Config::con_msg_manager_type;

Manager::ptr message_manager() {
    static const Manager::ptr manager = std::make_shared<Manager>();
    return manager;
}

Config::rng_type& no_randomness() { // only clients mask
    static Config::rng_type none;
    return none;
}

/// XORs with the prepared key a word at a time (websocketpp goes byte by byte); returns the key as the next byte needs it.
std::size_t unmask(char* data, std::size_t size, std::size_t key) {
    std::size_t at = 0;
    for (; at + sizeof key <= size; at += sizeof key) {
        std::size_t word;
        std::memcpy(&word, data + at, sizeof word);
        word ^= key;
        std::memcpy(data + at, &word, sizeof word);
    }
    char bytes[sizeof key];
    std::memcpy(bytes, &key, sizeof key);
    for (std::size_t i = 0; at + i < size; ++i) data[at + i] = static_cast<char>(data[at + i] ^ bytes[i]);
    return websocketpp::frame::circshift_prepared_key(key, size % 4);
}

bool all_ascii(const char* data, std::size_t size) {
    unsigned char seen = 0;
    for (std::size_t i = 0; i < size; ++i) seen |= static_cast<unsigned char>(data[i]);
    return seen < 0x80;
}

} // namespace

/// hybi13 with its inner loop replaced: it sees headers and ends of frames, the payload bytes in between are handled here.
class FrameReader::Processor : public Base {
public:
    explicit Processor(std::size_t max) : Base(false, true, message_manager(), no_randomness()) { set_max_message_size(max); }

    std::size_t unfinished() const { return m_data_msg.msg_ptr ? m_data_msg.msg_ptr->get_payload().size() : 0; }

    std::size_t consume(std::uint8_t* data, std::size_t size, std::error_code& error) override {
        std::size_t used = 0;
        error = {};
        while (!ready() && !error) {
            if (m_state == Base::APPLICATION && m_bytes_needed > 0) {
                if (used == size) break;
                const auto count = std::min(size - used, m_bytes_needed);
                payload(reinterpret_cast<char*>(data) + used, count, error);
                used += count;
                if (m_bytes_needed > 0) break;
            } else {
                // As many bytes as this part of the header lacks, so that the base never gets to a payload.
                const auto count = std::min(size - used, m_bytes_needed);
                if (count == 0 && m_bytes_needed > 0) break;
                used += Base::consume(data + used, count, error);
            }
        }
        return used;
    }

private:
    void payload(char* data, std::size_t count, std::error_code& error) {
        namespace wp = websocketpp;
        auto& current = *m_current_msg;
        auto& out = current.msg_ptr->get_raw_payload();
        const auto limit = get_max_message_size();
        // The base adds these two without minding an overflow: a continuation frame of 2^64 - 1 bytes passes its check.
        if (!wp::frame::opcode::is_control(current.msg_ptr->get_opcode()) &&
            (m_bytes_needed > limit || out.size() > limit - m_bytes_needed)) {
            error = wp::processor::error::make_error_code(wp::processor::error::message_too_big);
            return;
        }
        current.prepared_key = unmask(data, count, current.prepared_key);
        out.append(data, count);
        m_bytes_needed -= count;
        if (current.msg_ptr->get_opcode() != wp::frame::opcode::TEXT) return;
        constexpr std::size_t block = 256;
        for (std::size_t at = 0; at < count; at += block) {
            const auto* begin = data + at;
            const auto length = std::min(block, count - at);
            if (current.validator.complete() && all_ascii(begin, length)) continue;
            if (!current.validator.decode(begin, begin + length)) {
                error = wp::processor::error::make_error_code(wp::processor::error::invalid_utf8);
                return;
            }
        }
    }
};

FrameReader::FrameReader(std::size_t max_message_size) : processor_(std::make_unique<Processor>(max_message_size)) {}
FrameReader::~FrameReader() = default;

void FrameReader::set_max_message_size(std::size_t bytes) { processor_->set_max_message_size(bytes); }

std::size_t FrameReader::unfinished() const { return processor_->unfinished(); }

FrameReader::Step FrameReader::feed(char* data, std::size_t size) {
    namespace wp = websocketpp;
    Step step;
    std::error_code error;
    step.used = processor_->consume(reinterpret_cast<std::uint8_t*>(data), size, error);
    if (error) {
        const auto code = wp::processor::error::to_ws(error);
        const bool known = code == wp::close::status::invalid_payload || code == wp::close::status::message_too_big;
        step.error = known ? static_cast<std::uint16_t>(code) : wp::close::status::protocol_error;
        step.reason = error.message();
        return step;
    }
    if (!processor_->ready()) return step;
    const auto message = processor_->get_message();
    step.complete = true;
    step.message.opcode = static_cast<Opcode>(message->get_opcode());
    step.message.payload = message->get_payload();
    step.message.owner = message;
    return step;
}

std::size_t write_frame_header(char* out, Opcode opcode, std::uint64_t payload_size) {
    namespace frame = websocketpp::frame;
    const frame::basic_header basic(static_cast<frame::opcode::value>(opcode), payload_size, true, false);
    const frame::extended_header extended(payload_size);
    out[0] = static_cast<char>(basic.b0);
    out[1] = static_cast<char>(basic.b1);
    const auto length = frame::get_header_len(basic);
    std::memcpy(out + 2, extended.bytes, length - 2);
    return length;
}

std::string close_payload(std::uint16_t code, std::string_view reason) {
    if (code == 1005) return {};
    if (websocketpp::close::status::invalid(code) || code == 1006 || code == 1015) code = 1000;
    std::string payload{static_cast<char>(code >> 8), static_cast<char>(code & 0xff)};
    if (reason.size() > 123) {
        std::size_t end = 123;
        while (end > 0 && (static_cast<unsigned char>(reason[end]) & 0xc0) == 0x80) --end;
        reason = reason.substr(0, end);
    }
    if (websocketpp::utf8_validator::validate(std::string(reason))) payload += reason;
    return payload;
}

bool parse_close(std::string_view payload, std::uint16_t& code, std::string& reason) {
    const std::string text(payload);
    std::error_code error;
    code = websocketpp::close::extract_code(text, error);
    if (error) return false;
    reason = websocketpp::close::extract_reason(text, error);
    return !error;
}

std::string accept_key(std::string_view key) {
    // 16 bytes are 22 digits of base64 and two of padding.
    const auto digit = [](char c) {
        return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '/';
    };
    if (key.size() != 24 || key.substr(22) != "==" || !std::all_of(key.begin(), key.begin() + 22, digit)) return {};
    // Not websocketpp's own SHA-1, which takes an eighth of the time of a whole connection.
    static EVP_MD* const sha1 = EVP_MD_fetch(nullptr, "SHA1", nullptr);
    const auto text = std::string(key).append(websocketpp::processor::constants::handshake_guid);
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    if (!sha1 || EVP_Digest(text.data(), text.size(), digest, &size, sha1, nullptr) != 1) return {};
    unsigned char encoded[EVP_MAX_MD_SIZE * 2];
    const int length = EVP_EncodeBlock(encoded, digest, static_cast<int>(size));
    return {reinterpret_cast<const char*>(encoded), static_cast<std::size_t>(length)};
}

} // namespace cubelink::transport
