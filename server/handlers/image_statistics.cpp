// The method image.statistics: exact statistics of a plane, a region or a range of channels, percentiles included.

#include "server/handlers/image_methods.hpp"
#include "server/handlers/image_read.hpp"

#include "imaging/pixels/order_statistics.hpp"
#include "imaging/regions/mask.hpp"
#include "rpc/icd/bridge.hpp"
#include "rpc/icd/messages.hpp"
#include "rpc/values/convert.hpp"
#include "server/products/statistics_message.hpp"
#include "server/session/region_message.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace cubelink::server {

namespace {

using imaging::StatsType;

/// One of the statistics that were asked for: by its moments or positions, or a percentile, or the median absolute deviation.
struct Statistic {
    std::string name;
    std::optional<StatsType> type{};
    std::optional<double> percent{};
};

struct Asked {
    std::vector<Statistic> types;
    std::vector<double> percents;
    imaging::ChannelRange channels;
    std::int32_t stokes = 0;
    RegionStatePtr region;            // of the session
    std::optional<rpc::Value> inline_region;
};

constexpr const char* all_ten[] = {"NumPixels", "Sum", "FluxDensity", "Mean", "RMS", "Sigma", "SumSq", "Min", "Max", "Extrema"};

double checked_percent(double percent, const std::string& where) {
    if (!(percent >= 0 && percent <= 100)) throw rpc::BadArguments(where + ": expected a number from 0 to 100");
    return percent;
}

Statistic statistic_named(const std::string& name, const std::string& where) {
    if (name == "Median") return {name, {}, 50};
    if (name == "Q1") return {name, {}, 25};
    if (name == "Q3") return {name, {}, 75};
    if (name == "MAD") return {name};
    if (const std::string prefix = "Percentile:"; name.starts_with(prefix)) {
        double percent = 0;
        const char* const end = name.data() + name.size();
        const auto [stop, error] = std::from_chars(name.data() + prefix.size(), end, percent);
        if (error != std::errc() || stop != end) throw rpc::BadArguments(where + ": \"" + name + "\" names no percentile, as \"Percentile:97.5\" does");
        return {name, {}, checked_percent(percent, where)};
    }
    icd::StatsType type{};
    if (!icd::StatsType_Parse(name, &type) || static_cast<int>(type) > static_cast<int>(StatsType::max_pos))
        throw rpc::BadArguments(where + ": there is no statistic \"" + name + "\"");
    return {name, static_cast<StatsType>(type), {}};
}

Asked asked_of(const Session& session, const Image& image, std::vector<rpc::Value>&& values) {
    Asked asked;
    if (values[1].is<rpc::Map>()) asked.inline_region = std::move(values[1]);
    else if (const auto id = rpc::from_value<std::optional<std::int32_t>>(std::move(values[1]), rpc::Path("region")); id && *id != image_region) {
        const auto region = session.region(*id);
        if (!region) throw rpc::CallError(rpc::code::method_failed, "Region " + std::to_string(*id) + " does not exist.");
        asked.region = region->state;
    }
    auto names = rpc::from_value<std::optional<std::vector<std::string>>>(std::move(values[2]), rpc::Path("types"));
    if (!names) names.emplace(std::begin(all_ten), std::end(all_ten));
    require_short(*names, "types");
    for (std::size_t i = 0; i < names->size(); ++i) asked.types.push_back(statistic_named((*names)[i], "types[" + std::to_string(i) + "]"));
    asked.channels = {image.plane.channel, image.plane.channel + 1};
    if (!values[3].is_null()) {
        const auto range = checked_range(values[3], image.shape().depth, "channels");
        if (range.step != 1 && range.count() > 1) throw rpc::BadArguments("channels: expected an index or [from, to]");
        asked.channels = {static_cast<std::int32_t>(range.from), static_cast<std::int32_t>(range.to)};
    }
    asked.stokes = stokes_of(std::move(values[4]), image);
    asked.percents = rpc::from_value<std::optional<std::vector<double>>>(std::move(values[5]), rpc::Path("percentiles")).value_or(std::vector<double>());
    if (asked.percents.size() > imaging::kMaxPercentiles)
        throw rpc::BadArguments("percentiles: " + std::to_string(asked.percents.size()) + " at once, the limit is " + std::to_string(imaging::kMaxPercentiles));
    for (std::size_t i = 0; i < asked.percents.size(); ++i) checked_percent(asked.percents[i], "percentiles[" + std::to_string(i) + "]");
    return asked;
}

void check_type(imaging::RegionType type) {
    if (!imaging::is_closed(type) && type != imaging::RegionType::point)
        throw rpc::CallError(rpc::code::method_failed,
                             "The region is a " + std::string(imaging::name_of(type)) + ": statistics are of rectangles, ellipses, polygons and points.");
}

class Statistics {
public:
    Statistics(const Image& image, const Asked& asked, imaging::BudgetCache& cache, const JobContext& context, std::function<void()> check)
        : image_(image), source_(*image.source), asked_(asked), cache_(cache), threads_(context.threads), cancel_(context.cancel), check_(std::move(check)) {}

    rpc::Value compute() {
        find_mask();
        const bool moments = std::any_of(asked_.types.begin(), asked_.types.end(), [](const Statistic& s) { return s.type.has_value(); });
        if (moments) summarise_channels();
        const auto order = order_statistics();
        rpc::Map values;
        for (const auto& asked : asked_.types) values[asked.name] = asked.type ? value_of_type(*asked.type) : asked.percent ? rpc::Value(order.percentile(*asked.percent)) : rpc::Value(order.all.mad);
        rpc::Array percentiles;
        for (const double percent : asked_.percents) percentiles.push_back(order.percentile(percent));
        return rpc::Map{{"statistics", std::move(values)},
                        {"percentiles", std::move(percentiles)},
                        {"channels", rpc::Array{asked_.channels.from, asked_.channels.to}},
                        {"stokes", asked_.stokes},
                        {"unit", imaging::is_computed_stokes(asked_.stokes)
                                     ? imaging::polarization_unit(static_cast<imaging::Polarization>(asked_.stokes), image_.info.bunit)
                                     : image_.info.bunit}};
    }

private:
    struct Order {
        std::vector<double> percents; // ascending, different
        imaging::OrderStatistics all;
        double percentile(double percent) const {
            return all.percentiles[static_cast<std::size_t>(std::lower_bound(percents.begin(), percents.end(), percent) - percents.begin())];
        }
    };

    void find_mask() {
        if (asked_.region) {
            check_type(asked_.region->shape.type);
            mask_ = asked_.region->mask_on(image_, cache_, cancel_);
        } else if (asked_.inline_region) {
            icd::RegionInfo info;
            icd::from_value(*asked_.inline_region, info);
            const auto shape = shape_of(info);
            if (const auto why = imaging::why_invalid(shape); !why.empty()) throw rpc::BadArguments("region: " + why);
            check_type(shape.type);
            auto mask = std::make_shared<const imaging::PixelMask>(imaging::mask_of(shape, image_.shape(), cancel_));
            mask_memory_ = cache_.reserve(mask->runs().size_bytes(), cancel_);
            mask_ = std::move(mask);
        }
    }

    imaging::Rect bounds() const { return mask_ ? mask_->bounds() : imaging::Rect{0, 0, image_.shape().width, image_.shape().height}; }

    void summarise_channels() {
        imaging::Reservation memory;
        const imaging::PixelMask* const masks[] = {mask_.get()};
        if (mask_) memory = cache_.reserve(imaging::mask_pass_bytes(source_, masks, threads_), cancel_);
        const auto flux_terms = flux_terms_of(image_);
        for (std::int32_t channel = asked_.channels.from; channel < asked_.channels.to; ++channel) {
            check_();
            const imaging::PlaneId plane{channel, asked_.stokes};
            const auto summary = mask_ ? imaging::summarise(source_, masks, plane, threads_, cancel_).front() : imaging::summarise(source_, bounds(), plane, threads_, cancel_);
            all_.merge(summary);
            if (summary.count == 0) continue;
            const double flux = imaging::statistic(StatsType::flux_density, summary, flux_terms(plane));
            flux_ = flux_ ? *flux_ + flux : flux;
            if (summary.min == all_.min && !(min_ && min_->summary.min == all_.min)) min_ = Extreme{channel, summary};
            if (summary.max == all_.max && !(max_ && max_->summary.max == all_.max)) max_ = Extreme{channel, summary};
        }
    }

    Order order_statistics() const {
        std::set<double> percents(asked_.percents.begin(), asked_.percents.end());
        bool mad = false;
        for (const auto& asked : asked_.types) {
            if (asked.percent) percents.insert(*asked.percent);
            mad = mad || (!asked.type && !asked.percent);
        }
        Order order{{percents.begin(), percents.end()}, {}};
        if (percents.empty() && !mad) return order;
        const imaging::PixelSelection pixels{mask_.get(), asked_.channels, asked_.stokes};
        const auto memory = cache_.reserve(imaging::order_statistics_bytes(source_, pixels, threads_), cancel_);
        // As many at once as can be.
        order.all.mad = std::numeric_limits<double>::quiet_NaN();
        for (std::size_t from = 0; from == 0 || from < order.percents.size(); from += imaging::kMaxPercentiles) {
            const auto some = std::span(order.percents).subspan(from, std::min(imaging::kMaxPercentiles, order.percents.size() - from));
            const auto part = imaging::order_statistics(source_, pixels, some, mad && from == 0, threads_, cancel_, check_);
            if (from == 0) order.all.mad = part.mad;
            order.all.percentiles.insert(order.all.percentiles.end(), part.percentiles.begin(), part.percentiles.end());
        }
        return order;
    }

    struct Extreme {
        std::int32_t channel;
        imaging::PlaneSummary summary;
    };

    rpc::Value position(const std::optional<Extreme>& extreme, bool of_min) const {
        if (!extreme) return {};
        const imaging::PlaneId plane{extreme->channel, asked_.stokes};
        const auto at = mask_ ? imaging::find_positions(source_, *mask_, plane, extreme->summary, threads_, cancel_)
                              : imaging::find_positions(source_, bounds(), plane, extreme->summary, threads_, cancel_);
        return of_min ? rpc::Array{at.min_x, at.min_y, extreme->channel} : rpc::Array{at.max_x, at.max_y, extreme->channel};
    }

    rpc::Value value_of_type(StatsType type) const {
        const auto box = bounds();
        switch (type) {
        case StatsType::flux_density: return flux_.value_or(std::numeric_limits<double>::quiet_NaN());
        case StatsType::blc: return box.size() > 0 ? rpc::Value(rpc::Array{box.x0, box.y0}) : rpc::Value();
        case StatsType::trc: return box.size() > 0 ? rpc::Value(rpc::Array{box.x1 - 1, box.y1 - 1}) : rpc::Value();
        case StatsType::min_pos: return position(min_, true);
        case StatsType::max_pos: return position(max_, false);
        default: return imaging::statistic(type, all_);
        }
    }

    const Image& image_;
    const imaging::ImageSource& source_;
    const Asked& asked_;
    imaging::BudgetCache& cache_;
    const imaging::ThreadShare threads_;
    const imaging::CancelToken cancel_;
    const std::function<void()> check_;

    std::shared_ptr<const imaging::PixelMask> mask_; // null: whole planes
    imaging::Reservation mask_memory_;
    imaging::PlaneSummary all_;
    std::optional<double> flux_; // of each channel by its own beam
    std::optional<Extreme> min_, max_;
};

} // namespace

void register_image_statistics(HandlerContext& context) {
    using rpc::Value;
    on_image_method(context, "image.statistics",
                    {"file_id", {"region", Value()}, {"types", Value()}, {"channels", Value()}, {"stokes", Value()}, {"percentiles", Value()}},
                    [](const SessionPtr& session, const ImagePtr& image, const rpc::CallPtr& call, std::vector<Value>&& values) {
                        const auto asked = std::make_shared<const Asked>(asked_of(*session, *image, std::move(values)));
                        post_answer(session, image, call, "image.statistics", JobClass::block, [session, image, call, asked](const JobContext& context) {
                            const auto check = [&] {
                                context.cancel.throw_if_cancelled();
                                if (!call->peer()->connected()) throw imaging::Cancelled();
                            };
                            check();
                            call->answer(Statistics(*image, *asked, session->cache(), context, check).compute());
                        });
                    },
                    rpc::AnswerOrder::when_done);
}

} // namespace cubelink::server
