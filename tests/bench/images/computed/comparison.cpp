#include "tests/bench/images/computed/comparison.hpp"

namespace cubelink::bench {

void Comparison::add(std::size_t program, const Cost& cost) {
    times_[program].push_back(cost.time);
    cpu_[program].push_back(cost.cpu);
}

void Comparison::add_limit(const Cost& cost) {
    limit_times_.push_back(cost.time);
    limit_cpu_.push_back(cost.cpu);
}

void Comparison::set_limit(const Cost& limit) {
    limit_times_ = {limit.time};
    limit_cpu_ = {limit.cpu};
}

Cost Comparison::median_cost(std::size_t program) const { return {median(times_[program]), median(cpu_[program])}; }

void Comparison::print(const std::string& name, const Limit& limit) const {
    std::vector<Cost> medians, best;
    for (std::size_t i = 0; i < times_.size(); ++i) {
        medians.push_back(median_cost(i));
        best.push_back({least(times_[i]), least(cpu_[i])});
    }
    report(name, medians, limit, Cost{median(limit_times_), median(limit_cpu_)});
    report("  the best of " + std::to_string(times_.back().size()), best, {limit.name, 0}, Cost{least(limit_times_), least(limit_cpu_)});
}

} // namespace cubelink::bench
