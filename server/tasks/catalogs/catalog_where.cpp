#include "server/tasks/catalogs/catalog_where.hpp"

#include "imaging/tables/sky/sky_test.hpp"
#include "rpc/error.hpp"
#include "rpc/values/convert.hpp"
#include "server/tasks/catalogs/catalog_positions.hpp"
#include "server/tasks/catalogs/catalog_rows.hpp"
#include "server/tasks/catalogs/channel_rows.hpp"

#include <cmath>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace cubelink::server {

namespace {

constexpr int deepest = 16;
constexpr std::size_t most_conditions = 1000, most_patterns = 32;

/// The entries of a map, each of which has to be taken.
class Fields {
public:
    Fields(rpc::Value&& value, const rpc::Path& path) : map_(rpc::from_value<rpc::Map>(std::move(value), path)), path_(path) {
        for (const auto& [key, unused] : map_) {
            const auto* name = key.get_if<std::string>();
            if (!name) throw rpc::BadArguments(path_.text() + ": keys are texts");
            left_.insert(*name);
        }
    }
    bool has(const char* name) const { return map_.find(name) != nullptr; }
    rpc::Value take(const char* name) {
        left_.erase(name);
        auto* found = map_.find(name);
        return found ? std::move(*found) : rpc::Value();
    }
    template <class T>
    T as(const char* name) {
        return rpc::from_value<T>(take(name), rpc::Path(path_, name));
    }
    std::string text(const char* name) { return rpc::from_value<std::optional<std::string>>(take(name), rpc::Path(path_, name)).value_or(""); }
    double number(const char* name) {
        const auto value = as<double>(name);
        if (!std::isfinite(value)) throw rpc::BadArguments(at(name) + ": expected a finite number");
        return value;
    }
    /// Integers as they are: a long double holds all of 64 bits.
    static long double exact(rpc::Value&& value, const rpc::Path& path) {
        if (const auto* integer = value.get_if<std::int64_t>()) return *integer;
        if (const auto* natural = value.get_if<std::uint64_t>()) return *natural;
        const auto number = rpc::from_value<double>(std::move(value), path);
        if (!std::isfinite(number)) throw rpc::BadArguments(path.text() + ": expected a finite number");
        return number;
    }
    long double exact(const char* name) { return exact(take(name), rpc::Path(path_, name)); }
    std::vector<double> numbers(const char* name, std::size_t count) {
        auto list = as<std::vector<double>>(name);
        if (list.size() != count) throw rpc::BadArguments(at(name) + ": expected " + std::to_string(count) + " numbers");
        return list;
    }
    std::string at(const char* name) const { return rpc::Path(path_, name).text(); }
    void end() const {
        if (!left_.empty()) throw rpc::BadArguments(rpc::Path(path_, *left_.begin()).text() + ": there is no such field here");
    }

private:
    rpc::Map map_;
    const rpc::Path& path_;
    std::set<std::string> left_;
};

DeferredTest ready(imaging::RowTestPtr test) {
    return [test = std::move(test)](imaging::BudgetCache&, const imaging::CancelToken&) { return test; };
}

class Parser {
public:
    Parser(Session& session, const imaging::TablePtr& table) : session_(session), table_(table) {}

    DeferredTest condition(rpc::Value&& value, const rpc::Path& path, int depth) {
        if (depth > deepest) throw rpc::BadArguments(path.text() + ": nested more than " + std::to_string(deepest) + " deep");
        if (++count_ > most_conditions) throw rpc::BadArguments(path.text() + ": more than " + std::to_string(most_conditions) + " conditions");
        Fields fields(std::move(value), path);
        DeferredTest made;
        if (fields.has("all")) made = combined(fields, "all", imaging::all_of, path, depth);
        else if (fields.has("any")) made = combined(fields, "any", imaging::any_of, path, depth);
        else if (fields.has("none")) made = combined(fields, "none", imaging::none_of, path, depth);
        else if (fields.has("missing")) made = ready(imaging::is_missing(readable_column(*table_, fields.as<std::string>("missing"), fields.at("missing"))));
        else if (fields.has("cone")) made = cone(fields.take("cone"), rpc::Path(path, "cone"));
        else if (fields.has("inside")) made = inside(fields.take("inside"), rpc::Path(path, "inside"));
        else if (fields.has("near_channel")) made = near_channel(fields.take("near_channel"), rpc::Path(path, "near_channel"));
        else if (fields.has("column")) made = column(fields, path);
        else throw rpc::BadArguments(path.text() + ": expected one of all, any, none, column, missing, cone, inside, near_channel");
        fields.end();
        return made;
    }

private:
    DeferredTest combined(Fields& fields, const char* name, imaging::RowTestPtr (*combine)(std::vector<imaging::RowTestPtr>), const rpc::Path& path, int depth) {
        const rpc::Path here(path, name);
        auto values = fields.as<rpc::Array>(name);
        std::vector<DeferredTest> parts;
        for (std::size_t i = 0; i < values.size(); ++i) parts.push_back(condition(std::move(values[i]), rpc::Path(here, i), depth + 1));
        return [parts = std::move(parts), combine](imaging::BudgetCache& cache, const imaging::CancelToken& cancel) {
            std::vector<imaging::RowTestPtr> tests;
            for (const auto& part : parts) tests.push_back(part(cache, cancel));
            return combine(std::move(tests));
        };
    }

    DeferredTest column(Fields& fields, const rpc::Path& path) {
        const auto index = readable_column(*table_, fields.as<std::string>("column"), fields.at("column"));
        if (table_->info.columns[index].type == imaging::ColumnType::string) return text(fields, index, path);
        if (fields.has("between")) {
            const rpc::Path here(path, "between");
            auto ends = fields.as<rpc::Array>("between");
            if (ends.size() != 2) throw rpc::BadArguments(here.text() + ": expected 2 numbers");
            const auto low = Fields::exact(std::move(ends[0]), rpc::Path(here, 0)), high = Fields::exact(std::move(ends[1]), rpc::Path(here, 1));
            return ready(imaging::compare_numbers(*table_, index, imaging::Comparison::range_closed, low, high));
        }
        static constexpr const char* names[] = {"=", "!=", "<", ">", "<=", ">="}; // in the order of Comparison
        const auto name = fields.as<std::string>("op");
        for (int i = 0; i < 6; ++i)
            if (name == names[i]) return ready(imaging::compare_numbers(*table_, index, static_cast<imaging::Comparison>(i), fields.exact("value")));
        throw rpc::BadArguments(fields.at("op") + ": \"" + name + "\" is none of =, !=, <, >, <=, >=");
    }

    DeferredTest text(Fields& fields, std::size_t index, const rpc::Path& path) {
        const bool ignore_case = fields.has("ignore_case") && fields.as<bool>("ignore_case");
        static constexpr std::pair<const char*, imaging::TextMatch> kinds[] = {
            {"contains", imaging::TextMatch::contains}, {"equals", imaging::TextMatch::equals}, {"matches", imaging::TextMatch::regex}};
        for (const auto& kind : kinds) {
            const auto* const name = kind.first;
            const auto match = kind.second;
            if (!fields.has(name)) continue;
            if (match == imaging::TextMatch::regex && ++patterns_ > most_patterns) throw rpc::BadArguments(fields.at(name) + ": more than " + std::to_string(most_patterns) + " regular expressions");
            // Compiled by the job.
            return [index, match, pattern = fields.as<std::string>(name), ignore_case, at = fields.at(name)](imaging::BudgetCache& cache, const imaging::CancelToken& cancel) -> imaging::RowTestPtr {
                cancel.throw_if_cancelled();
                struct Counted {
                    imaging::Reservation memory{};
                    imaging::RowTestPtr test{};
                };
                const auto counted = std::make_shared<Counted>();
                if (match == imaging::TextMatch::regex) counted->memory = cache.reserve(imaging::pattern_memory, cancel);
                try {
                    counted->test = imaging::match_text(index, match, pattern, ignore_case);
                    return {counted, counted->test.get()};
                } catch (const imaging::PatternError& error) { throw rpc::BadArguments(at + ": " + error.what()); }
            };
        }
        throw rpc::BadArguments(path.text() + ": a column of texts; expected one of contains, equals, matches");
    }

    DeferredTest cone(rpc::Value&& value, const rpc::Path& path) {
        Fields fields(std::move(value), path);
        const auto columns = position_columns(*table_, fields.as<std::string>("lon"), fields.as<std::string>("lat"), fields.text("frame"), path.text() + ".");
        const auto numbers = fields.numbers("center", 2);
        imaging::SkyPoint center{numbers[0], numbers[1]};
        if (!std::isfinite(center.lon) || !(std::abs(center.lat) <= 90)) throw rpc::BadArguments(fields.at("center") + ": no position");
        if (const auto frame = fields.text("center_frame"); !frame.empty()) center = imaging::convert(center, sky_system(frame, fields.at("center_frame")), columns.system);
        const auto radius = fields.number("radius");
        if (!(radius >= 0)) throw rpc::BadArguments(fields.at("radius") + ": must not be negative");
        fields.end();
        return ready(imaging::within_cone(columns, center, radius));
    }

    DeferredTest near_channel(rpc::Value&& value, const rpc::Path& path) {
        Fields fields(std::move(value), path);
        const auto image = session_.require_image(fields.as<std::int32_t>("file_id"));
        ChannelRows rows;
        rows.column = number_column(*table_, fields.as<std::string>("column"), fields.at("column"));
        rows.unit = fields.text("unit");
        rows.kind = fields.text("kind");
        rows.channels = fields.has("channels") ? fields.number("channels") : 0;
        if (fields.has("rest_frequency")) rows.rest_frequency = fields.number("rest_frequency");
        fields.end();
        return ready(rows_near_channel(*table_, *image, rows, path));
    }

    DeferredTest inside(rpc::Value&& value, const rpc::Path& path) {
        Fields fields(std::move(value), path);
        const auto image = session_.require_image(fields.as<std::int32_t>("file_id"));
        const auto columns = position_columns(*table_, fields.as<std::string>("lon"), fields.as<std::string>("lat"), fields.text("frame"), path.text() + ".");
        if (!image->wcs || !image->wcs->celestial_plane()) throw rpc::BadArguments(path.text() + ".file_id: " + image->info.name + " does not show the sky");
        const double channel = image->plane.channel;
        const auto key = std::to_string(image->number) + "," + std::to_string(image->plane.channel) + ":";
        if (fields.has("bounds")) {
            const auto bounds = fields.numbers("bounds", 4);
            fields.end();
            return ready(on_pixels(columns, image->wcs, channel, bounds[0], bounds[1], bounds[2], bounds[3], key));
        }
        const auto region = session_.require_region(fields.as<std::int32_t>("region_id"));
        fields.end();
        if (!imaging::is_closed(region->state->shape.type)) throw rpc::BadArguments(path.text() + ".region_id: region " + std::to_string(region->id) + " has no inside");
        return [columns, image, channel, state = region->state, key = key + std::to_string(region->state->version)](imaging::BudgetCache& cache, const imaging::CancelToken& cancel) {
            return on_mask(columns, image->wcs, channel, state->mask_on(*image, cache, cancel), key);
        };
    }

    Session& session_;
    const imaging::TablePtr table_;
    std::size_t count_ = 0, patterns_ = 0;
};

} // namespace

DeferredTest catalog_where(Session& session, const imaging::TablePtr& table, rpc::Value&& where) {
    if (where.is_null()) return ready(nullptr);
    return Parser(session, table).condition(std::move(where), rpc::Path("where"), 1);
}

} // namespace cubelink::server
