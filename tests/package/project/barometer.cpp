#include "rpc/typed_method.hpp"
#include "server/net/wslink_server.hpp"

#include <memory>

using namespace cubelink;

// -Wall -Wextra -Werror would refuse this.
static int unused_function(int unused_parameter) { return 1; }

int main(int, char** arguments) {
    server::WslinkServerOptions options;
    options.program = "barometer";
    options.port = 0;
    options.auth_key = arguments[1];
    server::WslinkServer server(options);
    double hectopascal = 1013.25;
    server.methods().add("barometer.read", {}, [&] { return hectopascal; });
    server.methods().add("barometer.set", {"hectopascal"}, [&](double value) {
        hectopascal = value;
        server.hub().publish(server::WslinkServer::everyone,
                             std::make_shared<rpc::Publication>("barometer.changed", rpc::body(rpc::Map{{"hectopascal", value}})));
    });
    server.listen();
    return server.run();
}
