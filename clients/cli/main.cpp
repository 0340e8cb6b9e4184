/// cubelink-cli: see commands.cpp for what it can do, README.md for how it is made.

#include "clients/cli/commands.hpp"
#include "clients/cli/connection.hpp"
#include "clients/cli/exit_status.hpp"
#include "clients/cli/output.hpp"
#include "clients/cli/parse.hpp"
#include "clients/cli/texts.hpp"

#include <algorithm>
#include <csignal>

using namespace cubelink;
using namespace cubelink::cli;

namespace {

int run(const std::vector<std::string>& arguments) {
    const auto parsed = parse(program(), arguments);
    if (parsed.has("help")) {
        print(parsed.command ? help_text(program(), *parsed.command) : help_text(program()));
        return exit_status::success;
    }
    if (parsed.has("version")) {
        print(program().name + " " + program().version + "\n");
        return exit_status::success;
    }
    return parsed.command->run(parsed);
}

} // namespace

int main(int argc, char** argv) {
    std::signal(SIGPIPE, SIG_IGN); // a reader that has gone is an error of write()
    const std::vector<std::string> arguments(argv + 1, argv + argc);
    const bool as_json = std::any_of(arguments.begin(), arguments.end(), [](const auto& argument) { return argument == "--json" || argument == "-j"; });
    const auto end = [&](int status, const std::string& message, int code = 0) {
        complain(program().name, message, status, code, as_json);
        return status;
    };
    try {
        return run(arguments);
    } catch (const UsageError& error) {
        return end(exit_status::usage, std::string(error.what()) + (as_json ? "" : "; see " + program().name + " --help"));
    } catch (const NotWritten& error) {
        return *error.what() ? end(exit_status::not_written, error.what()) : exit_status::not_written;
    } catch (const client::ConnectionLost& error) {
        if (Connection::cause() == exit_status::interrupted) return exit_status::interrupted;
        if (Connection::cause() == exit_status::out_of_time) return end(exit_status::out_of_time, "the time of --timeout has passed");
        return end(exit_status::no_connection, error.what());
    } catch (const client::AuthenticationError& error) {
        return end(exit_status::not_authenticated, error.what(), error.error().code);
    } catch (const rpc::CallError& error) {
        std::string message = error.what();
        // What a method of another server threw.
        if (const auto* data = error.error().data.get_if<rpc::Map>())
            if (const auto* exception = data->find("exception"))
                if (const auto* text = exception->get_if<std::string>(); text && *text != message) message += ": " + *text;
        if (const auto* name = error.error().data.get_if<std::string>()) message += ": " + *name;
        return end(exit_status::failed, message, error.error().code);
    } catch (const std::exception& error) {
        return end(exit_status::failed, error.what());
    }
}
