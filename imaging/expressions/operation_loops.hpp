#pragma once
/// Loops of operations.cpp and complex_operations.cpp.

#include "imaging/expressions/operations.hpp"

#include <cstddef>
#include <cstdint>

namespace cubelink::imaging::expressions {

template <class T>
bool is_blank(T x) {
    return x != x;
}

/// out[i] = fn(a[i])
template <class In, class Out, class Fn>
void one(const Operand& a, Out* out, std::size_t n, const Fn& fn) {
    const In* x = static_cast<const In*>(a.re);
    if (a.scalar) {
        const Out value = fn(*x);
        for (std::size_t i = 0; i < n; ++i) out[i] = value;
        return;
    }
    for (std::size_t i = 0; i < n; ++i) out[i] = fn(x[i]);
}

/// out[i] = fn(a[i], b[i])
template <class In, class Out, class Fn>
void two(const Operand& a, const Operand& b, Out* out, std::size_t n, const Fn& fn) {
    const In *x = static_cast<const In*>(a.re), *y = static_cast<const In*>(b.re);
    if (b.scalar) {
        const In value = *y;
        return one<In>(a, out, n, [&](In first) { return fn(first, value); });
    }
    if (a.scalar) {
        const In value = *x;
        for (std::size_t i = 0; i < n; ++i) out[i] = fn(value, y[i]);
        return;
    }
    for (std::size_t i = 0; i < n; ++i) out[i] = fn(x[i], y[i]);
}

} // namespace cubelink::imaging::expressions
