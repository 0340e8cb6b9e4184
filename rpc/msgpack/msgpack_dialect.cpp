#include "rpc/msgpack/msgpack_dialect.hpp"

#include "rpc/msgpack/chunking.hpp"
#include "rpc/message_writer.hpp"
#include "rpc/msgpack/msgpack_reader.hpp"
#include "rpc/msgpack/msgpack_writer.hpp"

namespace cubelink::rpc {

namespace {

class MsgpackDialect final : public Dialect {
public:
    void receive(bool text, std::string_view payload, const std::shared_ptr<const void>& owner, DialectSink& sink) override {
        if (payload.empty()) return sink.on_heartbeat(WireFrame{text, {}});
        if (payload.size() > limits_.frame)
            return sink.on_broken(close_code::too_big, "the frame is larger than " + std::to_string(limits_.frame) + " bytes");
        if (text) return sink.on_ignored("a text frame of " + std::to_string(payload.size()) + " bytes on a connection of generation 2");
        const auto outcome = reassembly_.receive(payload, owner, limits_);
        if (!outcome.problem.empty()) return sink.on_broken(outcome.close_code, outcome.problem);
        // Depth is that of an argument: the message and its list of arguments come on top.
        if (outcome.complete) deliver(read_msgpack(outcome.message, outcome.owner, limits_.depth + 2), "msgpack", sink);
    }

    std::size_t decoding_cost(bool, std::string_view payload) const override { return reassembly_.completed_by(payload); }
    std::size_t unfinished_bytes() const override { return reassembly_.bytes(); }
    void forget_unfinished() override { reassembly_ = {}; }
    void set_limits(const InputLimits& limits) override { limits_ = limits; }

    EncodedPtr encode(const Reply& reply) const override { return encode_reply<MsgpackWriter>(reply); }
    EncodedPtr encode(const Publication& publication) const override { return encode_publication<MsgpackWriter>(publication); }

    std::uint32_t encoding_key() const override { return 2; }
    std::string_view name() const override { return "msgpack"; }
    /// Some bytes above what hello advertises, since clients differ in what they count to a frame.
    InputLimits full_limits() const override { return {max_chunk_frame + 4096, 256u << 20, 256u << 20, 64}; }
    std::size_t advertised_frame_size() const override { return max_chunk_frame; }

private:
    InputLimits limits_;
    Reassembly reassembly_;
};

} // namespace

std::unique_ptr<Dialect> make_msgpack_dialect() { return std::make_unique<MsgpackDialect>(); }

} // namespace cubelink::rpc
