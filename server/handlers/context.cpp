#include "server/handlers/context.hpp"

namespace cubelink::server {

SessionPtr session_of(const HandlerContext& context, const rpc::Call& call) {
    if (auto session = context.directory.session_of(call.peer()->id())) return session;
    throw rpc::CallError(rpc::code::method_failed, "No viewer is registered: call carta.register.viewer first.",
                         rpc::Map{{"method", call.request().method}, {"exception", "no viewer is registered"}});
}

std::string why_no_writing(const HandlerContext& context, const rpc::Call& call) {
    if (context.settings.read_only) return "This server is read-only: it writes no files.";
    if (!connection_of(call).identity().permissions.save) return "You may look, but not write files: your key lacks the permission \"save\".";
    return {};
}

std::function<bool(std::uint64_t device, std::uint64_t inode)> open_files(const HandlerContext& context) {
    return [&directory = context.directory](std::uint64_t device, std::uint64_t inode) {
        for (const auto& session : directory.all())
            for (const auto& image : session->images()) {
                bool found = false;
                image->source->visit_files([&](const imaging::FileState& file) { found = found || (file.device == device && file.inode == inode); });
                if (found) return true;
            }
        return false;
    };
}

void no_regions(Session& session, const char* what) {
    const std::string message = std::string(what) + " of regions are not implemented yet.";
    session.report_afterwards(Severity::warning, {"region"}, message);
    throw rpc::CallError(rpc::Error{rpc::code::method_failed, message, {}, true});
}

std::shared_ptr<Connection> shared_connection_of(const rpc::Call& call) { return std::static_pointer_cast<Connection>(call.peer()); }

void on_session_method(HandlerContext& context, std::string name, std::function<void(const SessionPtr&, const rpc::CallPtr&)> handle,
                       rpc::AnswerOrder order, Touches touches) {
    context.methods.add_generic(
        std::move(name),
        [&context, handle = std::move(handle), touches = std::move(touches)](const rpc::CallPtr& call) {
            const auto session = session_of(context, *call);
            Command command;
            command.call = call;
            command.touches = touches;
            command.on_dropped = [call] { call->fail(rpc::code::method_failed, "The session was closed."); };
            command.run = [handle, session, call] { handle(session, call); };
            session->queue().push(std::move(command));
        },
        order);
}

void register_handlers(HandlerContext& context) {
    register_viewer(context);
    register_files(context);
    register_fitting(context);
    register_stokes_files(context);
    register_remote_file(context);
    register_view(context);
    register_vector_overlay(context);
    register_cursor(context);
    register_spectral_profiles(context);
    register_animation(context);
    register_catalogs(context);
    register_catalog_methods(context);
    register_histograms(context);
    register_contours(context);
    register_regions(context);
    register_region_files(context);
    register_moments(context);
    register_position_velocity(context);
    register_image_methods(context);
    register_image_statistics(context);
    register_preview(context);
    register_render(context);
    register_spectral_axis(context);
    register_session_methods(context);
    register_resume(context);
    register_save_file(context);
    register_scripting(context);
    register_store_methods(context);
    register_viewport(context);
}

} // namespace cubelink::server
