// The input is a series of frames of a client of generation 2, each behind a byte that says its length. What comes out whole
// must be what a plain reference makes of the same chunks.

#include "rpc/msgpack/chunking.hpp"
#include "rpc/msgpack/msgpack_dialect.hpp"
#include "tests/fuzz/wslink_fuzz.hpp"

#include <map>
#include <vector>

using namespace cubelink::rpc;

namespace {

/// Reassembly as one would write it without a thought for memory: a byte and whether it is there.
struct Reference {
    struct Message {
        std::string bytes;
        std::vector<bool> there;
    };
    std::map<std::uint32_t, Message> messages;

    void receive(std::string_view frame, const Reassembly::Outcome& outcome) {
        if (!outcome.problem.empty()) return;
        const ChunkHeader header = ChunkHeader::read(frame.data());
        Message& message = messages[header.message_id];
        message.bytes.resize(header.total);
        message.there.resize(header.total);
        for (std::size_t i = 12; i < frame.size(); ++i) {
            const std::size_t at = header.offset + i - 12;
            if (message.there.at(at)) std::abort();
            message.there[at] = true;
            message.bytes[at] = frame[i];
        }
        bool whole = true;
        for (const bool there : message.there) whole = whole && there;
        if (whole != outcome.complete) std::abort();
        if (!whole) return;
        if (message.bytes != outcome.message) std::abort();
        messages.erase(header.message_id);
    }
};

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    InputLimits limits{4 << 20, 1 << 14, 1 << 16, 64};
    auto dialect = make_msgpack_dialect();
    dialect->set_limits(limits);
    fuzz::EchoSink sink(*dialect);
    Reassembly reassembly;
    Reference reference;
    std::string_view input(reinterpret_cast<const char*>(data), size);
    while (!input.empty()) {
        const std::size_t length = static_cast<unsigned char>(input[0]);
        const auto owner = std::make_shared<const std::string>(input.substr(1, length));
        input.remove_prefix(std::min(input.size(), length + 1));
        const auto outcome = reassembly.receive(*owner, owner, limits);
        reference.receive(*owner, outcome);
        fuzz::give(*dialect, false, *owner, sink);
        if (!outcome.problem.empty()) break;
        if (outcome.complete && reference.messages.empty() && reassembly.bytes() != 0) std::abort();
    }
    return 0;
}
