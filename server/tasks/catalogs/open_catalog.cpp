#include "server/tasks/catalogs/open_catalog.hpp"

#include "imaging/tables/open_table.hpp"
#include "rpc/icd/register.hpp"
#include "server/net/log.hpp"
#include "server/tasks/catalogs/catalog_messages.hpp"
#include "server/tasks/task.hpp"

#include <numeric>

namespace cubelink::server {

namespace {

/// Of the budget, that one table may take: the rest goes to the scratch disk.
std::size_t memory_share(const imaging::BudgetCache& budget) { return budget.limit() / 8; }
/// Of the first rows that come with the acknowledgement.
constexpr std::size_t preview_bytes = 256 << 10;

void require_catalog_room(const Session& session, std::int32_t file_id) {
    if (!session.objects().has_room_for(catalog_id(file_id)))
        throw PathError("There are " + std::to_string(ObjectRegistry::limit_of(ObjectKind::catalog)) + " catalogs open in this session: close some of them.");
}

imaging::TablePtr open_at(const OpenSettings& settings, const JailedPath& path, imaging::TableOptions options) {
    options.scratch = settings.scratch;
    options.name = path.name;
    if (path.is_folder()) throw PathError("\"" + path.relative + "\" is a folder, not a catalog.");
    auto table = imaging::open_table(path.real_path, options);
    require_same(path);
    if (table->rows > imaging::most_table_rows) throw PathError("\"" + path.relative + "\" has " + std::to_string(table->rows) + " rows, the limit is " + std::to_string(imaging::most_table_rows) + ".");
    return table;
}

CatalogPtr open_catalog(const OpenSettings& settings, imaging::BudgetCache& budget, const icd::OpenCatalogFile& request, const TaskContext& context) {
    if (request.name().empty()) throw PathError("No file name was given.");
    if (request.file_id() < 0) throw PathError("file_id " + std::to_string(request.file_id()) + ": must not be negative.");
    if (request.preview_data_size() < 0) throw PathError("preview_data_size " + std::to_string(request.preview_data_size()) + ": must not be negative.");
    const auto path = settings.jail.open_file(request.directory(), request.name());
    imaging::TableOptions options{.budget = budget, .memory_share = memory_share(budget)};
    options.cancel = context.cancel;
    options.progress = context.progress;
    options.threads = context.threads;
    const auto table = open_at(settings, path, std::move(options));
    icd::OpenCatalogFileAck ack;
    ack.set_success(true);
    ack.set_file_id(request.file_id());
    *ack.mutable_file_info() = catalog_file_info(path, request.name(), table->info);
    ack.set_data_size(static_cast<std::int32_t>(table->rows));
    std::vector<std::size_t> columns;
    for (std::size_t i = 0; i < table->info.columns.size(); ++i) {
        *ack.add_headers() = catalog_header(table->info.columns[i], i);
        if (table->info.columns[i].type != imaging::ColumnType::unsupported) columns.push_back(i);
    }
    std::vector<std::uint32_t> rows(std::min<std::size_t>({static_cast<std::size_t>(request.preview_data_size()), table->rows, 10'000}));
    std::iota(rows.begin(), rows.end(), 0u);
    if (!rows.empty()) rows.resize(rows_that_fit(*table, columns, rows, preview_bytes));
    for (const auto column : columns) (*ack.mutable_preview_data())[static_cast<std::uint32_t>(column)] = column_data(*table->columns[column], rows, 4096);
    return std::make_shared<Catalog>(request.file_id(), request.directory(), request.name(), table, icd::make_body(std::move(ack)));
}

} // namespace

CommandQueue::Making start_opening(const OpenSettings& settings, const SessionPtr& session, CatalogOpening opening) {
    struct State {
        CatalogOpening opening;
        CatalogPtr catalog;
    };
    const auto state = std::make_shared<State>(State{std::move(opening), nullptr});
    const auto id = catalog_id(state->opening.request.file_id());
    Task task;
    task.session = session;
    task.name = "open_catalog_file";
    task.file_id = id.id;
    task.makes.objects.push_back(id);
    task.call = state->opening.call;
    task.work = [&settings, session, state, id](const TaskContext& context) {
        const AfterOpening finally{state->opening.after};
        require_catalog_room(*session, id.id);
        if (state->opening.before) state->opening.before();
        state->catalog = open_catalog(settings, session->cache(), state->opening.request, context);
    };
    session->objects().reserve(id);
    task.end = [session, state, id](const std::exception_ptr& failure) {
        session->objects().release(id);
        std::string text;
        if (is_cancelled(failure)) text = closed_before_open;
        else if (failure) text = text_of(failure);
        else {
            try {
                require_catalog_room(*session, id.id); // others may have been opened meanwhile
            } catch (const PathError& error) { text = error.what(); }
        }
        if (!text.empty())
            log::info("session " + std::to_string(session->id()) + ": catalog " + std::to_string(id.id) + ", \"" + state->opening.request.directory() + "/" +
                      state->opening.request.name() + "\", could not be opened: " + text);
        state->opening.end(text.empty() ? state->catalog : nullptr, text);
    };
    task.on_session_closed = state->opening.on_session_closed;
    return start(std::move(task));
}

void add_catalog(Session& session, const CatalogPtr& catalog, const std::function<void()>& answer) {
    const auto replaced = session.objects().find<Catalog>(catalog->object_id);
    session.objects().put(catalog);
    if (replaced) replaced->end_requests();
    if (answer) answer();
    session.changed({{"what", "catalog_opened"}, {"file_id", catalog->file_id}});
}

CatalogPtr require_catalog(Session& session, std::int32_t file_id) {
    if (auto catalog = session.objects().find<Catalog>(catalog_id(file_id))) return catalog;
    const std::string message = "No catalog with id " + std::to_string(file_id) + " is open.";
    session.report_afterwards(Severity::debug, {"file_id"}, message);
    throw rpc::CallError(rpc::Error{rpc::code::method_failed, message, {}, true});
}

void start_catalog_info(const OpenSettings& settings, const SessionPtr& session, const rpc::CallPtr& call,
                        std::shared_ptr<const icd::CatalogFileInfoRequest> request, const imaging::CancelToken& cancel) {
    const auto no_info = [call, name = request->name()](const std::string& why) {
        icd::CatalogFileInfoResponse response;
        response.mutable_file_info()->set_name(name);
        response.set_message(why);
        icd::answer(call, std::move(response));
    };
    AnsweringJob job;
    job.session = session;
    job.call = call;
    job.cancel = cancel;
    job.work = [&settings, session, call, request](const JobContext& context) {
        if (request->name().empty()) throw PathError("No file name was given.");
        const auto path = settings.jail.open_file(request->directory(), request->name());
        imaging::TableOptions options{.budget = session->cache(), .memory_share = memory_share(session->cache())};
        options.cancel = context.cancel;
        options.most_rows = 0;
        const auto table = open_at(settings, path, std::move(options));
        icd::CatalogFileInfoResponse response;
        response.set_success(true);
        *response.mutable_file_info() = catalog_file_info(path, request->name(), table->info);
        for (std::size_t i = 0; i < table->info.columns.size(); ++i) *response.add_headers() = catalog_header(table->info.columns[i], i);
        icd::answer(call, std::move(response));
    };
    job.on_cancelled = [no_info] { no_info("The session was closed."); };
    job.on_error = [no_info](const std::exception& error) { no_info(error.what()); };
    start(std::move(job));
}

} // namespace cubelink::server
