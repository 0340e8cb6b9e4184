#pragma once
/// What this machine can do at best, measured in the same run as the server: times in seconds, the best of some tries. `cpu` gets the
/// processor time of all threads together, of the best try: on a busy machine it says more than the time that passed.

#include <cstdint>
#include <string>
#include <vector>

namespace cubelink::bench {

/// Reading `bytes` of a file at `offset` from the page cache by parallel preads into small buffers.
double read_time(const std::string& path, std::int64_t offset, std::int64_t bytes, int threads, double* cpu = nullptr);
/// The same, with byte swap and a sum and count of the finite float32. `times`: tries, of which the best counts.
double read_and_sum_time(const std::string& path, std::int64_t offset, std::int64_t bytes, int threads, double* cpu = nullptr, int times = 5);
/// One scan of that kind that sums std::exp(-x), in double precision, of each pixel x.
double read_and_exp_time(const std::string& path, std::int64_t offset, std::int64_t bytes, int threads, double* cpu = nullptr);
/// One read of `count` pieces of `bytes` each, `stride` bytes apart.
double strided_reads_time(const std::string& path, std::int64_t offset, std::int64_t bytes, std::int64_t stride, int count, int threads,
                          double* cpu = nullptr);
/// libzfp's time for one 256 × 256 tile of that file's first plane (`width` pixels a row) at that precision, on one thread.
double zfp_tile_time(const std::string& path, std::int64_t offset, std::int64_t width, int precision, double* cpu = nullptr);
/// `count` preads of 4 bytes each, `stride` bytes apart, on one thread.
double small_reads_time(const std::string& path, std::int64_t offset, std::int64_t stride, int count);
/// Sending `bytes` that lie ready through a TCP connection over loopback, until the other side has read them all: the times of all tries.
std::vector<double> one_way_send_times(std::int64_t bytes);

} // namespace cubelink::bench
