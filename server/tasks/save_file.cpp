#include "server/tasks/save_file.hpp"

#include "imaging/fits/saved_image.hpp"
#include "rpc/icd/register.hpp"
#include "server/tasks/calculation.hpp"
#include "server/tasks/fits_output.hpp"

#include <cmath>
#include <optional>
#include <utility>

namespace cubelink::server {

namespace {

/// For each channel its coordinates and its beam.
constexpr std::size_t memory_of_plane = 256;

/// [start, end, step], inclusive and cut to the axis; empty: all of it. Throws PathError.
imaging::IndexRange range_of(const google::protobuf::RepeatedField<std::int32_t>& numbers, const char* field, std::int64_t length) {
    if (numbers.empty()) return {0, length, 1};
    const std::string name(field);
    if (numbers.size() > 3) throw PathError(name + ": expected [start, end, stride], got " + std::to_string(numbers.size()) + " numbers.");
    const std::int64_t start = numbers[0], end = numbers.size() > 1 ? numbers[1] : start, step = numbers.size() > 2 ? numbers[2] : 1;
    if (start < 0 || end < 0) throw PathError(name + ": the first is 0, so there is no " + std::to_string(start < 0 ? start : end) + ".");
    if (start > end) throw PathError(name + ": the start (" + std::to_string(start) + ") is after the end (" + std::to_string(end) + ").");
    if (step < 1) throw PathError(name + ": the stride must be at least 1, not " + std::to_string(step) + ".");
    if (start >= length) throw PathError(name + ": the start (" + std::to_string(start) + ") is beyond the last one (" + std::to_string(length - 1) + ").");
    return {start, (std::min(end, length - 1) - start) / step + 1, step};
}

std::optional<double> rest_frequency_of(double value) {
    if (std::isnan(value) || value == 0) return std::nullopt;
    if (!(value >= 1 && value <= 1e18)) throw PathError("rest_freq: expected a frequency from 1 to 1e18 Hz, or NaN to leave it as it is.");
    return value;
}

std::string described(const imaging::IndexRange& range) {
    std::string text = std::to_string(range.from);
    if (range.count > 1) text += " to " + std::to_string(range.index(range.count - 1));
    if (range.step > 1 && range.count > 1) text += " by " + std::to_string(range.step);
    return text;
}

std::vector<std::string> history_of(const Saving& saving, const imaging::SaveSelection& selection) {
    const Image& image = *saving.image;
    const auto& part = selection.part;
    std::vector<std::string> lines{saving.program + ": saved from " + image.file + (image.recipe.empty() ? ", HDU " + std::to_string(image.hdu) : std::string())};
    const imaging::IndexRange x{part.rect.x0, part.rect.width(), 1}, y{part.rect.y0, part.rect.height(), 1};
    std::string text = saving.program + ": pixels x " + described(x) + ", y " + described(y);
    if (image.info.axes.depth != 0) text += ", channels " + described(part.channels);
    if (image.info.axes.stokes != 0) text += ", stokes " + described(part.stokes);
    lines.push_back(text + " (0-based)");
    if (part.mask) lines.push_back(saving.program + ": blank outside of region " + std::to_string(saving.request->region_id()));
    if (selection.rest_frequency) lines.push_back(saving.program + ": rest frequency set to " + std::to_string(*selection.rest_frequency) + " Hz");
    return lines;
}

/// Channels and stokes are checked by the command, before the job.
struct Checked {
    imaging::IndexRange channels, stokes;
    std::optional<double> rest_frequency;
};

Checked check(const Saving& saving) {
    const icd::SaveFile& request = *saving.request;
    if (request.output_file_type() != icd::FITS) {
        const std::string type = icd::FileType_IsValid(request.output_file_type()) ? icd::FileType_Name(request.output_file_type())
                                                                                   : std::to_string(static_cast<int>(request.output_file_type()));
        throw PathError("output_file_type: images can be saved as FITS only, not as " + type + ".");
    }
    if (request.output_file_name().empty()) throw PathError("output_file_name: the file needs a name.");
    const auto& shape = saving.image->shape();
    return {range_of(request.channels(), "channels", shape.depth), range_of(request.stokes(), "stokes", shape.stokes), rest_frequency_of(request.rest_freq())};
}

imaging::SubImageSelection part_of(const Saving& saving, const Checked& checked, imaging::BudgetCache& cache, const imaging::CancelToken& cancel) {
    const auto& shape = saving.image->shape();
    imaging::SubImageSelection part{{0, 0, shape.width, shape.height}, checked.channels, checked.stokes, nullptr};
    if (!saving.region) return part;
    const std::string name = "Region " + std::to_string(saving.request->region_id());
    if (!saving.region->shape_on(*saving.image)) throw PathError(name + " has no place on this image.");
    part.mask = saving.region->mask_on(*saving.image, cache, cancel);
    if (part.mask->empty()) throw PathError(name + " is outside of the image: there is nothing to save.");
    part.rect = part.mask->bounds();
    return part;
}

struct Saved {
    bool done = false;
    std::vector<std::string> warnings;
    std::shared_ptr<FileWriter> writer; // while the file is not finished
};

void save(const OpenSettings& settings, const Saving& saving, const Checked& checked, const TaskContext& context, Saved& saved) {
    auto& cache = saving.session->cache();
    const Image& image = *saving.image;
    image.source->check_unchanged();
    const auto reserved = cache.reserve(image.cards.size() * memory_of_card_byte +
                                            static_cast<std::size_t>(checked.channels.count * checked.stokes.count + image.info.spectral_length) * memory_of_plane,
                                        context.cancel);
    imaging::SaveSelection selection;
    selection.part = part_of(saving, checked, cache, context.cancel);
    selection.keep_degenerate = saving.request->keep_degenerate();
    selection.rest_frequency = checked.rest_frequency;
    selection.date = date_of_now();
    selection.history = history_of(saving, selection);
    auto made = imaging::saved_image({image.source, image.info, image.cards, image.wcs.get()}, selection);

    saved.writer = std::make_shared<FileWriter>(settings.jail, saving.request->output_file_directory(), saving.request->output_file_name(), saving.options);
    write_fits(made.file, *saved.writer, cache, context, context.progress);
    saved.writer.reset();
    saved.done = true;
    saved.warnings = std::move(made.warnings);
}

/// A file that was cancelled is closed later, any other before the answer.
void save_and_close(const OpenSettings& settings, const Saving& saving, const Checked& checked, const TaskContext& context, Saved& saved) {
    try {
        save(settings, saving, checked, context, saved);
    } catch (const imaging::Cancelled&) {
        throw;
    } catch (...) {
        saved.writer.reset();
        throw;
    }
}

icd::SaveFileAck answer_of(const Saving& saving, const Saved& saved, const std::exception_ptr& failure) {
    if (saved.done) {
        icd::SaveFileAck ack;
        ack.set_file_id(saving.request->file_id());
        ack.set_success(true);
        for (const std::string& warning : saved.warnings) ack.set_message(ack.message() + (ack.message().empty() ? "" : " ") + warning);
        return ack;
    }
    if (is_cancelled(failure)) return saving_failed(*saving.request, "The image was closed before the file was saved.");
    auto ack = saving_failed(*saving.request, text_of(failure));
    try {
        std::rethrow_exception(failure);
    } catch (const WriteError& error) {
        ack.set_overwrite_confirmation_required(error.reason() == WriteError::Reason::exists);
    } catch (...) {
    }
    return ack;
}

} // namespace

icd::SaveFileAck saving_failed(const icd::SaveFile& request, const std::string& why) {
    icd::SaveFileAck ack;
    ack.set_file_id(request.file_id());
    ack.set_message(why);
    return ack;
}

void start_saving(const OpenSettings& settings, Saving given) {
    const auto saving = std::make_shared<const Saving>(std::move(given));
    const auto checked = check(*saving);
    const auto saved = std::make_shared<Saved>();
    Calculation calculation;
    calculation.session = saving->session;
    calculation.image = saving->image;
    calculation.kind = CalculationKind::saving;
    calculation.name = "save_file";
    const double values = static_cast<double>(saving->image->shape().plane_size()) * static_cast<double>(checked.channels.count) * static_cast<double>(checked.stokes.count);
    calculation.bytes = static_cast<std::int64_t>(std::min(values * 2 * sizeof(float), 1e18)); // read and written
    calculation.call = saving->call;
    calculation.work = [&settings, saving, checked, saved](const TaskContext& context) { save_and_close(settings, *saving, checked, context, *saved); };
    calculation.end = [saving, saved](const std::exception_ptr& failure) {
        icd::answer(saving->call, answer_of(*saving, *saved, failure));
        if (saved->writer) release_later(*saving->session, {std::move(saved->writer)});
    };
    calculation.on_session_closed = [saving] { icd::answer(saving->call, saving_failed(*saving->request, "The session was closed.")); };
    start(std::move(calculation));
}

} // namespace cubelink::server
