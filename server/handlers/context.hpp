#pragma once
/// What handlers work with, and how a chapter of the ICD is added:
///
///     void register_regions(HandlerContext& context) {
///         on_command<icd::SetRegion>(context, [](const CommandCall<icd::SetRegion>& c) { … c.session->require_image(…) …; icd::answer(c.call, ack); });
///     }
///
/// Handlers run as commands of their session, one after the other (server/session/command_queue.hpp): they check, answer, change the
/// session and post jobs to its scheduler. What they throw fails the call. They know no dialect.

#include "rpc/error.hpp"
#include "rpc/icd/register.hpp"
#include "rpc/method_registry.hpp"
#include "server/files/jail.hpp"
#include "server/session/session_directory.hpp"
#include "server/tasks/restore.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace cubelink::server {

class ScriptingBroker;
class SessionKeeper;
class Store;
class StoreWorker;

/// What of the server's options handlers have to know.
struct HandlerSettings {
    std::string version; // of the program
    bool read_only = false, scripting = false, no_auth = false;
    std::size_t outbox_limit = 0, memory_limit = 0; // bytes
};

struct HandlerContext {
    rpc::MethodRegistry& methods;
    pubsub::Hub& hub;
    SessionDirectory& directory;
    HandlerSettings settings;
    const OpenSettings& files;
    /// The identity that a secret proves, found at once or later (WslinkServer::identify): for the api_key of REGISTER_VIEWER.
    std::function<void(const Connection&, std::string secret, std::function<void(std::optional<Identity>)>)> identify;
    // nullptr where there is none.
    Store* store = nullptr;
    StoreWorker* worker = nullptr;
    SessionKeeper* keeper = nullptr;
    const RestoreSettings* restore = nullptr;
    ScriptingBroker* scripting = nullptr;
    /// Calls `work` after so many milliseconds, on the network thread.
    SessionDirectory::PostAfter later{};
};

/// Whether the server publishes on that topic: what server.info() lists.
bool is_published(std::string_view topic);

/// Why the caller may not write files; empty if it may. For every message that writes one.
std::string why_no_writing(const HandlerContext& context, const rpc::Call& call);

/// For FileWriter: whether an image that is open in any session is read from that file. The context outlives it.
std::function<bool(std::uint64_t device, std::uint64_t inode)> open_files(const HandlerContext& context);

/// The session that the caller's connection is attached to. Throws CallError if it has not registered a viewer.
SessionPtr session_of(const HandlerContext& context, const rpc::Call& call);
/// The caller's connection, kept alive.
std::shared_ptr<Connection> shared_connection_of(const rpc::Call& call);

template <class M>
struct CommandCall {
    SessionPtr session;
    rpc::CallPtr call;
    std::shared_ptr<const M> request;
    std::uint64_t connection() const { return call->peer()->id(); }
};

/// Registers an ICD message as a command. `shape`, if given, says which objects it touches, what it replaces and so on (called on the
/// network thread, with the request checked against its type only).
template <class M>
void on_command(HandlerContext& context, std::function<void(const CommandCall<M>&)> handle,
                std::function<void(Command&, const CommandCall<M>&)> shape = {}, rpc::AnswerOrder order = rpc::AnswerOrder::in_order) {
    icd::on<M>(context.methods, [&context, handle = std::move(handle), shape = std::move(shape)](const rpc::CallPtr& call, std::shared_ptr<const M> request) {
        const CommandCall<M> what{session_of(context, *call), call, std::move(request)};
        Command command;
        command.call = call;
        command.run = [handle, what] { handle(what); };
        if (shape) shape(command, what);
        what.session->queue().push(std::move(command));
    }, order);
}

/// A method of the server's own as a command of the caller's session.
void on_session_method(HandlerContext& context, std::string name, std::function<void(const SessionPtr&, const rpc::CallPtr&)> handle,
                       rpc::AnswerOrder order = rpc::AnswerOrder::in_order, Touches touches = {});

/// Throws BadArguments for a list that is longer than max_requirements: of requirements, or of the values of one. CARTA's page sends a dozen at most.
template <class List>
void require_short(const List& list, const std::string& field) {
    if (static_cast<std::size_t>(list.size()) > max_requirements)
        throw rpc::BadArguments(field + ": " + std::to_string(list.size()) + " at once, the limit is " + std::to_string(max_requirements));
}

/// Sets what the caller's connection requires there (an empty list clears it), and notifies once: also if it requires the same again, because it is
/// sent again then.
template <class M>
void set_requirements(const CommandCall<M>& c, std::int32_t file_id, std::int32_t region_id, RequirementKind kind, Requirements list) {
    const RequirementKey key{file_id, region_id, kind, c.connection()};
    c.session->requirements().set(key, std::move(list));
    c.session->notify_requirement(key);
}

/// The key under which a waiting command that sets requirements is replaced by a newer one: of the same connection, for the same region.
template <class M>
std::string requirement_key(const char* what, const CommandCall<M>& c) {
    return std::string(what) + ":" + std::to_string(c.connection()) + ":" + std::to_string(c.request->file_id()) + ":" +
           std::to_string(c.request->region_id());
}

/// Reports to the session that there are no `what` of regions ("Histograms", …), and throws CallError.
[[noreturn]] void no_regions(Session& session, const char* what);

/// The call was checked and has no answer of its own.
inline void acknowledge(const rpc::CallPtr& call) { call->answer(rpc::BodyPtr()); }

// One for each chapter.
void register_viewer(HandlerContext& context);
void register_files(HandlerContext& context);
void register_fitting(HandlerContext& context);
void register_stokes_files(HandlerContext& context);
void register_remote_file(HandlerContext& context);
void register_view(HandlerContext& context);
void register_vector_overlay(HandlerContext& context);
void register_cursor(HandlerContext& context);
void register_spectral_profiles(HandlerContext& context);
void register_animation(HandlerContext& context);
void register_catalogs(HandlerContext& context);
void register_catalog_methods(HandlerContext& context);
void register_histograms(HandlerContext& context);
void register_contours(HandlerContext& context);
void register_regions(HandlerContext& context);
void register_region_files(HandlerContext& context);
void register_moments(HandlerContext& context);
void register_position_velocity(HandlerContext& context);
void register_image_methods(HandlerContext& context);
void register_image_statistics(HandlerContext& context);
void register_preview(HandlerContext& context);
void register_render(HandlerContext& context);
void register_spectral_axis(HandlerContext& context);
void register_session_methods(HandlerContext& context);
void register_resume(HandlerContext& context);
void register_save_file(HandlerContext& context);
void register_scripting(HandlerContext& context);
void register_store_methods(HandlerContext& context);
void register_viewport(HandlerContext& context);

/// All of them.
void register_handlers(HandlerContext& context);

} // namespace cubelink::server
