#include "imaging/fits/hdu.hpp"

#include <algorithm>
#include <array>

namespace cubelink::imaging {

namespace {

/// "TFORM12" with the stem "TFORM".
bool numbered(const std::string& keyword, std::string_view stem) {
    return keyword.size() > stem.size() && keyword.starts_with(stem) &&
           keyword.find_first_not_of("0123456789", stem.size()) == std::string::npos;
}

/// Cards that describe the table of tiles, not the image.
bool of_the_table(const std::string& keyword) {
    static constexpr std::array names{"BITPIX", "NAXIS",    "PCOUNT",   "GCOUNT",   "TFIELDS", "THEAP",    "ZIMAGE",  "ZCMPTYPE", "ZQUANTIZ",
                                      "ZDITHER0", "ZMASKCMP", "ZBLANK", "ZSCALE", "ZZERO", "CHECKSUM", "DATASUM", "ZTENSION", "ZSIMPLE"};
    static constexpr std::array stems{"NAXIS", "TTYPE", "TFORM", "TUNIT", "TDIM", "TNULL", "TSCAL", "TZERO", "TDISP", "ZTILE", "ZNAME", "ZVAL"};
    return std::any_of(names.begin(), names.end(), [&](std::string_view name) { return keyword == name; }) ||
           std::any_of(stems.begin(), stems.end(), [&](std::string_view stem) { return numbered(keyword, stem); });
}

/// The keyword in the image's header for a Z keyword; empty for others.
std::string original_name(const std::string& keyword) {
    static constexpr std::array pairs{std::pair{"ZBITPIX", "BITPIX"}, std::pair{"ZNAXIS", "NAXIS"},       std::pair{"ZPCOUNT", "PCOUNT"},
                                      std::pair{"ZGCOUNT", "GCOUNT"}, std::pair{"ZEXTEND", "EXTEND"},     std::pair{"ZBLOCKED", "BLOCKED"},
                                      std::pair{"ZHECKSUM", "CHECKSUM"}, std::pair{"ZDATASUM", "DATASUM"}};
    for (const auto& [z, name] : pairs) {
        if (keyword == z) return name;
    }
    return numbered(keyword, "ZNAXIS") ? keyword.substr(1) : std::string{};
}

std::string record_of(const Card& card) {
    std::string record = card.keyword;
    record.resize(8, ' ');
    record += "= ";
    std::string value = card.kind == Card::Kind::string ? "'" + card.value + "'" : card.value;
    if (card.kind != Card::Kind::string && value.size() < 20) value.insert(0, 20 - value.size(), ' ');
    record += value;
    record.resize(80, ' ');
    return record;
}

} // namespace

Header image_header_of(const Header& table) {
    // The order of the standard first (SIMPLE or XTENSION, BITPIX, NAXIS…), then the others in their order. Cards are copied as
    // records, so that they stay as they were written.
    std::string records;
    Card first;
    const bool primary = table.find("ZSIMPLE") != nullptr;
    first.keyword = primary ? "SIMPLE" : "XTENSION";
    first.kind = primary ? Card::Kind::logical : Card::Kind::string;
    first.value = primary ? "T" : "IMAGE";
    records += record_of(first);
    const auto carry = [&](const std::string& from) {
        const Card* card = table.find(from);
        if (card == nullptr) return;
        Card copy = *card;
        copy.keyword = original_name(from);
        records += record_of(copy);
    };
    carry("ZBITPIX");
    carry("ZNAXIS");
    const std::int64_t axes = std::clamp<std::int64_t>(table.integer("ZNAXIS").value_or(0), 0, 999);
    for (std::int64_t i = 1; i <= axes; ++i) carry("ZNAXIS" + std::to_string(i));

    const std::string& all = table.records();
    bool dropped = false; // CONTINUE belongs to the card before it
    for (std::size_t at = 0; at + 80 <= all.size(); at += 80) {
        const std::string record = all.substr(at, 80);
        const std::string keyword = record.substr(0, std::min<std::size_t>(record.find(' '), 8));
        if (keyword == "CONTINUE") {
            if (!dropped) records += record;
            continue;
        }
        dropped = true;
        if (keyword == "XTENSION" || keyword == "SIMPLE" || of_the_table(keyword)) continue;
        if (keyword == "ZBITPIX" || keyword == "ZNAXIS" || numbered(keyword, "ZNAXIS")) continue;
        if (keyword == "EXTNAME" && record.find("'COMPRESSED_IMAGE'") != std::string::npos) continue;
        dropped = false;
        const std::string name = original_name(keyword);
        if (name.empty()) {
            records += record;
        } else {
            std::string renamed = name;
            renamed.resize(8, ' ');
            records += renamed + record.substr(8);
        }
    }
    return Header(records);
}

} // namespace cubelink::imaging
