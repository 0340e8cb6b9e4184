// The input is one text frame of a client of generation 1.

#include "rpc/json/json_dialect.hpp"
#include "tests/fuzz/wslink_fuzz.hpp"

using namespace cubelink::rpc;

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    auto dialect = make_json_dialect();
    dialect->set_limits(dialect->full_limits());
    fuzz::EchoSink sink(*dialect);
    fuzz::give(*dialect, true, {reinterpret_cast<const char*>(data), size}, sink);
    return 0;
}
