#include "imaging/render/stroke_font.hpp"

#include <array>
#include <cstddef>
#include <optional>
#include <string>

namespace cubelink::imaging {

namespace {

/// Points of two digits, x from the left and y from the lowest part of letters: 2 is the baseline, 8 the height of capitals. A space ends a stroke.
struct Glyph {
    int width = 2;
    const char* strokes = "";
};

constexpr double baseline_at = 2, capital = 6, gap = 2;

constexpr std::array<Glyph, 10> digits{{{4, "120307183847433212"}, {2, "071812 0222"}, {4, "07183847460242"}, {4, "0718384746354443321203 2535"}, {4, "32380444"},
                                        {4, "480805354443321203"}, {4, "38180703123243443505"}, {4, "084812"}, {4, "15060718384746351504031232434435"},
                                        {4, "12324347381807061545"}}};
constexpr std::array<Glyph, 26> capitals{{{4, "022842 1434"}, {4, "02083847463505 3544433202"}, {4, "4738180703123243"}, {4, "02083847433202"}, {4, "48080242 0535"},
                                          {4, "480802 0535"}, {4, "473818070312424525"}, {4, "0208 4248 0545"}, {2, "0222 0828 1218"}, {4, "4843321203"},
                                          {4, "0208 4804 1542"}, {4, "080242"}, {4, "0208254842"}, {4, "02084248"}, {4, "120307183847433212"}, {4, "02083847463505"},
                                          {4, "120307183847433212 2442"}, {4, "02083847463505 2542"}, {4, "473818070615354443321203"}, {4, "0848 2822"},
                                          {4, "080312324348"}, {4, "082248"}, {4, "0812263248"}, {4, "0842 4802"}, {4, "0825 4825 2522"}, {4, "08480242"}}};
constexpr std::array<Glyph, 26> small{{{3, "0626353212031434"}, {3, "08022233352606"}, {3, "361605031232"}, {3, "38321203051636"}, {3, "043435261605031232"},
                                       {2, "281712 0626"}, {3, "361605031232 36312000"}, {3, "0208 0516263532"}, {0, "0206 0808"}, {1, "161100 1818"},
                                       {3, "0208 360432"}, {0, "0802"}, {4, "0206 05162522 25364542"}, {3, "0206 0516263532"}, {3, "120305162635332212"},
                                       {3, "00062635332202"}, {3, "30361605031232"}, {2, "0206 051626"}, {3, "3616051424332202"}, {2, "181322 0626"},
                                       {3, "06031232 3632"}, {4, "062246"}, {4, "0612263246"}, {3, "0632 3602"}, {4, "0622 4610"}, {3, "06360232"}}};

Glyph sign(char c) {
    switch (c) {
    case '+': return {4, "2327 0545"};
    case '-': return {3, "0535"};
    case '.': return {0, "0202"};
    case ',': return {1, "1200"};
    case ':': return {0, "0303 0606"};
    case '/': return {3, "0138"};
    case '*': return {4, "2327 0446 0644"};
    case '^': return {4, "062846"};
    case '_': return {4, "0141"};
    case '(': return {1, "18070312"};
    case ')': return {1, "08171302"};
    case '=': return {4, "0444 0646"};
    default: return {};
    }
}

/// Takes the first character from the text.
Glyph take(std::string_view& text) {
    struct Special {
        std::string_view bytes;
        Glyph glyph;
    };
    static constexpr Special specials[] = {{"°", {2, "0718271607"}}, {"′", {1, "1806"}}, {"″", {3, "1806 3826"}}, {"−", {4, "0545"}}};
    for (const auto& special : specials)
        if (text.starts_with(special.bytes)) {
            text.remove_prefix(special.bytes.size());
            return special.glyph;
        }
    const char c = text.front();
    text.remove_prefix(1);
    // The rest of a longer character.
    while (static_cast<unsigned char>(c) >= 0x80 && !text.empty() && (static_cast<unsigned char>(text.front()) & 0xC0) == 0x80) text.remove_prefix(1);
    if (c >= '0' && c <= '9') return digits[static_cast<std::size_t>(c - '0')];
    if (c >= 'A' && c <= 'Z') return capitals[static_cast<std::size_t>(c - 'A')];
    if (c >= 'a' && c <= 'z') return small[static_cast<std::size_t>(c - 'a')];
    return sign(c);
}

} // namespace

double text_width(std::string_view text, double height) {
    if (text.empty()) return 0;
    double units = -gap;
    while (!text.empty()) units += take(text).width + gap;
    return units * height / capital;
}

void add_text(LineMask& mask, std::string_view text, double left, double baseline, double height, double thickness) {
    const double unit = height / capital;
    while (!text.empty()) {
        const auto glyph = take(text);
        std::optional<PicturePoint> before;
        for (const char* at = glyph.strokes; *at;) {
            if (*at == ' ') {
                before.reset();
                ++at;
                continue;
            }
            const PicturePoint point{left + (at[0] - '0') * unit, baseline - (at[1] - '0' - baseline_at) * unit};
            if (before) mask.add(*before, point, thickness);
            before = point;
            at += 2;
        }
        left += (glyph.width + gap) * unit;
    }
}

} // namespace cubelink::imaging
