#include "tests/bench/images/report.hpp"

#include "tests/bench/images/server_process.hpp"

#include <cmath>
#include <cstdio>
#include <stdexcept>
#include <thread>

namespace cubelink::bench {
namespace {

double quantile(Samples samples, double part) {
    if (samples.empty()) throw std::runtime_error("nothing was measured");
    const auto place = static_cast<std::size_t>(std::ceil(part * static_cast<double>(samples.size())));
    const auto at = samples.begin() + static_cast<std::ptrdiff_t>(place > 0 ? place - 1 : 0);
    std::nth_element(samples.begin(), at, samples.end());
    return *at;
}

bool known(double cpu) { return cpu > 0 && cpu < 1e299; }

template <class Statistic>
std::vector<Cost> costs_of(const std::vector<Samples>& samples, Statistic statistic) {
    std::vector<Cost> costs;
    for (const auto& one : samples) costs.push_back({statistic(one), 0});
    return costs;
}

} // namespace

double least(const Samples& samples) { return quantile(samples, 0); }
double median(Samples samples) { return quantile(std::move(samples), 0.5); }
double percentile_95(Samples samples) { return quantile(std::move(samples), 0.95); }
double largest(const Samples& samples) { return quantile(samples, 1); }
std::vector<Cost> medians(const std::vector<Samples>& samples) { return costs_of(samples, median); }

void Pace::wait() const { std::this_thread::sleep_until(due_); }

void Pace::answered(Samples& times) {
    const auto now = Clock::now();
    do {
        times.push_back(std::chrono::duration<double>(now - due_).count());
        due_ += distance_;
    } while (due_ <= now);
}

Cost repeat(const ServerProcess& server, int tries, const std::function<double()>& work) {
    Cost cost;
    const double before = server.cpu();
    for (int i = 0; i < tries; ++i) cost.time = std::min(cost.time, work());
    cost.cpu = (server.cpu() - before) / tries;
    return cost;
}

void print_head(const std::string& workload, std::size_t programs) {
    if (programs > 1) std::printf("\n%-58s %10s %10s %7s %7s\n", workload.c_str(), "before", "now", "ratio", "limits");
    else std::printf("\n%-58s %10s %7s\n", workload.c_str(), "ms", "limits");
    std::fflush(stdout);
}

void report(const std::string& name, const std::vector<Cost>& costs, const Limit& limit, const std::vector<Cost>& limits) {
    const auto& cost = costs.back();
    const auto& own = limits.back();
    const double ratio = cost.time / own.time;
    std::printf("%-58s", name.c_str());
    for (const auto& one : costs) std::printf(" %10.2f", one.time * 1e3);
    if (costs.size() > 1) std::printf(" %7.2f", cost.time / costs.front().time);
    std::printf(" %7.2f x %s (%.2f ms)", ratio, limit.name.c_str(), own.time * 1e3);
    if (costs.size() > 1) std::printf(", before %.2f x", costs.front().time / limits.front().time);
    if (limit.target > 0) std::printf("; to reach: %.2f%s", limit.target, ratio > limit.target ? "  ABOVE" : "");
    if (known(cost.cpu) && known(own.cpu)) {
        std::printf("; processor: %.2f ms, %.2f x", cost.cpu * 1e3, cost.cpu / own.cpu);
        if (costs.size() > 1) std::printf(", before %.2f x", costs.front().cpu / limits.front().cpu);
    }
    std::printf("\n");
    std::fflush(stdout);
}

void report(const std::string& name, const std::vector<Cost>& costs, const Limit& limit, const Cost& value) {
    report(name, costs, limit, std::vector<Cost>(costs.size(), value));
}

void report_median(const std::string& name, const std::vector<Samples>& samples, const Limit& limit, const std::vector<Cost>& limits) {
    report(name + ", median", medians(samples), limit, limits);
    report(name + ", 95th percentile", costs_of(samples, percentile_95), {limit.name, 0}, limits);
}

void report_worst(const std::string& name, const std::vector<Samples>& samples, const Limit& limit, const std::vector<Cost>& limits) {
    report(name + ", 95th percentile", costs_of(samples, percentile_95), limit, limits);
    report(name + ", maximum", costs_of(samples, largest), {limit.name, 0}, limits);
}

void report_value(const std::string& name, const char* unit, const std::vector<double>& values, double target) {
    std::printf("%-58s", name.c_str());
    for (const double value : values) std::printf(" %10.1f", value);
    if (values.size() > 1) std::printf(" %7.2f", values.back() / values.front());
    std::printf(" %s", unit);
    if (target > 0) std::printf("; to reach: %.0f%s", target, values.back() > target ? "  ABOVE" : "");
    std::printf("\n");
    std::fflush(stdout);
}

} // namespace cubelink::bench
