#include "rpc/method_registry.hpp"

#include <algorithm>
#include <stdexcept>

namespace cubelink::rpc {

void MethodRegistry::add_generic(std::string name, std::function<void(const CallPtr&)> run, AnswerOrder order, std::function<void(Request&)> prepare) {
    const auto [position, added] = methods_.try_emplace(std::move(name), Method{std::move(run), order, std::move(prepare)});
    if (!added) throw std::logic_error("the method \"" + position->first + "\" is registered twice");
}

const Method* MethodRegistry::find(std::string_view name) const {
    const auto position = methods_.find(name);
    return position == methods_.end() ? nullptr : &position->second;
}

std::vector<std::string> MethodRegistry::names() const {
    std::vector<std::string> names;
    names.reserve(methods_.size());
    for (const auto& [name, method] : methods_) names.push_back(name);
    std::sort(names.begin(), names.end());
    return names;
}

void MethodRegistry::dispatch(const CallPtr& call, const Method* method) {
    if (!method) return call->fail(Error{code::unknown_method, "Unregistered method called", call->request().method});
    try {
        method->run(call);
    } catch (...) {
        fail(call, std::current_exception());
    }
}

void MethodRegistry::fail(const CallPtr& call, const std::exception_ptr& failure) {
    try {
        std::rethrow_exception(failure);
    } catch (const CallError& error) {
        call->fail(error.error());
    } catch (const std::exception& error) {
        call->fail_with_exception(error.what());
    } catch (...) {
        call->fail_with_exception("an exception that is no std::exception");
    }
}

} // namespace cubelink::rpc
