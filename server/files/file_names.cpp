#include "server/files/file_names.hpp"

#include "rpc/values/utf8.hpp"

namespace cubelink::server {

namespace {

constexpr std::string_view replacement = "\xEF\xBF\xBD";

} // namespace

std::string shown_name(std::string_view bytes) {
    std::string shown;
    for (;;) {
        const auto valid = rpc::valid_utf8_prefix(bytes);
        shown += bytes.substr(0, valid);
        if (valid == bytes.size()) return shown;
        const auto byte = static_cast<unsigned char>(bytes[valid]);
        shown += replacement;
        shown += "0123456789ABCDEF"[byte >> 4];
        shown += "0123456789ABCDEF"[byte & 15];
        bytes.remove_prefix(valid + 1);
    }
}

bool may_be_shown_name(std::string_view text) { return text.find(replacement) != std::string_view::npos; }

} // namespace cubelink::server
