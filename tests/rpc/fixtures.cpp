#include "tests/rpc/fixtures.hpp"

#include "rpc/msgpack/chunking.hpp"
#include "rpc/msgpack/msgpack_writer.hpp"
#include "rpc/values/utf8.hpp"

#include <bit>
#include <fstream>
#include <unistd.h>

namespace cubelink::rpc::test {

void give(Dialect& dialect, bool text, std::string_view payload, DialectSink& sink) {
    const auto owner = std::make_shared<const std::string>(payload);
    dialect.receive(text, *owner, owner, sink);
}

std::string join(const WireFrame& frame) {
    std::string all;
    for (const Bytes& part : frame.parts) all += part.text();
    return all;
}

std::string chunk(std::uint32_t id, std::uint32_t offset, std::uint32_t total, std::string_view bytes) {
    std::string frame(ChunkHeader::size, '\0');
    ChunkHeader{id, offset, total}.write(frame.data());
    return frame += bytes;
}

std::string msgpack_request(const Value& args, const Value& kwargs, std::string id, std::string method) {
    MsgpackWriter writer;
    writer.value(Map{{"wslink", "1.0"}, {"id", id}, {"method", method}, {"args", args}, {"kwargs", kwargs}});
    return writer.joined();
}

std::string RandomValues::text() {
    std::string out;
    for (auto n = below(below(8) == 0 ? 300 : 12); n > 0; --n) {
        switch (below(6)) {
        case 0:
            out += static_cast<char>(below(0x20));
            break;
        case 1:
            append_utf8(out, static_cast<std::uint32_t>(0x80 + below(0x700)));
            break;
        case 2:
            append_utf8(out, static_cast<std::uint32_t>(0x10000 + below(0x100000)));
            break;
        case 3:
            out += "\"\\/b"[below(4)];
            break;
        default:
            out += static_cast<char>(0x20 + below(0x5F));
        }
    }
    return out;
}

Value RandomValues::value(int depth) {
    switch (below(depth > 0 ? 11 : 8)) {
    case 0:
        return nullptr;
    case 1:
        return below(2) == 0;
    case 2:
        return static_cast<std::int64_t>(engine() >> below(64)) * (below(2) ? 1 : -1);
    case 3:
        return std::uint64_t{1} << 63 | engine();
    case 4:
        return std::bit_cast<double>(engine()); // NaN and infinities among them
    case 5:
        return static_cast<double>(below(1000)) / 8;
    case 6:
        return text();
    case 7: {
        if (extensions && below(2)) return Extension{static_cast<std::int8_t>(below(256)), Bytes::copy(text())};
        if (!bytes) return text();
        return Bytes::take(std::string(below(4) == 0 ? below(20000) : below(40), static_cast<char>(below(256))));
    }
    case 8:
    case 9: {
        Array array;
        for (auto n = below(below(10) == 0 ? 40 : 5); n > 0; --n) array.push_back(value(depth - 1));
        return array;
    }
    default: {
        Map map;
        const auto n = below(below(10) == 0 ? 40 : 5);
        for (std::uint64_t i = 0; i < n; ++i) {
            if (integer_keys && below(2))
                map.append(static_cast<std::int64_t>(i) - 3, value(depth - 1));
            else
                map.append(text() + std::to_string(i), value(depth - 1)); // never twice the same
        }
        return map;
    }
    }
}

std::size_t resident_bytes() {
    std::size_t pages = 0, resident = 0;
    std::ifstream("/proc/self/statm") >> pages >> resident;
    return resident * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

} // namespace cubelink::rpc::test
