// The input is one message of a client of generation 2, without its chunk header.

#include "rpc/msgpack/chunking.hpp"
#include "rpc/msgpack/msgpack_dialect.hpp"
#include "tests/fuzz/wslink_fuzz.hpp"

using namespace cubelink::rpc;

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    auto dialect = make_msgpack_dialect();
    dialect->set_limits(dialect->full_limits());
    fuzz::EchoSink sink(*dialect);
    std::string frame(ChunkHeader::size, '\0');
    ChunkHeader{1, 0, static_cast<std::uint32_t>(size)}.write(frame.data());
    frame.append(reinterpret_cast<const char*>(data), size);
    fuzz::give(*dialect, false, frame, sink);
    return 0;
}
