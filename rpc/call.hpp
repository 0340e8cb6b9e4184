#pragma once
/// One call on its way through the server: the request, who made it, and the one way to answer it.

#include "platform/mutex.hpp"
#include "rpc/message.hpp"

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace cubelink::rpc {

/// The connection that a call came from, as methods may see it. Thread-safe; outlives the socket while somebody holds it.
class Peer {
public:
    virtual ~Peer() = default;
    /// Unique in the process, never reused, not 0.
    virtual std::uint64_t id() const = 0;
    /// The wslink client id ("c" and 32 letters); also ICD connections have one.
    virtual const std::string& client_id() const = 0;
    /// False once the socket is gone: long work for this peer alone can stop.
    virtual bool connected() const = 0;
};

/// A call waiting for its answer. Shared; the first answer counts, later ones are ignored. If the last reference goes without an
/// answer, the call fails with method_failed, so that no client ever waits for ever. answer() and fail() may be called from any
/// thread, at once or later; answers leave in the order of the calls of a connection unless the method is long work, or leave_order()
/// was called.
class Call {
public:
    using Answer = std::function<void(Reply&&)>;
    using LeaveOrder = std::function<bool()>;

    Call(Request request, std::shared_ptr<Peer> peer, Answer answer, LeaveOrder leave_order = {});
    ~Call();
    Call(const Call&) = delete;
    Call& operator=(const Call&) = delete;

    const Request& request() const { return request_; }
    const std::shared_ptr<Peer>& peer() const { return peer_; }

    /// Moves args and kwargs out of the request, so that large ones need no copy. For whoever runs the method, once.
    std::pair<Array, Map> take_arguments();

    /// What Method::prepare has made of the arguments; nullptr if it was not called. Once.
    std::shared_ptr<void> take_prepared() { return std::exchange(request_.prepared, nullptr); }

    void answer(Value result);
    void answer(BodyPtr result); // nullptr: null
    void fail(Error error);
    void fail(int code, std::string message) { fail(Error{code, std::move(message), {}}); }
    /// method_failed with wslink's message and data {method, exception}.
    void fail_with_exception(std::string_view what);

    /// The call has to wait for long work: from now on its answer holds up no other, and leaves when it is there. False if the connection has
    /// too many such calls already: then the answer keeps its place. Does nothing for calls that have no place, or are answered.
    bool leave_order() const { return !leave_order_ || leave_order_(); }

    // Long work may be cancelled by its client while it has no answer. Once it is, failing it fails it as cancelled, whatever the reason says.
    /// Allows it: before dispatch returns.
    void allow_cancel() { may_be_cancelled_ = true; }
    /// Calls `stop` once if the call is cancelled: at once if it has been, else on the thread that cancels it. Whoever works on the call now
    /// says so and replaces what was given before. `stop` must not hold the call, nor wait.
    void on_cancel(std::function<void()> stop);
    /// False, and nothing happens, if it has its answer or may not be cancelled.
    bool cancel();
    bool cancelled() const { return cancelled_.load(); }
    /// Fails it as cancelled.
    void fail_cancelled();
    bool can_be_cancelled() const { return may_be_cancelled_ && !answered_.load(); }
    bool answered() const { return answered_.load(); }

private:
    Request request_;
    std::shared_ptr<Peer> peer_;
    Answer answer_;
    const LeaveOrder leave_order_; // thread-safe
    std::atomic<bool> answered_{false}, cancelled_{false};
    bool may_be_cancelled_ = false;
    platform::Mutex mutex_;
    std::function<void()> stop_ CUBELINK_GUARDED_BY(mutex_);
    void send(Reply&& reply);
};
using CallPtr = std::shared_ptr<Call>;

} // namespace cubelink::rpc
