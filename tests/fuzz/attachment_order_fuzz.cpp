// The input is a series of frames of a client of generation 1: a byte whose lowest bit says text or binary and whose others
// choose a frame from a few that matter for the order, or (0 or 1) the bytes up to the next zero.

#include "rpc/json/json_dialect.hpp"
#include "tests/fuzz/wslink_fuzz.hpp"

using namespace cubelink::rpc;

namespace {

const std::string_view frames[] = {
    R"({"wslink":"1.0","method":"wslink.binary.attachment","args":["wslink_bin1"]})",
    R"({"wslink":"1.0","method":"wslink.binary.attachment","args":["wslink_bin2","wslink_bin3"]})",
    R"({"method":"wslink.binary.attachment","args":["wslink_bin1","wslink_bin1"]})",
    R"({"id":"i","method":"m","args":["wslink_bin1",{"a":["wslink_bin2","wslink_bin3","wslink_bin4"]}]})",
    R"({"id":"i","method":"m","kwargs":{"a":"wslink_bin1","b":["wslink_bin1"]}})",
    R"({"id":"system:c0:0","method":"wslink.hello","args":[{"secret":"wslink_bin1"}]})",
    "",
    "some bytes",
};

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    auto dialect = make_json_dialect();
    dialect->set_limits({1 << 16, 1 << 16, 2000, 64});
    fuzz::EchoSink sink(*dialect);
    const std::string large(5000, 'x');
    std::string_view input(reinterpret_cast<const char*>(data), size);
    while (!input.empty()) {
        const auto first = static_cast<unsigned char>(input[0]);
        input.remove_prefix(1);
        const bool text = first & 1;
        const unsigned choice = first >> 1;
        std::string_view frame;
        if (choice == 0) {
            frame = input.substr(0, input.find('\0'));
            input.remove_prefix(frame.size());
        } else if (choice == 1) {
            frame = large;
        } else {
            frame = frames[choice % std::size(frames)];
        }
        if (!fuzz::give(*dialect, text, frame, sink)) break;
        if (dialect->unfinished_bytes() > 2000) std::abort();
    }
    return 0;
}
