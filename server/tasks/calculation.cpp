#include "server/tasks/calculation.hpp"

#include "server/files/jail.hpp"
#include "server/tasks/session_image.hpp"

#include <memory>
#include <utility>

namespace cubelink::server {

namespace {

/// What is read within some 50 ms.
constexpr std::int64_t short_work = std::int64_t{256} << 20;

} // namespace

void start(Calculation calculation) {
    const auto session = calculation.session;
    const auto image = calculation.image;
    const auto number = std::make_shared<std::uint64_t>(0); // known before `end` can run, as that is a command
    Task task;
    task.session = session;
    task.name = std::move(calculation.name);
    task.file_id = image->file_id;
    task.job_class = calculation.bytes <= short_work ? JobClass::view : JobClass::bulk;
    task.call = std::move(calculation.call);
    // The image lives as long as its pixels are read.
    task.work = [work = std::move(calculation.work), image](const TaskContext& context) { work(context); };
    task.end = [session, number, end = std::move(calculation.end)](const std::exception_ptr& failure) {
        session->calculations.remove(*number);
        end(failure);
    };
    task.on_session_closed = std::move(calculation.on_session_closed);
    task.tells_cancelled = calculation.tells_cancelled;
    const auto making = start(std::move(task));
    *number = making.number;
    session->calculations.add(making.number, calculation.kind, image->file_id, making.cancel, std::move(calculation.label));
    if (image->closed.cancelled()) session->stop_calculations(calculation.kind, image->file_id); // meanwhile
}

GeneratedImage generated_image(std::string name, rpc::Map recipe, imaging::OpenedImage opened, imaging::BudgetCache& budget,
                               const imaging::CancelToken& cancel) {
    auto memory = reserve_header(budget, opened, cancel);
    return {std::move(name), std::move(recipe), std::move(opened), std::move(memory)};
}

void rename(GeneratedImage& image, const std::string& name) {
    if (image.name == name) return;
    image.name = name;
    image.recipe["name"] = name;
    image.opened.info.name = name;
    for (auto& entry : image.opened.info.computed)
        if (entry.name == "Name") entry.value = name;
}

void release_later(Session& session, Leftovers leftovers) {
    if (leftovers.empty()) return;
    Job job; // the server's own, and not bulk: long jobs of the session don't keep the memory from others, and its end does not drop this
    job.job_class = JobClass::view;
    job.work = [held = std::move(leftovers)](const JobContext&) mutable { held.clear(); };
    session.scheduler().post(std::move(job));
}

void add_generated(Session& session, const Image& of, std::vector<GeneratedImage> generated, const std::function<void(const std::vector<ImagePtr>&)>& answer) {
    const auto count = session.objects().count(ObjectKind::image), limit = ObjectRegistry::limit_of(ObjectKind::image);
    if (count + generated.size() > limit)
        throw PathError("A session has at most " + std::to_string(limit) + " files open: close some of them.");
    const auto first = session.objects().free_ids(ObjectKind::image, generated.size());
    if (!first) throw PathError("There are no file ids left for " + std::to_string(generated.size()) + " images: close some files.");
    std::vector<ImagePtr> images;
    for (auto& one : generated) {
        auto info = generated_file_info(one.name, one.opened.info);
        images.push_back(make_session_image({.file_id = *first + static_cast<std::int32_t>(images.size()),
                                             .directory = of.directory,
                                             .file = std::move(one.name),
                                             .recipe = std::move(one.recipe),
                                             .opened = std::move(one.opened),
                                             .file_info = std::move(info),
                                             .memory = std::move(one.memory)}));
    }
    session.open_images(images, [&] { answer(images); });
}

} // namespace cubelink::server
