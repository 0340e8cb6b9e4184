#pragma once
/// The methods that clients may call, by name.
///
///     registry.add("myprotocol.add", {"numbers"}, [](std::vector<double> numbers) { return sum(numbers); });
///     registry.add("bench.kw", {"a", {"b", 2}, keyword_only("c", 3)}, [](Value a, Value b, Value c) { return Array{a, b, c}; });
///     registry.add_generic("carta.open.file", handler);
///
/// Filled before the server listens, read-only after that: find() may then be called from any thread.
/// (Typed export lives in rpc/typed_method.hpp; this header is what the rest of the server needs.)

#include "rpc/call.hpp"

#include <exception>
#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace cubelink::rpc {

enum class AnswerOrder {
    in_order,  // the answer leaves after those of all earlier calls of the connection
    when_done, // long work: the answer leaves when it is there
};

struct Method {
    /// Called on the network thread: must not block. Keeps the CallPtr to answer later. May throw: the call then fails.
    std::function<void(const CallPtr&)> run;
    AnswerOrder order = AnswerOrder::in_order;
    /// Checks and converts the arguments of a large request ahead of run(), on a worker: puts the result into request.prepared or
    /// request.native, and takes args and kwargs away. May throw: the call then fails without run(). Empty: run() does all of it.
    std::function<void(Request&)> prepare{};
};

class Parameter; // rpc/parameter.hpp

class MethodRegistry {
public:
    /// Exports a C++ function with typed parameters: include rpc/typed_method.hpp, which defines this and says what types it takes.
    template <class Function>
    void add(std::string name, std::initializer_list<Parameter> parameters, Function function, AnswerOrder order = AnswerOrder::in_order);

    /// Throws std::logic_error if the name is taken.
    void add_generic(std::string name, std::function<void(const CallPtr&)> run, AnswerOrder order = AnswerOrder::in_order,
                     std::function<void(Request&)> prepare = {});

    /// nullptr if there is none.
    const Method* find(std::string_view name) const;
    /// Sorted.
    std::vector<std::string> names() const;

    /// Runs the method of the call's request: unknown names and exceptions become the error replies of wslink.
    void dispatch(const CallPtr& call) const { dispatch(call, find(call->request().method)); }
    /// The same for a method that has been looked up already; nullptr: unknown.
    static void dispatch(const CallPtr& call, const Method* method);
    /// Fails the call with what was thrown.
    static void fail(const CallPtr& call, const std::exception_ptr& failure);

private:
    struct Hash {
        using is_transparent = void;
        std::size_t operator()(std::string_view name) const { return std::hash<std::string_view>()(name); }
    };
    std::unordered_map<std::string, Method, Hash, std::equal_to<>> methods_;
};

} // namespace cubelink::rpc
