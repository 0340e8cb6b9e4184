#pragma once
/// What the benchmarks print: a line for each figure, with what both servers took (or the one there is), their ratio, and the ratio to a
/// limit that was measured in the same run.

#include <algorithm>
#include <chrono>
#include <functional>
#include <string>
#include <vector>

namespace cubelink::bench {

class ServerProcess;

using Clock = std::chrono::steady_clock;
inline double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

using Samples = std::vector<double>;

/// Calls at a fixed distance in time, one after the other. While one waits for its answer others become due; they are not made, but each
/// counts with the wait that it would have had, so that percentiles are those of a moment chosen at random.
class Pace {
public:
    explicit Pace(std::chrono::milliseconds distance) : distance_(distance), due_(Clock::now()) {}
    /// Waits until the next call is due.
    void wait() const;
    /// The call has been answered: adds its time, and those of the calls that have become due meanwhile.
    void answered(Samples& times);
    /// When the next call is due.
    Clock::time_point due() const { return due_; }

private:
    Clock::duration distance_;
    Clock::time_point due_;
};

/// What something took, or a limit: the best of some tries, in seconds, and processor time. `cpu` 0: not known.
struct Cost {
    double time = 1e300, cpu = 1e300;
    void keep_best(const Cost& other) {
        time = std::min(time, other.time);
        cpu = std::min(cpu, other.cpu);
    }
};

double least(const Samples& samples);
double median(Samples samples);
/// The value that 95 of 100 are not above.
double percentile_95(Samples samples);
double largest(const Samples& samples);

/// The best time of some tries, and the server's processor time of one on average.
Cost repeat(const ServerProcess& server, int tries, const std::function<double()>& work);

/// What a figure is compared with. `target`: the ratio to reach, 0 for none.
struct Limit {
    std::string name;
    double target = 0;
};

/// The table's head; `programs`: 1 or 2.
void print_head(const std::string& workload, std::size_t programs);
/// One figure: a cost for each program, and the limit for each.
void report(const std::string& name, const std::vector<Cost>& costs, const Limit& limit, const std::vector<Cost>& limits);
/// The same with one limit for all.
void report(const std::string& name, const std::vector<Cost>& costs, const Limit& limit, const Cost& value);
/// Median and 95th percentile, or 95th percentile and maximum, of what was measured many times; a row each.
void report_median(const std::string& name, const std::vector<Samples>& samples, const Limit& limit, const std::vector<Cost>& limits);
void report_worst(const std::string& name, const std::vector<Samples>& samples, const Limit& limit, const std::vector<Cost>& limits);
/// Something that is no time. `target`: not to be exceeded, 0 for none.
void report_value(const std::string& name, const char* unit, const std::vector<double>& values, double target = 0);

/// Costs without processor time, one for each program: the medians.
std::vector<Cost> medians(const std::vector<Samples>& samples);

} // namespace cubelink::bench
