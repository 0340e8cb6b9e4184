#include "server/products/rendering.hpp"

#include "imaging/render/grid.hpp"
#include "imaging/render/stroke_font.hpp"
#include "server/products/plane_facts.hpp"

#include <algorithm>

namespace cubelink::server {

namespace {

/// The histogram by which limits and stretch are chosen: of a sample where that of all pixels takes long and isn't there.
class PlaneHistogram {
public:
    PlaneHistogram(const Image& image, imaging::PlaneId plane, imaging::BudgetCache& cache, const imaging::ThreadShare& threads, const imaging::CancelToken& cancel) {
        const auto& source = *image.source;
        exact_ = imaging::find_histogram(cache, source, image.hdu, plane);
        if (exact_) return;
        if (is_slow(cache, image, plane)) {
            sampled_ = imaging::cached_sampled_histogram(cache, source, image.hdu, plane, threads, cancel);
            if (*sampled_) return;
        }
        sampled_ = nullptr;
        exact_ = imaging::cached_histogram(cache, source, image.hdu, plane, threads, cancel);
    }
    const imaging::Histogram& get() const { return sampled_ ? **sampled_ : *exact_; }
    bool sampled() const { return sampled_ != nullptr; }
    imaging::ClipLimits limits(double percentile) const {
        // One value everywhere, or none (NaN) where all is blank.
        return imaging::percentile_limits(get(), percentile).value_or(imaging::ClipLimits{get().mean, get().mean});
    }

private:
    std::shared_ptr<const imaging::Histogram> exact_;
    std::shared_ptr<const std::optional<imaging::Histogram>> sampled_;
};

constexpr imaging::Rgba grid_colour{255, 255, 255, 110}, beam_colour{255, 255, 255, 230}, label_colour{255, 255, 255, 255}, halo_colour{0, 0, 0, 160};

/// Bright on a dark rim, to be read on any colour.
void draw_labels(imaging::Picture& picture, const imaging::GridLines& grid, const imaging::CancelToken& cancel) {
    const auto labels = imaging::place_labels(picture.size(), grid.bounds, grid.lines);
    for (const bool halo : {true, false}) {
        cancel.throw_if_cancelled();
        imaging::LineMask mask(picture.size());
        for (const auto& label : labels) {
            const double thickness = std::max(1.0, label.height / 7);
            imaging::add_text(mask, label.text, label.left, label.baseline, label.height, halo ? thickness + label.height / 3 : thickness);
        }
        mask.paint(picture, halo ? halo_colour : label_colour);
    }
}

void draw_grid(imaging::Picture& picture, const Image& image, const RenderRequest& request, const imaging::CancelToken& cancel) {
    imaging::GridLines grid;
    {
        imaging::LineMask mask(request.size);
        grid = imaging::add_grid(mask, request.size, request.framing, image.shape(), *image.wcs, request.plane.channel, {request.grid->frame, request.grid->notation}, cancel);
        mask.paint(picture, grid_colour);
    }
    if (request.grid->labels) draw_labels(picture, grid, cancel);
}

void draw_over(imaging::Picture& picture, const Image& image, const RenderRequest& request, const imaging::CancelToken& cancel) {
    if (!image.wcs) return;
    if (request.grid) draw_grid(picture, image, request, cancel);
    if (!request.beam) return;
    if (const auto* beam = imaging::find_beam(image.info.beams, request.plane.channel, request.plane.stokes)) {
        imaging::LineMask mask(request.size);
        if (imaging::add_beam(mask, request.size, request.framing, *beam, *image.wcs)) mask.paint(picture, beam_colour);
    }
}

} // namespace

std::size_t render_bytes(const RenderRequest& request) {
    const auto lines = request.grid || request.beam ? static_cast<std::size_t>(request.size.pixels()) : 0;
    return imaging::picture_bytes(request.size) + imaging::encoding_bytes(request.size, request.encoding) + lines;
}

RenderedFile render(const Image& image, const RenderRequest& request, imaging::BudgetCache& cache, const imaging::ThreadShare& threads,
                    const imaging::CancelToken& cancel, const std::function<void()>& check) {
    RenderedFile file;
    const auto& asked = request.look;
    if (!asked.limits || !asked.stretch) {
        const PlaneHistogram histogram(image, request.plane, cache, threads, cancel);
        file.limits = asked.limits ? *asked.limits : histogram.limits(asked.percentile);
        file.stretch = asked.stretch ? *asked.stretch : imaging::automatic_stretch(histogram.get(), histogram.limits(imaging::default_clip_percentile));
        file.sampled = histogram.sampled();
    } else {
        file.limits = *asked.limits;
        file.stretch = *asked.stretch;
    }
    if (check) check();
    const auto memory = cache.reserve(render_bytes(request), cancel);
    const imaging::Look look{asked.map, asked.inverted, file.stretch, file.limits, asked.blank, asked.background};
    auto picture = imaging::draw_plane(cache, *image.source, image.hdu, request.plane, request.size, request.framing, look, threads, cancel, check);
    draw_over(picture, image, request, cancel);
    if (check) check();
    file.bytes = rpc::Bytes::take(imaging::encode(picture, request.encoding, cancel));
    return file;
}

} // namespace cubelink::server
