#include "imaging/pixels/spectral_profile.hpp"

#include "imaging/kernels/blanks.hpp"

#include <algorithm>
#include <limits>

namespace cubelink::imaging {

std::vector<float> spectral_profile(const ImageSource& source, std::int64_t x, std::int64_t y, std::int32_t stokes,
                                    const CancelToken& cancel, const SpectralProgress& partial, const SpectralProfileOptions& options) {
    using Clock = std::chrono::steady_clock;
    using Seconds = std::chrono::duration<double>;
    constexpr float kBlank = std::numeric_limits<float>::quiet_NaN();
    constexpr double kFastestGrowth = 16; // a slice that was quick (cached) predicts little of the next

    const std::int64_t depth = source.shape().depth;
    std::vector<float> values(std::size_t(depth), kBlank);
    std::int64_t done = 0;
    std::int64_t slice = std::max(options.first_slice, 1);
    auto reported = Clock::now();
    while (done < depth) {
        cancel.throw_if_cancelled();
        const std::int64_t n = std::min(slice, depth - done);
        const auto begun = Clock::now();
        const std::span<float> out(values.data() + done, std::size_t(n));
        source.read_spectrum(x, y, stokes, std::int32_t(done), out, cancel);
        kernels::fill_blanks(out.data(), out.size(), kBlank, out.data());
        done += n;

        const auto now = Clock::now();
        const double took = std::max(Seconds(now - begun).count(), 1e-9);
        slice = std::max<std::int64_t>(1, std::int64_t(double(n) * std::min(kFastestGrowth, Seconds(options.slice_time).count() / took)));
        if (done < depth && partial && now - reported > options.report_time) {
            partial(values, double(done) / double(depth));
            reported = now;
        }
    }
    return values;
}

} // namespace cubelink::imaging
