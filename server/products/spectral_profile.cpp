// Spectra of the pixel under the cursor: SPECTRAL_PROFILE_DATA, one for each that a connection requires, with partial ones while it takes long. They follow
// the spatial profiles.

#include "imaging/pixels/spectral_profile.hpp"
#include "server/products/kinds.hpp"
#include "server/products/profile_values.hpp"
#include "server/products/requirement_text.hpp"

namespace cubelink::server {

namespace {

/// Channels of a spectrum that is computed at once, and of one that may have the thread that is kept for interactive jobs.
constexpr std::int32_t quick_channels = 2048, short_spectrum = 4096;

struct Spectrum {
    std::string coordinate;
    int stats_type = 0;
    std::int32_t stokes = 0;
    PixelIndex pixel;
};

std::shared_ptr<icd::SpectralProfileData> message_of(const Image& image, const Spectrum& spectrum, std::span<const float> values, double progress) {
    auto message = std::make_shared<icd::SpectralProfileData>();
    message->set_file_id(image.file_id);
    message->set_region_id(cursor_region);
    message->set_stokes(spectrum.stokes);
    message->set_progress(static_cast<float>(progress));
    auto* profile = message->add_profiles();
    profile->set_coordinate(spectrum.coordinate);
    profile->set_stats_type(static_cast<icd::StatsType>(spectrum.stats_type));
    set_floats(*profile, values);
    return message;
}

void compute(const Image& image, const Spectrum& spectrum, imaging::BudgetCache& cache, ProductRun& run) {
    if (image.shape().depth > max_profile_values) throw imaging::ImageError("its spectra are too long to be sent");
    const auto memory = memory_for(cache, image.shape().depth, run.cancel());
    const auto partial = [&](std::span<const float> values, double progress) {
        run.check();
        run.publish(message_of(image, spectrum, values, progress));
    };
    const auto values = imaging::spectral_profile(*image.source, spectrum.pixel.x, spectrum.pixel.y, spectrum.stokes, run.cancel(), partial);
    run.publish(message_of(image, spectrum, values, 1));
}

void list(const ProductContext& context, const ImagePtr& image, std::vector<Product>& out) {
    if (!image->cursor || image->info.dimensions < 3) return;
    const auto pixel = pixel_at(*image->cursor, image->shape());
    if (!pixel) return;
    for (const auto& group : context.session.requirements().groups<SpectralRequirement>(image->file_id, cursor_region)) {
        const auto list = text_of(group.requirements);
        for (std::size_t i = 0; i < group.requirements.size(); ++i) {
            const auto& requirement = group.requirements[i];
            const auto parsed = parse_coordinate(requirement.coordinate, *image);
            if (!parsed) continue;
            const Spectrum spectrum{requirement.coordinate, requirement.stats_types.empty() ? static_cast<int>(icd::Mean) : requirement.stats_types.front(),
                                    parsed->stokes.value_or(image->plane.stokes), *pixel};
            Product product;
            product.region_id = cursor_region;
            product.part = std::to_string(i) + "/" + list;
            product.input = input_of(*image->cursor);
            product.input.push_back(spectrum.stokes); // whatever channel is shown
            product.rank = Rank::separate;
            product.quick = has_random_access(*image) && image->shape().depth <= quick_channels;
            // A long or compressed cube must not keep others' cursors waiting.
            product.job_class = has_random_access(*image) && image->shape().depth <= short_spectrum ? JobClass::interactive : JobClass::view;
            product.topic = spectral_topic;
            product.audience = pubsub::Audience::required_by(group.connections);
            product.slot = slot_of(group, static_cast<std::int64_t>(i));
            product.compute = [image, spectrum, &cache = context.cache](ProductRun& run) { compute(*image, spectrum, cache, run); };
            out.push_back(std::move(product));
        }
    }
}

} // namespace

extern const ProductKind spectral_profile;
const ProductKind spectral_profile{"spectral profile", "cursor", ProductsOf::cursor, {.plane = true, .cursor = true, .requirement = RequirementKind::spectral}, list};

} // namespace cubelink::server
