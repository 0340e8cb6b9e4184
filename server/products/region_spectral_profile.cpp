// Spectra of points and closed regions: SPECTRAL_PROFILE_DATA, one for each coordinate that connections require, with a profile for each statistic. They
// come in parts while they take long, follow a region that is dragged, and those that wait at the same time are made by one pass over the cube.

#include "imaging/pixels/region_spectra.hpp"
#include "rpc/icd/messages.hpp"
#include "server/products/kinds.hpp"
#include "server/products/plane_facts.hpp"
#include "server/products/profile_values.hpp"
#include "server/products/statistics_message.hpp"

#include <algorithm>
#include <chrono>
#include <map>
#include <set>

namespace cubelink::server {

namespace {

using Clock = std::chrono::steady_clock;
constexpr auto report_interval = std::chrono::seconds(1);
/// A run that is no longer for the newest shape ends after the first of these times, with what it has, unless it will be over by the second.
constexpr auto superseded_limit = std::chrono::milliseconds(250), worth_waiting_for = std::chrono::milliseconds(500);
/// Bytes of the summaries of one pass; more regions are several passes.
constexpr std::size_t pass_memory = std::size_t{64} << 20;

struct Spectra : ProductPart {
    ImagePtr image;
    imaging::BudgetCache* cache = nullptr;
    std::int32_t region_id = 0;
    RegionStatePtr region;
    std::string coordinate;
    std::vector<int> types; // statistics
    std::int32_t stokes = 0;
};

const Spectra& spectra_of(const JointRun& one) { return static_cast<const Spectra&>(*one.product->its_part); }

std::shared_ptr<icd::SpectralProfileData> message_of(const Spectra& spectra, double progress) {
    auto message = std::make_shared<icd::SpectralProfileData>();
    message->set_file_id(spectra.image->file_id);
    message->set_region_id(spectra.region_id);
    message->set_stokes(spectra.stokes);
    message->set_progress(static_cast<float>(progress));
    return message;
}

void add_profile(icd::SpectralProfileData& message, const Spectra& spectra, int type, std::span<const double> values) {
    auto* profile = message.add_profiles();
    profile->set_coordinate(spectra.coordinate);
    profile->set_stats_type(static_cast<icd::StatsType>(type));
    profile->set_raw_values_fp64(values.data(), values.size_bytes());
}

/// Of a region that has no pixel on the image.
void publish_nothing(const JointRun& one) {
    const auto& spectra = spectra_of(one);
    const std::vector<double> blank(static_cast<std::size_t>(spectra.image->shape().depth), std::numeric_limits<double>::quiet_NaN());
    auto message = message_of(spectra, 1);
    for (const int type : spectra.types) add_profile(*message, spectra, type, blank);
    one.run->publish(std::move(message));
}

/// One of those that a pass is for.
struct Listener {
    const JointRun* joint = nullptr;
    std::shared_ptr<const imaging::PixelMask> mask;
    std::size_t index = 0; // of the mask in the pass
    bool over = false;

    /// Whether nobody waits for it any more.
    bool is_over() {
        if (over) return true;
        try {
            joint->run->check();
        } catch (const imaging::Cancelled&) {
            joint->end(false);
            over = true;
        }
        return over;
    }
};

/// Some regions' spectra of one stokes, by one pass over the channels.
class Pass {
public:
    Pass(std::span<Listener> listeners, Clock::time_point begun)
        : listeners_(listeners), begun_(begun), first_(spectra_of(*listeners.front().joint)), run_(*listeners.front().joint->run),
          memory_(first_.cache->reserve(needs(), run_.cancel())), users_(listeners.back().index + 1, 0), flux_terms_(flux_terms_of(*first_.image)), spectra_(first_.image->source, masks(), first_.stokes, options()) {}

    void run() {
        while (weed() && !spectra_.finished()) {
            try {
                if (listeners_.size() == 1) spectra_.advance(run_.threads(), run_.cancel());
                else spectra_.advance(run_.threads(), {}, [this] { stop_if_pointless(); });
            } catch (const imaging::Cancelled&) {
                if (weed()) throw;
                return;
            }
            if (!spectra_.finished()) report();
        }
        for (auto& one : listeners_)
            if (!one.over) end(one, 1);
    }

    static std::size_t memory_of(const Listener& one) {
        const auto& spectra = spectra_of(*one.joint);
        return imaging::RegionSpectra::memory_of(*one.mask, *spectra.image->source, spectra.stokes);
    }

private:
    std::size_t needs() const {
        std::size_t bytes = imaging::RegionSpectra::working_memory(*first_.image->source, first_.stokes, run_.threads().most());
        for (std::size_t i = 0; i < listeners_.size(); ++i)
            if (i == 0 || listeners_[i].index != listeners_[i - 1].index) bytes += memory_of(listeners_[i]);
        return bytes;
    }

    std::vector<std::shared_ptr<const imaging::PixelMask>> masks() {
        std::vector<std::shared_ptr<const imaging::PixelMask>> list(users_.size());
        for (const auto& one : listeners_) {
            list[one.index] = one.mask;
            ++users_[one.index];
        }
        return list;
    }

    imaging::RegionSpectraOptions options() const {
        imaging::RegionSpectraOptions options;
        options.pixels = options.inputs = false;
        for (const auto& one : listeners_)
            for (const int type : spectra_of(*one.joint).types)
                (imaging::is_combined(static_cast<imaging::StatsType>(type)) ? options.inputs : options.pixels) = true;
        return options;
    }

    /// Ends what nobody waits for any more; false if that is all.
    bool weed() {
        bool any = false;
        for (auto& one : listeners_) {
            if (one.over) continue;
            if (one.is_over()) drop(one);
            else any = true;
        }
        return any;
    }

    void stop_if_pointless() const {
        if (std::all_of(listeners_.begin(), listeners_.end(), [](const Listener& one) { return one.over || one.joint->run->cancel().cancelled(); }))
            throw imaging::Cancelled();
    }

    void report() {
        const auto now = Clock::now();
        const bool due = now - reported_ > report_interval;
        const std::chrono::duration<double> so_far = now - begun_;
        const bool late = so_far > superseded_limit && so_far / std::max(progress(), 1e-9) > worth_waiting_for;
        if (due) reported_ = now;
        for (auto& one : listeners_) {
            if (one.over) continue;
            if (late && one.joint->run->superseded()) end(one, progress());
            else if (due) publish(one, progress());
        }
    }

    double progress() const { return static_cast<double>(spectra_.done()) / spectra_.depth(); }

    void publish(const Listener& one, double progress) const {
        const auto& spectra = spectra_of(*one.joint);
        auto message = message_of(spectra, progress);
        for (const int type : spectra.types)
            add_profile(*message, spectra, type, imaging::region_spectrum(spectra_, one.index, static_cast<imaging::StatsType>(type), flux_terms_));
        one.joint->run->publish(std::move(message));
    }

    void end(Listener& one, double progress) {
        publish(one, progress);
        one.over = true;
        drop(one);
        one.joint->end(true);
    }

    void drop(const Listener& one) {
        if (--users_[one.index] == 0) spectra_.drop(one.index);
    }

    const std::span<Listener> listeners_;
    const Clock::time_point begun_;
    const Spectra& first_;
    const ProductRun& run_;
    const imaging::Reservation memory_;
    std::vector<int> users_; // of each mask
    const imaging::FluxTermsOf flux_terms_;
    imaging::RegionSpectra spectra_;
    Clock::time_point reported_ = Clock::now();
};

void compute(std::span<const JointRun> runs) {
    const auto begun = Clock::now();
    std::vector<Listener> listeners;
    bool too_long = false;
    for (const auto& one : runs) {
        const auto& spectra = spectra_of(one);
        if (spectra.image->shape().depth > max_profile_values / 2 / static_cast<std::int64_t>(spectra.types.size())) {
            too_long = true;
            continue;
        }
        try {
            auto mask = spectra.region->mask_on(*spectra.image, *spectra.cache, one.run->cancel());
            if (!mask->empty()) {
                listeners.push_back({&one, std::move(mask)});
                continue;
            }
            publish_nothing(one);
            one.end(true);
        } catch (const imaging::Cancelled&) {
            one.end(false);
        } catch (const std::exception& e) { // of this region alone
            if (one.product->on_error) one.product->on_error(e);
            one.end(true);
        }
    }
    // Neighbours in one pass, and equal masks once.
    std::stable_sort(listeners.begin(), listeners.end(), [](const Listener& a, const Listener& b) {
        const auto &one = a.mask->bounds(), &other = b.mask->bounds();
        return std::tuple(one.y0, one.x0, a.mask.get()) < std::tuple(other.y0, other.x0, b.mask.get());
    });
    for (std::size_t from = 0; from < listeners.size();) {
        const std::size_t most = std::min(pass_memory, spectra_of(*listeners[from].joint).cache->limit() / 8);
        std::size_t to = from, index = 0, bytes = Pass::memory_of(listeners[from]);
        for (; to < listeners.size(); ++to) {
            if (to > from && listeners[to].mask != listeners[to - 1].mask) {
                if ((bytes += Pass::memory_of(listeners[to])) > most) break;
                ++index;
            }
            listeners[to].index = index;
        }
        try {
            Pass(std::span(listeners).subspan(from, to - from), begun).run();
            from = to;
        } catch (const imaging::Cancelled&) {
            // One of them, while it waited for memory: again without it, and without those that are done.
            if (std::erase_if(listeners, [](Listener& one) { return one.is_over(); }) == 0) throw;
            from = 0;
        }
    }
    if (too_long) throw imaging::ImageError("its spectra are too long to be sent");
}

void list(const ProductContext& context, const ImagePtr& image, std::vector<Product>& out) {
    if (image->info.dimensions < 3) return;
    for (const auto& region : context.regions(*image, RequirementKind::spectral)) {
        const auto type = region->state->shape.type;
        if (type != imaging::RegionType::point && !imaging::is_closed(type)) continue;
        // Who requires what, whatever else they require.
        struct Wanted {
            std::vector<int> types;
            std::set<std::uint64_t> connections;
        };
        std::map<std::pair<std::string, std::string>, Wanted> wanted;
        for (const auto& group : context.session.requirements().groups<SpectralRequirement>(image->file_id, region->id)) {
            for (const auto& requirement : group.requirements) {
                auto types = requirement.stats_types.empty() ? std::vector<int>{icd::Mean} : requirement.stats_types;
                for (auto it = types.begin(); it != types.end();) it = std::find(types.begin(), it, *it) == it ? it + 1 : types.erase(it);
                std::string text;
                for (const int one : types) text += std::to_string(one) + ",";
                auto& one = wanted[{requirement.coordinate, text}];
                one.types = std::move(types);
                one.connections.insert(group.connections.begin(), group.connections.end());
            }
        }
        for (auto& [what, by] : wanted) {
            const auto parsed = parse_coordinate(what.first, *image);
            if (!parsed) continue;
            const auto spectra = std::make_shared<Spectra>();
            spectra->image = image;
            spectra->cache = &context.cache;
            spectra->region_id = region->id;
            spectra->region = region->state;
            spectra->coordinate = what.first;
            spectra->types = std::move(by.types);
            spectra->stokes = parsed->stokes.value_or(image->plane.stokes);
            Product product;
            product.region_id = region->id;
            product.part = what.first + ":" + what.second;
            product.input = {spectra->stokes, static_cast<std::int64_t>(region->state->version)}; // whatever channel is shown
            product.resend = false;
            product.live = true;
            product.rank = Rank::separate;
            product.job_class = JobClass::view;
            product.topic = spectral_topic;
            product.audience = pubsub::Audience::required_by({by.connections.begin(), by.connections.end()});
            product.slot = product.part;
            product.together = std::to_string(spectra->stokes);
            product.its_part = spectra;
            product.compute_together = compute;
            out.push_back(std::move(product));
        }
    }
}

} // namespace

extern const ProductKind region_spectral_profile;
const ProductKind region_spectral_profile{"region spectral profile", "spectral", ProductsOf::regions,
                                          {.stokes = true, .region = true, .requirement = RequirementKind::spectral}, list};

} // namespace cubelink::server
