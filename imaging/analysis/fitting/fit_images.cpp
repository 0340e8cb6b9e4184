#include "imaging/analysis/fitting/fit_images.hpp"

#include "imaging/base/parallel.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <utility>

namespace cubelink::imaging {

namespace {

/// Pixels that are made at once, roughly.
constexpr std::int64_t band_pixels = std::int64_t(1) << 17;

} // namespace

FitImage::FitImage(FittedModel model, Capabilities capabilities) : model_(std::move(model)), capabilities_(capabilities) {
    if (model_.rect.width() <= 0 || model_.rect.height() <= 0) throw std::invalid_argument("an image of a fit has no pixels");
    shape_ = {model_.rect.width(), model_.rect.height(), 1, 1};
}

void FitImage::read(const Rect& rect, PlaneId plane, std::span<float> out, int threads, const CancelToken& cancel) const {
    check_request(shape_, rect, plane, out.size());
    if (rect.size() == 0) return;
    // Where any read costs that of a plane, one.
    const std::int64_t rows = capabilities_.whole_planes_only ? rect.height() : std::max<std::int64_t>(1, band_pixels / rect.width());
    parallel_for(threads, (rect.height() + rows - 1) / rows, cancel, [&](std::int64_t index, int) {
        const Rect band{rect.x0, rect.y0 + index * rows, rect.x1, std::min(rect.y1, rect.y0 + (index + 1) * rows)};
        const Rect of_data{band.x0 + model_.rect.x0, band.y0 + model_.rect.y0, band.x1 + model_.rect.x0, band.y1 + model_.rect.y0};
        std::vector<double> values(std::size_t(band.size()), model_.offset);
        add_model(model_.components, of_data, values);
        finish(of_data, values, cancel);
        std::transform(values.begin(), values.end(), out.begin() + (band.y0 - rect.y0) * rect.width(), [](double value) { return float(value); });
    });
}

void FitImage::read64(const Rect& rect, PlaneId plane, std::span<double> out, int threads, const CancelToken& cancel) const {
    check_request(shape_, rect, plane, out.size());
    std::vector<float> values;
    const std::int64_t rows = std::max<std::int64_t>(1, (std::int64_t(1) << 20) / std::max<std::int64_t>(1, rect.width()));
    for (std::int64_t y = rect.y0; y < rect.y1; y += rows) {
        const Rect band{rect.x0, y, rect.x1, std::min(rect.y1, y + rows)};
        values.resize(std::size_t(band.size()));
        read(band, plane, values, threads, cancel);
        std::copy(values.begin(), values.end(), out.begin() + (y - rect.y0) * rect.width());
    }
}

void FitImage::read_spectrum(std::int64_t x, std::int64_t y, std::int32_t stokes, std::int32_t from, std::span<float> out, const CancelToken& cancel) const {
    check_spectrum_request(shape_, x, y, stokes, from, out.size());
    if (!out.empty()) read({x, y, x + 1, y + 1}, {0, stokes}, out, 1, cancel);
}

namespace {

Capabilities random_access() {
    Capabilities capabilities;
    capabilities.random_access = true;
    return capabilities;
}

/// Reading the residual costs what reading the data costs.
Capabilities like(const ImageSource& data) {
    Capabilities capabilities;
    capabilities.random_access = data.capabilities().random_access;
    capabilities.whole_planes_only = data.capabilities().whole_planes_only;
    return capabilities;
}

} // namespace

ModelImage::ModelImage(FittedModel model) : FitImage(std::move(model), random_access()) {}

ResidualImage::ResidualImage(FittedModel model, std::shared_ptr<const ImageSource> data, PlaneId plane, std::shared_ptr<const PixelMask> mask)
    : FitImage(std::move(model), like(*data)), data_(std::move(data)), plane_(plane), mask_(std::move(mask)) {}

void ResidualImage::finish(const Rect& rect, std::span<double> model, const CancelToken& cancel) const {
    std::vector<double> data(model.size());
    data_->read64(rect, plane_, data, 1, cancel);
    constexpr double blank = std::numeric_limits<double>::quiet_NaN();
    for (std::size_t i = 0; i < data.size(); ++i) model[i] = std::isfinite(data[i]) ? data[i] - model[i] : blank;
    if (mask_ == nullptr) return;
    const auto runs = mask_->runs();
    auto run = std::lower_bound(runs.begin(), runs.end(), rect.y0, [](const PixelRun& r, std::int64_t y) { return r.y < y; });
    for (std::int64_t y = rect.y0; y < rect.y1; ++y) {
        double* const row = model.data() + (y - rect.y0) * rect.width();
        std::int64_t x = rect.x0;
        for (; run != runs.end() && run->y == y; ++run) {
            const std::int64_t to = std::clamp(run->x0, x, rect.x1);
            std::fill(row + (x - rect.x0), row + (to - rect.x0), blank);
            x = std::clamp(run->x1, x, rect.x1);
        }
        std::fill(row + (x - rect.x0), row + rect.width(), blank);
    }
}

} // namespace cubelink::imaging
