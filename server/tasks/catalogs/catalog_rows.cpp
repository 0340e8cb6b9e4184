#include "server/tasks/catalogs/catalog_rows.hpp"

#include "imaging/base/parallel.hpp"
#include "pubsub/receiver.hpp"
#include "rpc/error.hpp"
#include "rpc/icd/register.hpp"
#include "server/tasks/catalogs/catalog_messages.hpp"

#include <algorithm>
#include <utility>

namespace cubelink::server {

namespace {

/// Filters of one request: CARTA's page has one for each column that is shown.
constexpr int most_filters = 1000;
/// Of one message. CARTA's page takes 100,000 rows; what fits into few frames leaves other messages through.
constexpr std::size_t chunk_rows = 100'000, chunk_bytes = 4 << 20;

imaging::RowTestPtr row_test(const imaging::Table& table, const icd::FilterConfig& filter, const std::string& field) {
    const auto column = readable_column(table, filter.column_name(), field + ".column_name");
    if (table.info.columns[column].type == imaging::ColumnType::string) return imaging::match_text(column, imaging::TextMatch::contains, filter.sub_string());
    const int comparison = filter.comparison_operator();
    if (comparison < 0 || comparison > static_cast<int>(imaging::Comparison::range_closed))
        throw rpc::BadArguments(field + ".comparison_operator: there is no operator " + std::to_string(comparison));
    return imaging::compare_numbers(table, column, static_cast<imaging::Comparison>(comparison), filter.value(), filter.secondary_value());
}

/// The rows of one request, for one connection. Its function may be called again and again, by one thread at a time.
class RowStream : public std::enable_shared_from_this<RowStream> {
public:
    RowStream(SessionPtr session, std::shared_ptr<Connection> connection, CatalogPtr catalog, RowsRequest request, std::string scratch)
        : session_(std::move(session)), connection_(std::move(connection)), catalog_(std::move(catalog)), request_(std::move(request)), scratch_(std::move(scratch)),
          next_(request_.begin) {}

    void begin(const std::function<void()>& answer) {
        ticket_ = catalog_->begin_request(connection_->receiver());
        answer();
        post();
    }

private:
    void post() {
        if (ticket_.cancel.cancelled() || catalog_->closed.cancelled()) return;
        Job job;
        job.owner = session_->number();
        job.group = catalog_->number;
        job.cancel = ticket_.cancel;
        job.work = [self = shared_from_this()](const JobContext& context) { self->run(context); };
        job.on_error = [self = shared_from_this()](const std::exception& error) { self->fail(error.what()); };
        session_->scheduler().post(std::move(job));
    }

    void run(const JobContext& context) {
        const imaging::ViewOptions options{.budget = session_->cache(), .scratch = scratch_, .cancel = context.cancel, .threads = context.threads};
        if (!view_) view_ = catalog_->views.view(request_.view, options);
        const auto end = std::min(view_->rows(), request_.begin + std::min(request_.count, view_->rows()));
        if (next_ >= end) return publish(message(std::min(next_, view_->rows()), end, 1));
        auto& outbox = connection_->receiver()->outbox();
        while (next_ < end && connection_->connected()) {
            context.cancel.throw_if_cancelled();
            if (!outbox.has_room(chunk_bytes)) return wait_for_room(outbox);
            const auto memory = session_->cache().reserve(std::min(2 * chunk_bytes, session_->cache().limit() / 4), context.cancel);
            send_chunk(end, context);
        }
    }

    /// A client may never read on: what waits for it keeps no table that has been closed, and no view that a newer request has replaced.
    void wait_for_room(pubsub::Outbox& outbox) {
        catalog_->park(connection_->id(), ticket_.cancel, std::move(view_));
        const std::weak_ptr<const Catalog> catalog = std::exchange(catalog_, nullptr);
        outbox.when_room(chunk_bytes, [self = shared_from_this(), catalog] {
            self->catalog_ = catalog.lock();
            if (!self->catalog_) return;
            self->view_ = self->catalog_->take_parked(self->connection_->id(), self->ticket_.cancel);
            if (self->view_) self->post();
        });
    }

    void send_chunk(std::size_t end, const JobContext& context) {
        std::vector<std::uint32_t> rows(std::min(chunk_rows, end - next_));
        view_->rows(next_, rows);
        const auto& table = *catalog_->table;
        rows.resize(rows_that_fit(table, request_.columns, rows, chunk_bytes));
        std::vector<icd::ColumnData> data(request_.columns.size());
        imaging::parallel_for(context.threads, static_cast<std::int64_t>(data.size()), context.cancel, [&](std::int64_t i, int) {
            const auto column = static_cast<std::size_t>(i);
            data[column] = column_data(*table.columns[request_.columns[column]], rows, longest_text(data.size()));
        });
        next_ += rows.size();
        const auto done = static_cast<float>(static_cast<double>(next_ - request_.begin) / static_cast<double>(end - request_.begin));
        // The client is done when it sees 1 and nothing else.
        auto chunk = message(next_, end, next_ == end ? 1 : std::min(done, 0.999F));
        chunk->set_subset_data_size(static_cast<std::int32_t>(rows.size()));
        for (std::size_t i = 0; i < data.size(); ++i) (*chunk->mutable_columns())[static_cast<std::uint32_t>(request_.columns[i])] = std::move(data[i]);
        publish(std::move(chunk));
    }

    std::shared_ptr<icd::CatalogFilterResponse> message(std::size_t chunk_end, std::size_t request_end, float progress) const {
        auto made = std::make_shared<icd::CatalogFilterResponse>();
        made->set_file_id(catalog_->file_id);
        made->set_image_file_id(request_.image_file_id);
        made->set_region_id(request_.region_id);
        made->set_subset_end_index(static_cast<std::int32_t>(chunk_end));
        made->set_request_end_index(static_cast<std::int32_t>(request_end));
        if (view_) made->set_filter_data_size(static_cast<std::int32_t>(view_->rows()));
        made->set_progress(progress);
        return made;
    }

    void publish(std::shared_ptr<icd::CatalogFilterResponse> response) {
        if (ticket_.cancel.cancelled() || catalog_->closed.cancelled()) return;
        pubsub::Delivery delivery; // each message is a set of its own: those that have not begun to leave can still be overtaken
        delivery.set_id = next_number();
        delivery.set_key = catalog_->rows_key();
        delivery.generation = ticket_.number;
        delivery.set_begin = delivery.set_end = true;
        session_->publish(std::move(response), delivery, pubsub::Audience::required_by({connection_->id()}));
    }

    /// The client waits for the end.
    void fail(const std::string& why) {
        if (ticket_.cancel.cancelled() || catalog_->closed.cancelled()) return;
        session_->report(Severity::error, {"catalog"}, catalog_->file + ": " + why);
        publish(message(next_, next_, 1));
    }

    const SessionPtr session_;
    const std::shared_ptr<Connection> connection_;
    std::shared_ptr<const Catalog> catalog_; // nullptr while it waits
    const RowsRequest request_;
    const std::string scratch_;
    Catalog::RowsTicket ticket_;
    imaging::TableViewPtr view_;
    std::size_t next_; // row of the view
};

} // namespace

std::size_t column_named(const imaging::Table& table, const std::string& name, const std::string& field) {
    const auto& columns = table.info.columns;
    const auto found = std::find_if(columns.begin(), columns.end(), [&](const imaging::ColumnInfo& column) { return column.name == name; });
    if (found == columns.end()) throw rpc::BadArguments(field + ": there is no column \"" + name + "\"");
    return static_cast<std::size_t>(found - columns.begin());
}

std::size_t readable_column(const imaging::Table& table, const std::string& name, const std::string& field) {
    const auto column = column_named(table, name, field);
    const auto& info = table.info.columns[column];
    if (info.type == imaging::ColumnType::unsupported) throw rpc::BadArguments(field + ": the column \"" + name + "\" (" + info.source_type + ") has no values that can be compared");
    return column;
}

std::size_t number_column(const imaging::Table& table, const std::string& name, const std::string& field) {
    const auto column = readable_column(table, name, field);
    if (!imaging::has_numbers(table.info.columns[column].type)) throw rpc::BadArguments(field + ": the column \"" + name + "\" has texts, not numbers");
    return column;
}

RowsRequest rows_request(const imaging::Table& table, const icd::CatalogFilterRequest& request) {
    RowsRequest rows;
    const auto columns = static_cast<std::int64_t>(table.info.columns.size());
    for (int i = 0; i < request.column_indices_size(); ++i) {
        const auto index = request.column_indices(i);
        if (index < 0 || index >= columns)
            throw rpc::BadArguments("column_indices[" + std::to_string(i) + "]: there is no column " + std::to_string(index) + ", the catalog has " + std::to_string(columns));
        if (table.info.columns[static_cast<std::size_t>(index)].type != imaging::ColumnType::unsupported) rows.columns.push_back(static_cast<std::size_t>(index));
    }
    std::sort(rows.columns.begin(), rows.columns.end());
    rows.columns.erase(std::unique(rows.columns.begin(), rows.columns.end()), rows.columns.end());
    if (request.subset_start_index() < 0) throw rpc::BadArguments("subset_start_index: " + std::to_string(request.subset_start_index()) + ", must not be negative");
    if (request.subset_data_size() < 0) throw rpc::BadArguments("subset_data_size: " + std::to_string(request.subset_data_size()) + ", must not be negative");
    rows.begin = static_cast<std::size_t>(request.subset_start_index());
    rows.count = static_cast<std::size_t>(request.subset_data_size());
    rows.image_file_id = request.image_file_id();
    rows.region_id = request.region_id();
    if (request.filter_configs_size() > most_filters)
        throw rpc::BadArguments("filter_configs: " + std::to_string(request.filter_configs_size()) + " at once, the limit is " + std::to_string(most_filters));
    std::vector<imaging::RowTestPtr> tests;
    for (int i = 0; i < request.filter_configs_size(); ++i) {
        const auto field = "filter_configs[" + std::to_string(i) + "]";
        try {
            tests.push_back(row_test(table, request.filter_configs(i), field));
        } catch (const imaging::PatternError& error) { throw rpc::BadArguments(field + ".sub_string: " + error.what()); }
    }
    // CARTA's page names columns here and no bounds.
    if (const auto& bounds = request.image_bounds(); bounds.image_bounds().x_max() > bounds.image_bounds().x_min() && bounds.image_bounds().y_max() > bounds.image_bounds().y_min()) {
        const auto x = number_column(table, bounds.x_column_name(), "image_bounds.x_column_name"), y = number_column(table, bounds.y_column_name(), "image_bounds.y_column_name");
        const auto& box = bounds.image_bounds();
        tests.push_back(imaging::within_box(x, y, box.x_min(), box.x_max(), box.y_min(), box.y_max()));
    }
    if (!tests.empty()) rows.view.test = imaging::all_of(std::move(tests));
    if (!request.sort_column().empty()) rows.view.sort_column = readable_column(table, request.sort_column(), "sort_column");
    if (request.sorting_type() < 0 || request.sorting_type() > 1) throw rpc::BadArguments("sorting_type: there is no type " + std::to_string(request.sorting_type()));
    rows.view.descending = request.sorting_type() == icd::Descending;
    return rows;
}

void send_rows(const SessionPtr& session, const std::shared_ptr<Connection>& connection, const CatalogPtr& catalog, RowsRequest request, std::string scratch,
               const std::function<void()>& answer) {
    std::make_shared<RowStream>(session, connection, catalog, std::move(request), std::move(scratch))->begin(answer);
}

} // namespace cubelink::server
