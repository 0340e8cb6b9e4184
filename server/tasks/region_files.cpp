#include "server/tasks/region_files.hpp"

#include "imaging/regions/region_file.hpp"
#include "rpc/icd/register.hpp"
#include "server/files/text_file.hpp"
#include "server/session/region_message.hpp"
#include "server/tasks/file_messages.hpp"
#include "server/tasks/region_file_messages.hpp"

#include <optional>

namespace cubelink::server {

namespace {

using imaging::max_region_text;

/// Memory for reading or writing a text: itself, the texts in it, and the answer as it goes out; and for each region that fits into it.
constexpr std::size_t copies_of_text = 3, memory_for_a_region = 2048, shortest_region = 10;

std::size_t memory_for(std::size_t bytes) {
    return copies_of_text * bytes + std::min(bytes / shortest_region, imaging::max_file_regions) * memory_for_a_region;
}

std::optional<imaging::RegionFormat> format_of(icd::FileType type) {
    if (type == icd::CRTF) return imaging::RegionFormat::crtf;
    if (type == icd::DS9_REG) return imaging::RegionFormat::ds9;
    return std::nullopt;
}

std::string why_no_format(icd::FileType type) {
    if (format_of(type)) return {};
    return "type: expected CRTF or DS9_REG, got " + (icd::FileType_IsValid(type) ? icd::FileType_Name(type) : std::to_string(static_cast<int>(type)));
}

/// What it takes to read that many bytes, counted as long as it is used.
imaging::Reservation reserve_for(Session& session, std::size_t bytes, const imaging::CancelToken& cancel) {
    auto& cache = session.cache();
    return cache.reserve(std::min(memory_for(bytes), cache.limit() / 2), cancel);
}

/// Bytes that are read of a file: what is longer is refused when it is read.
std::size_t file_text_size(const JailedPath& path) { return static_cast<std::size_t>(std::clamp<std::int64_t>(path.status.st_size, 0, static_cast<std::int64_t>(max_region_text))); }

icd::RegionFileInfoResponse file_info(const Jail& jail, Session& session, const icd::RegionFileInfoRequest& request, const imaging::CancelToken& cancel) {
    icd::RegionFileInfoResponse response;
    const auto path = jail.open_file(request.directory(), request.file());
    const auto memory = reserve_for(session, file_text_size(path), cancel);
    const auto text = read_text_file(path, max_region_text, cancel);
    *response.mutable_file_info() = file_info_of(path, request.file(), region_kind_by_content(path));
    response.mutable_file_info()->add_hdu_list("");
    for (std::size_t from = 0; from < text.size();) {
        const auto end = std::min(text.find('\n', from), text.size());
        auto line = text.substr(from, end - from);
        if (line.ends_with('\r')) line.pop_back();
        response.add_contents(std::move(line));
        from = end + 1;
    }
    response.set_success(true);
    return response;
}

/// The client waits for a line.
icd::RegionFileInfoResponse no_file_info(const std::string& file, const std::string& why) {
    icd::RegionFileInfoResponse response;
    response.mutable_file_info()->set_name(file);
    response.set_message(why);
    response.add_contents("");
    return response;
}

/// What an import found, ready to be added.
struct Imported {
    std::vector<imaging::Shape> shapes;
    std::vector<icd::RegionStyle> styles;
    std::string problems;
    imaging::Reservation memory;
};

void read(const Jail& jail, Session& session, const Image& image, const icd::ImportRegion& request, const imaging::CancelToken& cancel, Imported& to) {
    std::string text;
    if (!request.file().empty()) {
        const auto path = jail.open_file(request.directory(), request.file());
        to.memory = reserve_for(session, file_text_size(path), cancel);
        text = read_text_file(path, max_region_text, cancel);
    } else {
        std::size_t size = 0;
        for (const auto& part : request.contents()) size += part.size();
        if (size > max_region_text)
            throw PathError("contents: " + std::to_string(size) + " bytes, the limit is " + std::to_string(max_region_text) + ".");
        to.memory = reserve_for(session, size, cancel);
        text.reserve(size);
        for (const auto& part : request.contents()) text += part;
    }
    auto format = *format_of(request.type());
    // The text knows better.
    if (const auto kind = region_kind_of(text); kind != FileKind::unknown) format = static_cast<imaging::RegionFormat>(kind);
    auto found = imaging::read_regions(text, format, imaging::region_file_image(image.info, image.wcs.get()), cancel);
    to.problems = found.problems.text();
    to.shapes.reserve(found.regions.size());
    to.styles.reserve(found.regions.size());
    for (auto& region : found.regions) {
        to.styles.push_back(message_of(region.shape.type, region.style));
        to.shapes.push_back(std::move(region.shape));
    }
}

void add(Session& session, const ImagePtr& image, const rpc::CallPtr& call, Imported& found) {
    if (session.image(image->file_id) != image) return icd::answer(call, import_failed("The file was closed."));
    if (found.shapes.empty()) return icd::answer(call, import_failed(found.problems.empty() ? "There are no regions in this file." : found.problems));
    std::vector<RegionUpdate> updates;
    updates.reserve(found.shapes.size());
    icd::ImportRegionAck ack;
    std::vector<icd::RegionInfo> infos;
    infos.reserve(found.shapes.size());
    for (auto& shape : found.shapes) {
        infos.push_back(info_of(shape));
        updates.push_back({-1, image->file_id, std::move(shape)});
    }
    if (const auto why = session.why_no_room(updates); !why.empty()) return icd::answer(call, import_failed(why));
    session.put_regions(std::move(updates), [&](const std::vector<std::int32_t>& ids) {
        for (std::size_t i = 0; i < ids.size(); ++i) {
            (*ack.mutable_regions())[ids[i]] = std::move(infos[i]);
            (*ack.mutable_region_styles())[ids[i]] = std::move(found.styles[i]);
        }
        ack.set_success(true);
        ack.set_message(found.problems);
        icd::answer(call, std::move(ack));
    });
    if (!found.problems.empty()) session.report(Severity::warning, {"import"}, found.problems);
}

/// The regions on the image; what can't be said is added to `problems`.
std::vector<imaging::FileRegion> regions_on(const Image& image, const icd::ExportRegion& request,
                                            const std::vector<std::pair<std::int32_t, RegionStatePtr>>& states, const imaging::CancelToken& cancel,
                                            imaging::RegionProblems& problems, std::vector<std::int32_t>& ids) {
    std::vector<imaging::FileRegion> regions;
    for (const auto& [id, state] : states) {
        cancel.throw_if_cancelled();
        auto shape = state ? state->shape_on(image) : std::nullopt;
        if (!shape) {
            problems.add("region " + std::to_string(id) + (state ? ": it has no place on this image" : ": there is no such region"));
            continue;
        }
        const auto type = shape->type;
        regions.push_back({std::move(*shape), style_of(type, request.region_styles().at(id))});
        ids.push_back(id);
    }
    return regions;
}

icd::ExportRegionAck export_regions(const Jail& jail, Session& session, const Image& image, const icd::ExportRegion& request,
                                    const std::vector<std::pair<std::int32_t, RegionStatePtr>>& states, const WriteOptions& options,
                                    const std::string& program, const imaging::CancelToken& cancel) {
    imaging::RegionProblems problems;
    std::vector<std::int32_t> ids;
    const auto memory = reserve_for(session, request.ByteSizeLong(), cancel);
    const auto regions = regions_on(image, request, states, cancel, problems, ids);
    auto written = imaging::write_regions(regions, *format_of(request.type()), static_cast<imaging::RegionCoordinates>(request.coord_type()),
                                          imaging::region_file_image(image.info, image.wcs.get()), program, cancel, ids);
    auto text = problems.text();
    if (const auto more = written.problems.text(); !more.empty()) text += (text.empty() ? "" : "\n") + more;
    if (written.written == 0) return export_failed(text.empty() ? "There are no regions to export." : text);

    std::size_t size = 0;
    for (const auto& line : written.lines) size += line.size();
    if (size > max_region_text)
        return export_failed("The file would have " + std::to_string(size) + " bytes, the limit is " + std::to_string(max_region_text) + ".");
    icd::ExportRegionAck ack;
    if (request.file().empty()) {
        for (auto& line : written.lines) ack.add_contents(std::move(line));
    } else {
        FileWriter file(jail, request.directory(), request.file(), options);
        file.reserve(size);
        std::string all;
        all.reserve(size);
        for (const auto& line : written.lines) all += line;
        file.write(all);
        file.commit();
    }
    ack.set_success(true);
    ack.set_message(text);
    if (!text.empty()) session.report(Severity::warning, {"export"}, text);
    return ack;
}

} // namespace

icd::ImportRegionAck import_failed(const std::string& why) {
    icd::ImportRegionAck ack;
    ack.set_message(why);
    return ack;
}

icd::ExportRegionAck export_failed(const std::string& why) {
    icd::ExportRegionAck ack;
    ack.set_message(why);
    return ack;
}

void start_region_file_info(const OpenSettings& settings, const SessionPtr& session, const rpc::CallPtr& call,
                            std::shared_ptr<const icd::RegionFileInfoRequest> request, const imaging::CancelToken& cancel) {
    AnsweringJob job;
    job.session = session;
    job.call = call;
    job.cancel = cancel;
    job.on_cancelled = [call, file = request->file()] { icd::answer(call, no_file_info(file, "The session was closed.")); };
    job.on_error = [call, file = request->file()](const std::exception& error) { icd::answer(call, no_file_info(file, error.what())); };
    job.work = [&jail = settings.jail, session, call, request = std::move(request)](const JobContext& context) {
        icd::answer(call, file_info(jail, *session, *request, context.cancel));
    };
    start(std::move(job));
}

void start_region_import(const OpenSettings& settings, const SessionPtr& session, const ImagePtr& image, const rpc::CallPtr& call,
                         std::shared_ptr<const icd::ImportRegion> request) {
    if (const auto why = why_no_format(request->type()); !why.empty()) return icd::answer(call, import_failed(why));
    Task task;
    task.session = session;
    task.name = "import_region";
    task.file_id = image->file_id;
    task.makes.objects.push_back(region_id(-1));
    task.call = call;
    const auto found = std::make_shared<Imported>();
    task.work = [&jail = settings.jail, session, image, request = std::move(request), found](const TaskContext& context) {
        read(jail, *session, *image, *request, context.cancel, *found);
    };
    task.end = [session, image, call, found](const std::exception_ptr& failure) {
        if (failure) icd::answer(call, import_failed(is_cancelled(failure) ? "The file was closed." : text_of(failure)));
        else add(*session, image, call, *found);
    };
    task.on_session_closed = [call] { icd::answer(call, import_failed("The session was closed.")); };
    start(std::move(task));
}

void start_region_export(const OpenSettings& settings, const SessionPtr& session, const ImagePtr& image, const rpc::CallPtr& call,
                         std::shared_ptr<const icd::ExportRegion> request, std::vector<std::pair<std::int32_t, RegionStatePtr>> regions,
                         const WriteOptions& options, std::string program) {
    if (const auto why = why_no_format(request->type()); !why.empty()) return icd::answer(call, export_failed(why));
    if (request->coord_type() != icd::PIXEL && request->coord_type() != icd::WORLD)
        return icd::answer(call, export_failed("coord_type: expected PIXEL or WORLD, got " + std::to_string(static_cast<int>(request->coord_type()))));
    AnsweringJob job;
    job.session = session;
    job.call = call;
    job.group = image->number;
    job.on_cancelled = [call] { icd::answer(call, export_failed("The file was closed.")); }; // or the session
    job.on_error = [call](const std::exception& error) {
        auto ack = export_failed(error.what());
        const auto* refused = dynamic_cast<const WriteError*>(&error);
        ack.set_overwrite_confirmation_required(refused && refused->reason() == WriteError::Reason::exists);
        icd::answer(call, std::move(ack));
    };
    job.work = [&jail = settings.jail, session, image, call, request = std::move(request), regions = std::move(regions), options,
                program = std::move(program)](const JobContext& context) {
        icd::answer(call, export_regions(jail, *session, *image, *request, regions, options, program, context.cancel));
    };
    start(std::move(job));
}

} // namespace cubelink::server
