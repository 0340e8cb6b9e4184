#include "server/tasks/images/moments.hpp"

#include "server/tasks/calculation.hpp"
#include "server/tasks/images/image_recipes.hpp"
#include "server/tasks/images/moment_images.hpp"

#include "rpc/icd/register.hpp"

#include <algorithm>
#include <chrono>
#include <optional>

namespace cubelink::server {

namespace {

/// MOMENT_PROGRESS at each tenth, and once when it has taken long to get to the first.
class MomentProgress {
public:
    MomentProgress(SessionPtr session, std::int32_t file_id, std::uint64_t connection) : session_(std::move(session)), file_id_(file_id), connection_(connection) {}
    void operator()(double done) {
        const bool late = told_ == 0 && std::chrono::steady_clock::now() - begun_ > std::chrono::seconds(5) && done > 0;
        if (done < told_ + step && !late) return;
        told_ = std::max(done, 1e-6);
        if (!late) told_ = step * static_cast<int>(done / step);
        auto message = std::make_shared<icd::MomentProgress>();
        message->set_file_id(file_id_);
        message->set_progress(static_cast<float>(done));
        session_->publish(std::move(message), {}, pubsub::Audience::view_of(connection_));
    }

private:
    static constexpr double step = 0.1;
    const SessionPtr session_;
    const std::int32_t file_id_;
    const std::uint64_t connection_;
    const std::chrono::steady_clock::time_point begun_ = std::chrono::steady_clock::now();
    double told_ = 0;
};

/// `<image>.moment.<suffix>`; those that are kept have a number, the first with which all of the request's names are new.
std::vector<std::string> names_of(const MomentCalculation& asked) {
    std::vector<std::string> names;
    const auto open = asked.session->images();
    for (int number = 1;; ++number) {
        names.clear();
        for (const auto moment : asked.plan.moments)
            names.push_back(asked.image->file + ".moment." + std::string(imaging::moment_suffix(moment)) + (asked.keep ? std::to_string(number) : ""));
        const bool taken = std::any_of(open.begin(), open.end(), [&](const ImagePtr& image) { return std::find(names.begin(), names.end(), image->file) != names.end(); });
        if (!asked.keep || !taken) return names;
    }
}

/// What the job has made, for the command that answers.
struct Made {
    std::string notes;
    std::vector<GeneratedImage> images;
    std::string written; // the path of the file with all of them; empty: none
    std::shared_ptr<MomentFile> file; // while it is not finished
    Leftovers leftovers;

    /// For an answer without images that comes too late for the file.
    std::string saved_all_the_same() const { return written.empty() ? std::string() : " They were saved as \"" + written + "\"."; }
    void note(const std::string& sentence) {
        if (!sentence.empty()) notes += (notes.empty() ? "" : " ") + sentence;
    }
};

/// A file that can't be written is no reason to throw the moments away.
void write(const MomentCalculation& asked, MomentFile& file, const TaskContext& context, const std::function<void(double)>& progress, Made& made) {
    try {
        made.note(file.write(asked.plan.moments, made.images, asked.session->cache(), context, progress));
        made.written = file.path();
    } catch (const imaging::Cancelled&) {
        throw;
    } catch (const std::exception& e) {
        context.cancel.throw_if_cancelled();
        made.note("The moments were not saved: " + std::string(e.what()));
    }
}

void make(const MomentCalculation& asked, const std::vector<std::string>& names, const rpc::Map& source_recipe, const TaskContext& context, Made& made) {
    const Image& image = *asked.image;
    auto& budget = asked.session->cache();
    MomentPlan plan = asked.plan;
    if (asked.region) {
        plan.shape = asked.region->shape_on(image);
        if (!plan.shape) throw PathError("Region " + std::to_string(asked.region_id) + " has no place on this image.");
    }
    const MomentWork work({image.source, image.info, image.wcs, image.cards}, plan, context.cancel);
    image.source->check_unchanged();
    const auto written = static_cast<std::uint64_t>(work.shape().plane_size()) * sizeof(float) * plan.moments.size();
    if (asked.file) made.file = std::make_shared<MomentFile>(asked.settings.jail, *asked.file, written);
    MomentProgress tell(asked.session, image.file_id, asked.call->peer()->id());
    const auto progress = [&](double done) {
        tell(done);
        context.progress(done);
    };
    const double read = static_cast<double>(work.bytes_read()), computing = made.file ? read / (read + static_cast<double>(written)) : 1;
    const auto pixels = work.compute({budget, asked.settings.scratch, &made.leftovers}, context.threads, context.cancel, [&](double done) { progress(done * computing); });
    image.source->check_unchanged();
    made.notes = work.notes();
    for (std::size_t i = 0; i < pixels.size(); ++i)
        made.images.push_back(generated_image(names[i], recipe_of_moment(plan, i, source_recipe, names[i]), work.describe(i, pixels[i], names[i]), budget, context.cancel));
    if (made.file) write(asked, *made.file, context, [&](double done) { progress(computing + done * (1 - computing)); }, made);
    made.file.reset();
    progress(1); // whichever thread ended last
}

/// A file that was cancelled is closed later, any other before the answer, which tells of it.
void make_and_close(const MomentCalculation& asked, const std::vector<std::string>& names, const rpc::Map& source_recipe, const TaskContext& context, Made& made) {
    try {
        make(asked, names, source_recipe, context, made);
    } catch (const imaging::Cancelled&) {
        throw;
    } catch (...) {
        made.file.reset();
        throw;
    }
}

void answer(const MomentCalculation& asked, Made& made) {
    // Others may have got the names that were free when the work began.
    if (const auto names = names_of(asked); asked.keep)
        for (std::size_t i = 0; i < made.images.size(); ++i) rename(made.images[i], names[i]);
    add_generated(*asked.session, *asked.image, std::move(made.images), [&](const std::vector<ImagePtr>& images) {
        icd::MomentResponse response;
        response.set_success(true);
        response.set_message(made.notes);
        for (const auto& image : images)
            if (const auto ack = std::dynamic_pointer_cast<const icd::OpenFileAck>(icd::message_of(image->acknowledgement))) *response.add_open_file_acks() = *ack;
        icd::answer(asked.call, std::move(response));
    });
}

void end(const MomentCalculation& asked, Made& made, const std::exception_ptr& failure) {
    if (failure && is_cancelled(failure)) {
        // As it was asked for: pages show a failure to their user.
        icd::MomentResponse response;
        response.set_success(true);
        response.set_cancel(true);
        response.set_message("The moments were cancelled." + made.saved_all_the_same());
        return icd::answer(asked.call, std::move(response));
    }
    if (failure) return icd::answer(asked.call, moments_failed(text_of(failure)));
    try {
        answer(asked, made);
    } catch (const PathError& e) { // no room for so many images
        icd::answer(asked.call, moments_failed(e.what() + made.saved_all_the_same()));
    }
}

} // namespace

icd::MomentResponse moments_failed(const std::string& why) {
    icd::MomentResponse response;
    response.set_message(why);
    return response;
}

void start_moments(MomentCalculation calculation) {
    const auto asked = std::make_shared<const MomentCalculation>(std::move(calculation));
    const auto made = std::make_shared<Made>();
    Calculation task;
    task.session = asked->session;
    task.image = asked->image;
    task.kind = CalculationKind::moments;
    task.name = "moments";
    task.bytes = asked->image->shape().plane_size() * asked->plan.channels.count() * std::int64_t{sizeof(float)};
    task.call = asked->call;
    task.work = [asked, made, names = names_of(*asked), recipe = recipe_of(*asked->image)](const TaskContext& context) { make_and_close(*asked, names, recipe, context, *made); };
    task.tells_cancelled = true;
    task.end = [asked, made](const std::exception_ptr& failure) {
        end(*asked, *made, failure);
        made->images.clear();
        if (made->file) made->leftovers.push_back(std::move(made->file));
        release_later(*asked->session, std::move(made->leftovers));
    };
    task.on_session_closed = [asked] { icd::answer(asked->call, moments_failed("The session was closed.")); };
    start(std::move(task));
}

} // namespace cubelink::server
