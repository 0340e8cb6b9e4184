#include "imaging/tables/xml_text.hpp"

#include "imaging/tables/table.hpp"
#include "platform/utf8.hpp"

#include <charconv>
#include <cstdint>

namespace cubelink::imaging {

namespace {

/// Consumes up to the end of `mark`. `text`: where what is before it goes, or nullptr.
void consume_through(InputBuffer& input, std::string_view mark, const char* what, std::string* text, std::size_t limit) {
    const auto begin = input.where();
    for (;;) {
        const auto rest = input.rest();
        const auto at = rest.find(mark);
        if (at != std::string_view::npos) {
            if (text != nullptr) text->append(rest.substr(0, at));
            input.consume(at + mark.size());
            return;
        }
        const auto count = rest.size() - std::min(rest.size(), mark.size() - 1);
        if (text != nullptr) text->append(rest.substr(0, count));
        if (text != nullptr && text->size() > limit) return;
        input.consume(count);
        if (!input.more()) throw TableError(begin + ": " + what + " has no end");
    }
}

/// Ends of lines as XML 1.0 has them (section 2.11), from there on: \r\n and \r are \n.
void end_lines(std::string& text, std::size_t from) {
    auto to = text.find('\r', from);
    if (to == std::string::npos) return;
    for (auto at = to; at < text.size(); ++at) {
        if (text[at] != '\r') text[to++] = text[at];
        else if (at + 1 == text.size() || text[at + 1] != '\n') text[to++] = '\n';
    }
    text.resize(to);
}

std::size_t end_of_tag(std::string_view text, std::size_t from, char& quote) {
    for (; from < text.size(); ++from) {
        const char c = text[from];
        if (quote != 0) {
            if (c == quote) quote = 0;
        } else if (c == '"' || c == '\'') {
            quote = c;
        } else if (c == '>') {
            return from;
        }
    }
    return std::string_view::npos;
}

} // namespace

XmlTag tag_at(InputBuffer& input) {
    std::size_t searched = 1;
    char quote = 0;
    for (;;) {
        const auto rest = input.rest();
        const auto end = end_of_tag(rest.substr(0, tag_limit), searched, quote);
        if (end != std::string_view::npos) {
            XmlTag tag;
            tag.text = rest.substr(0, end + 1);
            tag.size = end + 1;
            tag.end = rest[1] == '/';
            tag.empty = rest[end - 1] == '/' && !tag.end;
            const std::size_t begin = tag.end ? 2 : 1;
            tag.name = tag.text.substr(begin, tag.text.find_first_of(" \t\r\n/>", begin) - begin);
            if (const auto colon = tag.name.find(':'); colon != std::string_view::npos) tag.name.remove_prefix(colon + 1);
            return tag;
        }
        if (rest.size() >= tag_limit) throw TableError(input.where() + ": a tag is longer than 1 MiB");
        searched = std::max<std::size_t>(rest.size(), 1);
        if (!input.more()) throw TableError(input.where() + ": the file ends within a tag");
    }
}

bool skip_aside(InputBuffer& input) {
    input.more_until(4);
    const auto rest = input.rest();
    if (rest.starts_with("<!--")) {
        input.consume(4);
        consume_through(input, "-->", "a comment", nullptr, 0);
        return true;
    }
    if (rest.starts_with("<?")) {
        input.consume(2);
        consume_through(input, "?>", "a processing instruction", nullptr, 0);
        return true;
    }
    return false;
}

bool read_cdata(InputBuffer& input, std::string& text, std::size_t limit) {
    constexpr std::string_view begin = "<![CDATA[";
    input.more_until(begin.size());
    if (!input.rest().starts_with(begin)) return false;
    input.consume(begin.size());
    const auto before = text.size();
    consume_through(input, "]]>", "a CDATA section", &text, limit);
    end_lines(text, before);
    return true;
}

void append_decoded(std::string& out, std::string_view text) {
    while (!text.empty()) {
        const auto at = text.find_first_of("&\r");
        out += text.substr(0, at);
        if (at == std::string_view::npos) return;
        text.remove_prefix(at);
        if (text.front() == '\r') {
            text.remove_prefix(1);
            if (!text.starts_with('\n')) out += '\n';
            continue;
        }
        const auto end = text.substr(0, 16).find(';');
        const auto name = end == std::string_view::npos ? std::string_view{} : text.substr(1, end - 1);
        std::uint32_t code = 0;
        if (name == "lt") code = '<';
        else if (name == "gt") code = '>';
        else if (name == "amp") code = '&';
        else if (name == "quot") code = '"';
        else if (name == "apos") code = '\'';
        else if (name.size() > 1 && name[0] == '#') {
            const bool hex = name[1] == 'x';
            const auto digits = name.substr(hex ? 2 : 1);
            const auto [stop, error] = std::from_chars(digits.data(), digits.data() + digits.size(), code, hex ? 16 : 10);
            if (error != std::errc() || stop != digits.data() + digits.size() || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000))
                code = 0;
        }
        if (code == 0) {
            out += '&';
            text.remove_prefix(1);
        } else {
            platform::append_utf8(out, code);
            text.remove_prefix(end + 1);
        }
    }
}

} // namespace cubelink::imaging
