#include "clients/cpp/viewer.hpp"

#include <cstdio>
#include <future>

int main(int, char** arguments) try {
    using cubelink::rpc::Map;
    using cubelink::rpc::Value;
    cubelink::client::Client client(arguments[1]);
    std::promise<double> changed;
    client.subscribe("barometer.changed", [&](const Value& message) { changed.set_value(*message.get_if<Map>()->find("hectopascal")->get_if<double>()); });
    std::printf("%.2f\n", *client.call("barometer.read").get().get_if<double>());
    client.call("barometer.set", {987.5}).get();
    std::printf("%.2f\n", changed.get_future().get());
} catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
}
