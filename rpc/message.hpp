#pragma once
/// What travels between a client and the server, free of any wire format: requests in, replies and publications out.

#include "platform/mutex.hpp"
#include "rpc/error.hpp"
#include "rpc/values/small_vector.hpp"
#include "rpc/values/value.hpp"
#include "rpc/values/weight.hpp"

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace cubelink::rpc {

/// What a message carries. A wslink method makes ValueBody; an ICD handler makes icd::MessageBody (rpc/icd/body.hpp), which
/// the ICD dialect serialises as it is and the wslink dialects see as a map. Immutable once shared between threads.
class Body {
public:
    virtual ~Body() = default;
    /// The body as a wslink value. Bytes in it share the memory of the body (which must outlive them: call through a
    /// shared_ptr and keep it, or rely on implementations, which all tie the lifetimes together). Throws CallError.
    virtual Value value() const = 0;
    /// Whether encoding it takes the time of more than so many bytes. A body that does not know says no.
    virtual bool encoding_exceeds(std::size_t bytes) const {
        static_cast<void>(bytes);
        return false;
    }
};
using BodyPtr = std::shared_ptr<const Body>;

class ValueBody final : public Body {
public:
    explicit ValueBody(Value value) : value_(std::move(value)) {}
    Value value() const override { return value_; }
    const Value& ref() const { return value_; }
    bool encoding_exceeds(std::size_t bytes) const override { return encoding_cost(value_, bytes) > bytes; }

private:
    Value value_;
};

inline BodyPtr body(Value value) { return std::make_shared<const ValueBody>(std::move(value)); }

/// One call of a client.
struct Request {
    std::string id;     // verbatim, comes back in the reply (ICD: the decimal request id)
    std::string method; // e.g. "carta.open.file"
    Array args;
    Map kwargs;
    BodyPtr native; // set by the ICD dialect instead of args and kwargs: the decoded message
    std::shared_ptr<void> prepared{}; // set by Method::prepare instead of args and kwargs
};

/// The answer to one request. Exactly one of result and error is meaningful: error if set.
struct Reply {
    std::string id;
    std::string method; // of the request: the ICD dialect names its failure after it
    BodyPtr result;     // nullptr: null (the ICD dialect sends nothing then)
    std::optional<Error> error;
};

/// One WebSocket frame's payload: the concatenation of `parts`. Parts are shared, so that a payload goes out uncopied.
struct WireFrame {
    bool text = false;
    SmallVector<Bytes> parts;
    std::size_t size() const {
        std::size_t n = 0;
        for (const auto& part : parts) n += part.size();
        return n;
    }
};

/// The frames of one message, which leave in this order with nothing between them. Immutable once made.
struct Encoded {
    SmallVector<WireFrame> frames;
    std::size_t bytes = 0; // of all frames' payloads
};
using EncodedPtr = std::shared_ptr<const Encoded>;

class Dialect;

/// Something published on a topic. Shared by all receivers; encoded at most once for each encoding key (see Dialect).
/// Thread-safe.
class Publication {
public:
    Publication(std::string topic, BodyPtr body);

    const std::string& topic() const { return topic_; }
    const BodyPtr& body() const { return body_; }
    /// "publish:<topic>:<n>" with n counting publications of the process.
    const std::string& id() const { return id_; }

    /// The frames for a client of this dialect; nullptr if the dialect cannot carry this publication (which is then not sent).
    EncodedPtr encoded_for(const Dialect& dialect) const;

private:
    std::string topic_;
    BodyPtr body_;
    std::string id_;
    mutable platform::Mutex mutex_;
    mutable SmallVector<std::pair<std::uint32_t, EncodedPtr>> cache_ CUBELINK_GUARDED_BY(mutex_); // one for each encoding key in use
};
using PublicationPtr = std::shared_ptr<const Publication>;

} // namespace cubelink::rpc
