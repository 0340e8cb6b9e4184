#include "rpc/wslink_dialect.hpp"

#include "rpc/json/json_dialect.hpp"
#include "rpc/msgpack/msgpack_dialect.hpp"

#include <atomic>

namespace cubelink::rpc {

namespace {

class WslinkDialect final : public Dialect {
public:
    void receive(bool text, std::string_view payload, const std::shared_ptr<const void>& owner, DialectSink& sink) override {
        if (!owned_) {
            if (payload.empty()) return sink.on_heartbeat(WireFrame{text, {}});
            owned_ = text ? make_json_dialect() : make_msgpack_dialect();
            owned_->set_limits(limits_);
            chosen_.store(owned_.get(), std::memory_order_release);
        }
        owned_->receive(text, payload, owner, sink);
    }

    std::size_t decoding_cost(bool text, std::string_view payload) const override {
        return owned_ ? owned_->decoding_cost(text, payload) : payload.size();
    }
    std::size_t unfinished_bytes() const override { return owned_ ? owned_->unfinished_bytes() : 0; }
    std::size_t half_sent_bytes() const override { return owned_ ? owned_->half_sent_bytes() : 0; }
    void forget_unfinished() override {
        if (owned_) owned_->forget_unfinished();
    }
    void set_limits(const InputLimits& limits) override {
        limits_ = limits;
        if (owned_) owned_->set_limits(limits);
    }

    EncodedPtr encode(const Reply& reply) const override {
        const Dialect* dialect = chosen();
        return dialect ? dialect->encode(reply) : nullptr;
    }
    EncodedPtr encode(const Publication& publication) const override {
        const Dialect* dialect = chosen();
        return dialect ? dialect->encode(publication) : nullptr;
    }
    std::uint32_t encoding_key() const override {
        const Dialect* dialect = chosen();
        return dialect ? dialect->encoding_key() : 0;
    }
    std::string_view name() const override {
        const Dialect* dialect = chosen();
        return dialect ? dialect->name() : "undecided";
    }
    InputLimits full_limits() const override {
        const Dialect* dialect = chosen();
        return dialect ? dialect->full_limits() : Dialect::full_limits();
    }
    std::size_t advertised_frame_size() const override {
        const Dialect* dialect = chosen();
        return dialect ? dialect->advertised_frame_size() : 0;
    }

private:
    const Dialect* chosen() const { return chosen_.load(std::memory_order_acquire); }

    InputLimits limits_;
    std::unique_ptr<Dialect> owned_;              // used by the thread that receives
    std::atomic<const Dialect*> chosen_{nullptr}; // the same, for encode() on other threads; set once
};

} // namespace

std::unique_ptr<Dialect> make_wslink_dialect() { return std::make_unique<WslinkDialect>(); }

} // namespace cubelink::rpc
