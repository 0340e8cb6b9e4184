#pragma once
/// A result that a method owes: returned at once, completed later, from any thread.
///
///     registry.add("bench.sleep", {"seconds", {"tag", nullptr}}, [&](double seconds, Value tag) {
///         Deferred<Value> answer;
///         timers.after(seconds, [=] { answer.complete(tag); });
///         return answer;
///     });
///
/// Copies share one result; the first completion counts. If all copies go before one, the call fails (method_failed).

#include "platform/mutex.hpp"
#include "rpc/error.hpp"

#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace cubelink::rpc {

namespace detail {

/// What stands for the result of a Deferred<void>.
using Nothing = std::monostate;
template <class T>
using Result = std::conditional_t<std::is_void_v<T>, Nothing, T>;

template <class T>
class DeferredState {
public:
    using Outcome = std::variant<Result<T>, std::exception_ptr>;
    using Listener = std::function<void(const Outcome&)>;

    void set(Outcome outcome) {
        std::vector<Listener> listeners;
        {
            const platform::MutexLock lock(mutex_);
            if (outcome_) return;
            outcome_ = std::move(outcome);
            listeners.swap(listeners_);
        }
        for (const Listener& listener : listeners) listener(settled());
    }

    void listen(Listener listener) {
        {
            const platform::MutexLock lock(mutex_);
            if (!outcome_) {
                listeners_.push_back(std::move(listener));
                return;
            }
        }
        listener(settled());
    }

private:
    /// The outcome, once there is one: it never changes again, so that no lock is needed.
    const Outcome& settled() const CUBELINK_NO_THREAD_SAFETY_ANALYSIS { return *outcome_; }
    platform::Mutex mutex_;
    std::optional<Outcome> outcome_ CUBELINK_GUARDED_BY(mutex_);
    std::vector<Listener> listeners_ CUBELINK_GUARDED_BY(mutex_);
};

} // namespace detail

template <class T>
class Deferred {
public:
    using Outcome = typename detail::DeferredState<T>::Outcome;

    Deferred() : state_(std::make_shared<detail::DeferredState<T>>()) {}

    void complete(detail::Result<T> result = {}) const { state_->set(Outcome(std::in_place_index<0>, std::move(result))); }
    /// A CallError keeps its code.
    void fail(std::exception_ptr failure) const { state_->set(Outcome(std::in_place_index<1>, std::move(failure))); }
    void fail(const Error& error) const { fail(std::make_exception_ptr(CallError(error.code, error.message, error.data))); }

    /// Calls `listener` once, with the result or the failure: now, or in the thread that completes it. Must not throw.
    void then(std::function<void(const Outcome&)> listener) const { state_->listen(std::move(listener)); }

private:
    std::shared_ptr<detail::DeferredState<T>> state_;
};

} // namespace cubelink::rpc
