#pragma once
/// The limits of limits.hpp in the form in which reports take them, and calls to a server that does nothing.

#include "tests/bench/images/limits.hpp"
#include "tests/bench/images/report.hpp"
#include "tests/bench/images/wire_session.hpp"
#include "tests/bench/wslink/child.hpp"

namespace cubelink::bench {

/// Reading and summing the first `bytes` of a file's pixels.
Cost sum_limit(const std::string& path, std::int64_t bytes, int threads);
/// One such scan, not the best of some.
Cost one_scan(const std::string& path, std::int64_t bytes, int threads);
/// libzfp at precision 11 for one tile of a file with rows of `width` pixels, on one thread.
Cost zfp_limit(const std::string& path, std::int64_t width);

inline double mebibytes(std::size_t bytes) { return static_cast<double>(bytes) / (1 << 20); }

/// Calls to our wslink example server, which answers them from memory: what a call with an answer of some size takes at least.
class PlainCalls {
public:
    PlainCalls();
    /// The time of one call with an answer of `bytes` bytes.
    double time(std::size_t bytes);

private:
    Child server_;
    WireSession session_;
};

} // namespace cubelink::bench
