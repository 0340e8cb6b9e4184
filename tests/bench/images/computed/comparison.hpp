#pragma once
/// A figure that is measured in turns with its limit.

#include "tests/bench/images/report.hpp"

#include <string>
#include <vector>

namespace cubelink::bench {

/// `target`: the ratio of the medians to reach, 0 for none.
class Comparison {
public:
    explicit Comparison(std::size_t programs) : times_(programs), cpu_(programs) {}

    void add(std::size_t program, const Cost& cost);
    void add_limit(const Cost& cost);
    /// What has been measured, with one limit made of another comparison's.
    void set_limit(const Cost& limit);

    /// The medians, of one program.
    Cost median_cost(std::size_t program) const;

    /// Two rows: the medians, and the best of what was measured.
    void print(const std::string& name, const Limit& limit) const;

private:
    std::vector<Samples> times_, cpu_;
    Samples limit_times_, limit_cpu_;
};

} // namespace cubelink::bench
