#pragma once
/// Messages other than OPEN_FILE that open an image under an id of the client's, and whose answer holds OPEN_FILE's: {success, message, open_file_ack}.

#include "server/handlers/context.hpp"
#include "server/session/session_keeper.hpp"

#include <string>
#include <utility>

namespace cubelink::server {

template <class Answer>
void answer_not_opened(const rpc::CallPtr& call, std::int32_t file_id, const std::string& why) {
    Answer answer;
    answer.set_message(why);
    answer.mutable_open_file_ack()->set_file_id(file_id);
    answer.mutable_open_file_ack()->set_message(why);
    icd::answer(call, std::move(answer));
}

/// `prepare`: how what the message asks for is opened; by a command. What it throws is why it is not. Its `end`, if it has one, is called before the answer.
template <class M, class Answer>
void on_opening(HandlerContext& context, std::function<Opening(const CommandCall<M>&)> prepare) {
    const auto open = [&context, prepare = std::move(prepare)](const CommandCall<M>& c) {
        const auto file_id = c.request->file_id();
        Opening opening;
        try {
            opening = prepare(c);
        } catch (const PathError& error) { return answer_not_opened<Answer>(c.call, file_id, error.what()); }
        const auto marker = name_of_marker(opening.request.directory(), opening.request.file(), opening.request.hdu());
        opening.call = c.call;
        opening.end = [session = c.session, call = c.call, keeper = context.keeper, file_id, marker, ended = std::move(opening.end)](const ImagePtr& image, const std::string& failure) {
            if (ended) ended(image, failure);
            if (!image) return answer_not_opened<Answer>(call, file_id, failure);
            session->open_image(image, [&] {
                Answer answer;
                answer.set_success(true);
                const auto message = icd::message_of(image->acknowledgement);
                answer.mutable_open_file_ack()->CheckTypeAndMergeFrom(*message);
                icd::answer(call, std::move(answer));
                if (image->info.beam_from_history) session->report(Severity::info, {"file info"}, image->info.name + ": the beam was taken from the file's HISTORY.");
                for (const auto& warning : image->info.warnings) session->report(Severity::warning, {"file info"}, image->info.name + ": " + warning + ".");
            });
            if (keeper) keeper->opened(session->id(), marker);
        };
        opening.on_session_closed = [call = c.call, file_id] { answer_not_opened<Answer>(call, file_id, "The session was closed."); };
        start_opening(context.files, c.session, std::move(opening));
    };
    const auto shape = [](Command& command, const CommandCall<M>& c) {
        command.touch(image_id(c.request->file_id()));
        command.makes = true;
        command.barrier = true;
        command.on_dropped = [session = c.session, call = c.call, file_id = c.request->file_id()] {
            answer_not_opened<Answer>(call, file_id, session->closed() ? "The session was closed." : closed_before_open);
        };
    };
    on_command<M>(context, open, shape, rpc::AnswerOrder::when_done);
}

} // namespace cubelink::server
