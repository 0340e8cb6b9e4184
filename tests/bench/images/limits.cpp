#include "tests/bench/images/limits.hpp"

#include <algorithm>
#include <bit>
#include <chrono>
#include <cmath>
#include <cstring>
#include <ctime>
#include <stdexcept>
#include <thread>
#include <unistd.h>
#include <vector>

#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <zfp.h>

namespace cubelink::bench {
namespace {

constexpr int tries = 5;
constexpr std::int64_t piece = 1 << 20;

volatile double sink; // so that the compiler does not remove the sums

class File {
public:
    explicit File(const std::string& path) : fd_(open(path.c_str(), O_RDONLY)) {
        if (fd_ < 0) throw std::runtime_error("cannot read " + path);
    }
    ~File() { close(fd_); }
    void read(void* to, std::int64_t bytes, std::int64_t offset) const {
        if (pread(fd_, to, static_cast<std::size_t>(bytes), offset) != bytes) throw std::runtime_error("short read");
    }

private:
    int fd_;
};

double process_cpu() {
    timespec time{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

template <class Work>
double best_of(int times, double* cpu, Work work) {
    double best = 1e300, best_cpu = 1e300;
    for (int i = 0; i < times; ++i) {
        const auto start = std::chrono::steady_clock::now();
        const double cpu_start = process_cpu();
        work();
        best_cpu = std::min(best_cpu, process_cpu() - cpu_start);
        best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    }
    if (cpu) *cpu = best_cpu;
    return best;
}

/// Calls `use(buffer, bytes)` for each piece of the range, the pieces shared out among threads.
template <class Use>
void for_pieces(const std::string& path, std::int64_t offset, std::int64_t bytes, int threads, Use use) {
    const File file(path);
    std::vector<std::thread> workers;
    for (int t = 0; t < threads; ++t)
        workers.emplace_back([&, t] {
            std::vector<std::uint32_t> buffer(piece / 4);
            for (std::int64_t at = t * piece; at < bytes; at += threads * piece) {
                const auto size = std::min(piece, bytes - at);
                file.read(buffer.data(), size, offset + at);
                use(buffer.data(), size);
            }
        });
    for (auto& worker : workers) worker.join();
}

// With the widest vectors of this processor: a slow limit would flatter the server. A finite float's exponent is not all ones.
__attribute__((target_clones("avx512f", "avx2", "default"))) void sum_swapped(const std::uint32_t* words, std::int64_t count, float& sum,
                                                                             std::int64_t& finite) {
    float sums[16] = {};
    std::int32_t counts[16] = {};
    for (std::int64_t i = 0; i + 16 <= count; i += 16)
        for (int k = 0; k < 16; ++k) {
            const std::uint32_t bits = __builtin_bswap32(words[i + k]);
            const bool good = (bits & 0x7f800000u) != 0x7f800000u;
            sums[k] += std::bit_cast<float>(good ? bits : 0u);
            counts[k] += good;
        }
    for (int k = 0; k < 16; ++k) {
        sum += sums[k];
        finite += counts[k];
    }
}

} // namespace

double read_time(const std::string& path, std::int64_t offset, std::int64_t bytes, int threads, double* cpu) {
    return best_of(tries, cpu, [&] { for_pieces(path, offset, bytes, threads, [](const std::uint32_t*, std::int64_t) {}); });
}

double read_and_sum_time(const std::string& path, std::int64_t offset, std::int64_t bytes, int threads, double* cpu, int times) {
    return best_of(times, cpu, [&] {
        for_pieces(path, offset, bytes, threads, [](const std::uint32_t* words, std::int64_t size) {
            float sum = 0;
            std::int64_t finite = 0;
            sum_swapped(words, size / 4, sum, finite);
            sink = static_cast<double>(sum) + static_cast<double>(finite);
        });
    });
}

double read_and_exp_time(const std::string& path, std::int64_t offset, std::int64_t bytes, int threads, double* cpu) {
    return best_of(1, cpu, [&] {
        for_pieces(path, offset, bytes, threads, [](const std::uint32_t* words, std::int64_t size) {
            double sum = 0;
            for (std::int64_t i = 0; i < size / 4; ++i) sum += std::exp(-static_cast<double>(std::bit_cast<float>(__builtin_bswap32(words[i]))));
            sink = sum;
        });
    });
}

double strided_reads_time(const std::string& path, std::int64_t offset, std::int64_t bytes, std::int64_t stride, int count, int threads, double* cpu) {
    const File file(path);
    return best_of(1, cpu, [&] {
        std::vector<std::thread> workers;
        for (int t = 0; t < threads; ++t)
            workers.emplace_back([&, t] {
                std::vector<char> buffer(static_cast<std::size_t>(std::min(bytes, piece)));
                for (std::int64_t i = t; i < count; i += threads)
                    for (std::int64_t at = 0; at < bytes; at += piece) file.read(buffer.data(), std::min(piece, bytes - at), offset + i * stride + at);
            });
        for (auto& worker : workers) worker.join();
    });
}

double zfp_tile_time(const std::string& path, std::int64_t offset, std::int64_t width, int precision, double* cpu) {
    const File file(path);
    constexpr int side = 256, repeats = 40;
    std::vector<std::uint32_t> pixels(side * side);
    for (int y = 0; y < side; ++y) file.read(&pixels[static_cast<std::size_t>(y * side)], side * 4, offset + y * width * 4);
    for (auto& pixel : pixels) pixel = __builtin_bswap32(pixel);
    std::vector<char> buffer;
    return best_of(repeats, cpu, [&] {
        zfp_field* field = zfp_field_2d(pixels.data(), zfp_type_float, side, side);
        zfp_stream* stream = zfp_stream_open(nullptr);
        zfp_stream_set_precision(stream, static_cast<unsigned>(precision));
        buffer.resize(zfp_stream_maximum_size(stream, field));
        bitstream* bits = stream_open(buffer.data(), buffer.size());
        zfp_stream_set_bit_stream(stream, bits);
        sink = static_cast<double>(zfp_compress(stream, field));
        zfp_field_free(field);
        zfp_stream_close(stream);
        stream_close(bits);
    });
}

double small_reads_time(const std::string& path, std::int64_t offset, std::int64_t stride, int count) {
    const File file(path);
    return best_of(tries, nullptr, [&] {
        for (int i = 0; i < count; ++i) {
            std::uint32_t word = 0;
            file.read(&word, 4, offset + i * stride);
            sink = word;
        }
    });
}

std::vector<double> one_way_send_times(std::int64_t bytes) {
    const int listener = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    if (bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 || listen(listener, 1) != 0 ||
        getsockname(listener, reinterpret_cast<sockaddr*>(&address), &length) != 0)
        throw std::runtime_error("no loopback socket");
    const int to = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(to, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) throw std::runtime_error("no loopback connection");
    const int from = accept(listener, nullptr, nullptr);
    const std::vector<char> ready(static_cast<std::size_t>(bytes), 'x');
    std::vector<char> buffer(1 << 18);
    std::vector<double> times(4 * tries);
    for (auto& time : times) time = best_of(1, nullptr, [&] {
        std::thread reader([&] {
            for (std::int64_t left = bytes; left > 0;) {
                const auto got = recv(from, buffer.data(), buffer.size(), 0);
                if (got <= 0) return;
                left -= got;
            }
        });
        for (std::size_t at = 0; at < ready.size();) {
            const auto sent = send(to, ready.data() + at, ready.size() - at, 0);
            if (sent <= 0) break;
            at += static_cast<std::size_t>(sent);
        }
        reader.join();
    });
    close(to);
    close(from);
    close(listener);
    return times;
}

} // namespace cubelink::bench
