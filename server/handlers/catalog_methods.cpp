// The methods for programs: catalog.rows, catalog.pixels.

#include "server/handlers/context.hpp"
#include "server/tasks/catalogs/catalog_positions.hpp"
#include "server/tasks/catalogs/catalog_rows.hpp"
#include "server/tasks/catalogs/catalog_where.hpp"
#include "server/tasks/catalogs/open_catalog.hpp"
#include "server/tasks/task.hpp"

#include "imaging/base/parallel.hpp"
#include "rpc/parameter.hpp"
#include "rpc/values/convert.hpp"

#include <algorithm>
#include <cstring>
#include <limits>
#include <optional>

namespace cubelink::server {

namespace {

using rpc::Value;

/// Of one answer.
constexpr std::size_t most_rows = 1'000'000, most_bytes = std::size_t{64} << 20;

/// Which rows a call is about: the view, and the page of it.
struct Page {
    CatalogPtr catalog;
    DeferredTest test;
    std::optional<std::size_t> sort_column;
    bool descending = false;
    std::size_t start = 0, count = 0;
};

std::size_t index_from(Value&& value, const char* name, std::size_t otherwise) {
    if (value.is_null()) return otherwise;
    return static_cast<std::size_t>(rpc::integer_from_value(value, rpc::Path(name), 0, std::numeric_limits<std::int32_t>::max()));
}

/// `values` from `at` on: where, sort, descending, start, count.
Page page_of(Session& session, CatalogPtr catalog, std::vector<Value>& values, std::size_t at) {
    Page page;
    page.test = catalog_where(session, catalog->table, std::move(values[at]));
    if (const auto sort = rpc::from_value<std::optional<std::string>>(std::move(values[at + 1]), rpc::Path("sort")); sort && !sort->empty())
        page.sort_column = readable_column(*catalog->table, *sort, "sort");
    page.descending = rpc::from_value<std::optional<bool>>(std::move(values[at + 2]), rpc::Path("descending")).value_or(false);
    page.start = index_from(std::move(values[at + 3]), "start", 0);
    page.count = index_from(std::move(values[at + 4]), "count", most_rows);
    page.catalog = std::move(catalog);
    return page;
}

struct Rows {
    imaging::Reservation memory;     // for the answer
    std::vector<std::uint32_t> rows; // of the table
    std::size_t passing = 0;
};

/// `row_bytes`: what each row takes in the answer, at least.
Rows rows_of(Session& session, const Page& page, std::size_t row_bytes, const std::string& scratch, const JobContext& context) {
    imaging::ViewSpec spec;
    spec.test = page.test(session.cache(), context.cancel);
    spec.sort_column = page.sort_column;
    spec.descending = page.descending;
    const auto view = page.catalog->views.view(spec, {.budget = session.cache(), .scratch = scratch, .cancel = context.cancel, .threads = context.threads});
    Rows found;
    found.passing = view->rows();
    const auto start = std::min(page.start, view->rows());
    const auto count = std::min(page.count, view->rows() - start);
    if (count > most_rows || count * row_bytes > most_bytes)
        throw rpc::CallError(rpc::code::method_failed, "That would be more than " + std::to_string(most_rows) + " rows or " + std::to_string(most_bytes >> 20) + " MiB at once: ask for them in parts.");
    // Not before the view is made: calls that held memory and needed more would wait for each other.
    found.memory = session.cache().reserve(std::min(session.cache().limit() / 2, count * (row_bytes + sizeof(std::uint32_t)) + 1), context.cancel);
    found.rows.resize(count);
    view->rows(start, found.rows);
    return found;
}

Value column_value(const imaging::Column& column, const std::vector<std::uint32_t>& rows, std::size_t& texts_left) {
    rpc::Map map{{"type", std::string(imaging::name_of(column.info.type))}};
    if (column.info.type == imaging::ColumnType::string) {
        std::vector<std::string_view> texts;
        imaging::gather_texts(column, rows, texts);
        rpc::Array list;
        list.reserve(texts.size());
        for (const auto text : texts) {
            if (text.size() > texts_left)
                throw rpc::CallError(rpc::code::method_failed, "The texts would be more than " + std::to_string(most_bytes >> 20) + " MiB at once: ask for them in parts.");
            texts_left -= text.size();
            list.push_back(std::string(text));
        }
        column.check();
        map["texts"] = std::move(list);
    } else {
        std::string bytes;
        imaging::gather_numbers(column, rows, bytes);
        map["data"] = rpc::Bytes::take(std::move(bytes));
    }
    return map;
}

/// A job of the catalog answers the call.
void post(const SessionPtr& session, const CatalogPtr& catalog, const rpc::CallPtr& call, const imaging::CancelToken& connected, std::function<void(const JobContext&)> work) {
    AnsweringJob job;
    job.session = session;
    job.call = call;
    job.group = catalog->number;
    job.cancel = connected;
    job.work = std::move(work);
    job.on_cancelled = [call] { call->fail(rpc::code::method_failed, "The catalog was closed."); };
    start(std::move(job));
}

void answer_rows(const HandlerContext& context, const SessionPtr& session, const CatalogPtr& catalog, const rpc::CallPtr& call, std::vector<Value>&& values) {
    const auto& table = *catalog->table;
    const auto names = rpc::from_value<std::optional<std::vector<std::string>>>(std::move(values[1]), rpc::Path("columns"));
    std::vector<std::size_t> columns;
    std::size_t row_bytes = 0;
    if (names) {
        for (std::size_t i = 0; i < names->size(); ++i) columns.push_back(readable_column(table, (*names)[i], "columns[" + std::to_string(i) + "]"));
    } else {
        for (std::size_t i = 0; i < table.info.columns.size(); ++i)
            if (table.info.columns[i].type != imaging::ColumnType::unsupported) columns.push_back(i);
    }
    for (const auto column : columns) row_bytes += std::max<std::size_t>(16, imaging::size_of(table.info.columns[column].type));
    const auto page = page_of(*session, catalog, values, 2);
    post(session, catalog, call, context.directory.while_connected(call->peer()->id()), [session, call, page, columns, row_bytes, scratch = context.files.scratch](const JobContext& job) {
        const auto found = rows_of(*session, page, row_bytes, scratch, job);
        rpc::Map data;
        std::size_t texts_left = most_bytes;
        for (const auto column : columns) {
            job.cancel.throw_if_cancelled();
            if (data.find(page.catalog->table->info.columns[column].name)) continue; // names mean the first column that has them
            data[page.catalog->table->info.columns[column].name] = column_value(*page.catalog->table->columns[column], found.rows, texts_left);
        }
        call->answer(Value(rpc::Map{{"rows", static_cast<std::int64_t>(found.passing)}, {"start", static_cast<std::int64_t>(page.start)}, {"count", static_cast<std::int64_t>(found.rows.size())}, {"columns", std::move(data)}}));
    });
}

void answer_pixels(const HandlerContext& context, const SessionPtr& session, const CatalogPtr& catalog, const rpc::CallPtr& call, std::vector<Value>&& values) {
    const auto image = session->require_image(rpc::from_value<std::int32_t>(std::move(values[1]), rpc::Path("image_file_id")));
    if (!image->wcs || !image->wcs->celestial_plane()) throw rpc::CallError(rpc::code::method_failed, image->info.name + " does not show the sky, so sources have no pixels on it.");
    const auto columns = position_columns(*catalog->table, rpc::from_value<std::string>(std::move(values[2]), rpc::Path("lon")), rpc::from_value<std::string>(std::move(values[3]), rpc::Path("lat")),
                                          rpc::from_value<std::optional<std::string>>(std::move(values[4]), rpc::Path("frame")).value_or(""), "");
    const auto page = page_of(*session, catalog, values, 5);
    post(session, catalog, call, context.directory.while_connected(call->peer()->id()), [session, call, page, image, columns, channel = image->plane.channel, scratch = context.files.scratch](const JobContext& job) {
        constexpr std::size_t row_bytes = 2 * sizeof(double), at_once = 4096;
        const auto found = rows_of(*session, page, row_bytes, scratch, job);
        const auto count = found.rows.size();
        std::string x(count * sizeof(double), '\0'), y(count * sizeof(double), '\0');
        imaging::parallel_for(job.threads, static_cast<std::int64_t>((count + at_once - 1) / at_once), job.cancel, [&](std::int64_t part, int) {
            const auto first = static_cast<std::size_t>(part) * at_once, n = std::min(at_once, count - first);
            std::vector<imaging::PixelPoint> pixels(n);
            catalog_pixels(*page.catalog->table, columns, *image->wcs, channel, std::span(found.rows).subspan(first, n), pixels);
            for (std::size_t i = 0; i < n; ++i) {
                std::memcpy(x.data() + (first + i) * sizeof(double), &pixels[i].x, sizeof(double));
                std::memcpy(y.data() + (first + i) * sizeof(double), &pixels[i].y, sizeof(double));
            }
        });
        call->answer(Value(rpc::Map{{"rows", static_cast<std::int64_t>(found.passing)}, {"start", static_cast<std::int64_t>(page.start)}, {"count", static_cast<std::int64_t>(count)},
                                    {"frame", std::string(imaging::name_of(columns.system.frame))}, {"x", rpc::Bytes::take(std::move(x))}, {"y", rpc::Bytes::take(std::move(y))}}));
    });
}

void on_catalog_method(HandlerContext& context, const char* name, std::initializer_list<rpc::Parameter> list,
                       void (*handle)(const HandlerContext&, const SessionPtr&, const CatalogPtr&, const rpc::CallPtr&, std::vector<Value>&&)) {
    context.methods.add_generic(
        name,
        [&context, parameters = rpc::Parameters(list), handle](const rpc::CallPtr& call) {
            const auto session = session_of(context, *call);
            auto [args, kwargs] = call->take_arguments();
            const auto values = std::make_shared<std::vector<Value>>(parameters.bind(std::move(args), std::move(kwargs)));
            const auto file_id = rpc::from_value<std::int32_t>(std::move((*values)[0]), rpc::Path("file_id"));
            Command command;
            command.call = call;
            command.touch(catalog_id(file_id));
            command.on_dropped = [call] { call->fail(rpc::code::method_failed, "The catalog was closed."); };
            command.run = [&context, session, call, values, file_id, handle] { handle(context, session, require_catalog(*session, file_id), call, std::move(*values)); };
            session->queue().push(std::move(command));
        },
        rpc::AnswerOrder::when_done);
}

} // namespace

void register_catalog_methods(HandlerContext& context) {
    on_catalog_method(context, "catalog.rows",
                      {"file_id", {"columns", Value()}, {"where", Value()}, {"sort", Value()}, {"descending", Value()}, {"start", Value()}, {"count", Value()}}, answer_rows);
    on_catalog_method(context, "catalog.pixels",
                      {"file_id", "image_file_id", "lon", "lat", {"frame", Value()}, {"where", Value()}, {"sort", Value()}, {"descending", Value()}, {"start", Value()}, {"count", Value()}},
                      answer_pixels);
}

} // namespace cubelink::server
