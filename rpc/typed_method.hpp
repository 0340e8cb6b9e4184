#pragma once
/// Exports C++ functions as methods: MethodRegistry::add().
///
///     registry.add("bench.echo", {{"x", nullptr}}, [](Value x) { return x; });
///     registry.add("bench.kw", {"a", {"b", 2}, keyword_only("c", 3)}, [](Value a, std::int64_t b, double c) { return Array{a, b, c}; });
///     registry.add("bench.args", {rest("args"), rest_keywords("kwargs")}, [](Array args, Map kwargs) { … });
///     registry.add("slow", {"n"}, [](const CallPtr& call, int n) { … keep call, answer it later … });
///
/// Parameters: the types of convert.hpp. A first one of type `const CallPtr&` or `Call&` is the call itself and has no name in the list.
/// Results: void (null), what to_value() takes, a BodyPtr, or a Deferred of one of these (deferred.hpp), which may be completed from any
/// thread. With the call as first parameter and the result void, the function answers through the call, at once or later.
/// Arguments that do not fit fail with bad_arguments and the parameter's path; the function is not called then.

#include "rpc/values/convert.hpp"
#include "rpc/deferred.hpp"
#include "rpc/method_registry.hpp"
#include "rpc/parameter.hpp"

#include <memory>
#include <stdexcept>
#include <tuple>
#include <type_traits>
#include <utility>

namespace cubelink::rpc {

namespace detail {

template <class Function>
struct Signature : Signature<decltype(&Function::operator())> {};
template <class R, class... A>
struct Signature<R (*)(A...)> {
    using Result = R;
    using Arguments = std::tuple<A...>;
};
template <class R, class C, class... A>
struct Signature<R (C::*)(A...)> : Signature<R (*)(A...)> {};
template <class R, class C, class... A>
struct Signature<R (C::*)(A...) const> : Signature<R (*)(A...)> {};

template <class T>
inline constexpr bool is_call = std::is_same_v<std::remove_cvref_t<T>, CallPtr> || std::is_same_v<std::remove_cvref_t<T>, Call>;

template <class Arguments>
inline constexpr bool takes_call = false;
template <class First, class... More>
inline constexpr bool takes_call<std::tuple<First, More...>> = is_call<First>;

template <class T>
inline constexpr bool is_deferred = false;
template <class T>
inline constexpr bool is_deferred<Deferred<T>> = true;

/// The call as the function's first parameter wants it.
template <class Wanted>
decltype(auto) as(const CallPtr& call) {
    if constexpr (std::is_same_v<std::remove_cvref_t<Wanted>, CallPtr>)
        return (call);
    else
        return (*call);
}

template <class T>
void answer(const CallPtr& call, T&& result) {
    using Plain = std::remove_cvref_t<T>;
    if constexpr (is_deferred<Plain>) {
        result.then([call](const typename Plain::Outcome& outcome) {
            if (outcome.index() == 1) return MethodRegistry::fail(call, std::get<1>(outcome));
            try {
                answer(call, std::get<0>(outcome));
            } catch (...) {
                MethodRegistry::fail(call, std::current_exception());
            }
        });
    } else if constexpr (std::is_same_v<Plain, std::monostate>) {
        call->answer(Value());
    } else if constexpr (std::is_convertible_v<Plain, BodyPtr> && !std::is_same_v<Plain, std::nullptr_t>) {
        call->answer(BodyPtr(std::forward<T>(result)));
    } else {
        call->answer(to_value(std::forward<T>(result)));
    }
}

/// The types of the parameters that follow the call, if there is one.
template <std::size_t skip, class Arguments, class Indices>
struct ConvertedOf;
template <std::size_t skip, class Arguments, std::size_t... I>
struct ConvertedOf<skip, Arguments, std::index_sequence<I...>> {
    using type = std::tuple<std::remove_cvref_t<std::tuple_element_t<I + skip, Arguments>>...>;
};

/// The arguments of a call as these types. Throws BadArguments.
template <class Converted, std::size_t... I>
Converted convert_arguments(const Parameters& parameters, Array&& args, Map&& kwargs, std::index_sequence<I...>) {
    [[maybe_unused]] std::vector<Value> values = parameters.bind(std::move(args), std::move(kwargs));
    // In braces, so that they are converted in their order and the first wrong one is reported.
    return Converted{from_value<std::tuple_element_t<I, Converted>>(std::move(values[I]), Path(parameters.name(I)))...};
}

template <std::size_t skip, class Arguments, class Function, class Converted, std::size_t... I>
decltype(auto) invoke(Function& function, [[maybe_unused]] const CallPtr& call, [[maybe_unused]] Converted&& converted, std::index_sequence<I...>) {
    if constexpr (skip == 1)
        return function(as<std::tuple_element_t<0, Arguments>>(call), std::get<I>(std::move(converted))...);
    else
        return function(std::get<I>(std::move(converted))...);
}

} // namespace detail

template <class Function>
void MethodRegistry::add(std::string name, std::initializer_list<Parameter> list, Function function, AnswerOrder order) {
    using Signature = detail::Signature<std::decay_t<Function>>;
    using Arguments = typename Signature::Arguments;
    using Result = typename Signature::Result;
    constexpr std::size_t skip = detail::takes_call<Arguments> ? 1 : 0;
    constexpr std::size_t count = std::tuple_size_v<Arguments> - skip;
    if (list.size() != count)
        throw std::logic_error("\"" + name + "\" names " + std::to_string(list.size()) + " parameters, its function has " +
                               std::to_string(count));

    using Indices = std::make_index_sequence<count>;
    using Converted = typename detail::ConvertedOf<skip, Arguments, Indices>::type;
    const auto parameters = std::make_shared<const Parameters>(list);
    auto prepare = [parameters](Request& request) {
        Array args = std::exchange(request.args, {});
        Map kwargs = std::exchange(request.kwargs, {});
        request.prepared = std::make_shared<Converted>(detail::convert_arguments<Converted>(*parameters, std::move(args), std::move(kwargs), Indices()));
    };
    auto run = [parameters, function = std::move(function)](const CallPtr& call) mutable {
        const auto arguments = [&] {
            if (const auto prepared = std::static_pointer_cast<Converted>(call->take_prepared())) return std::move(*prepared);
            auto [args, kwargs] = call->take_arguments();
            return detail::convert_arguments<Converted>(*parameters, std::move(args), std::move(kwargs), Indices());
        };
        if constexpr (std::is_void_v<Result>) {
            detail::invoke<skip, Arguments>(function, call, arguments(), Indices());
            if constexpr (skip == 0) call->answer(Value());
        } else {
            detail::answer(call, detail::invoke<skip, Arguments>(function, call, arguments(), Indices()));
        }
    };
    add_generic(std::move(name), std::move(run), order, std::move(prepare));
}

} // namespace cubelink::rpc
