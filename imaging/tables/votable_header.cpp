#include "imaging/tables/votable_header.hpp"

#include "imaging/tables/cell_text.hpp"
#include "imaging/tables/table_maker.hpp"
#include "platform/text.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace cubelink::imaging {

namespace {

constexpr std::size_t depth_limit = 64, text_limit = 64 << 10, name_limit = 500, column_text_limit = 2000, names_limit = 2000,
                      system_limit = 1000, summary_limit = 1000;

std::string_view local_name(std::string_view name) { return name.substr(name.rfind(':') + 1); } // npos + 1 is 0

void append_line(std::string& text, std::string_view line) {
    line = without_blanks(line);
    if (line.empty() || text.size() > text_limit) return;
    if (!text.empty()) text += '\n';
    text += clipped(line, text_limit);
}

std::string summary_of(const VotableDraft& table) {
    auto text = "table " + std::to_string(table.number) + " (";
    if (!table.name.empty()) text += "\"" + clipped(table.name, 100) + "\", ";
    text += std::to_string(table.fields.size()) + (table.fields.size() == 1 ? " column" : " columns");
    if (table.rows) text += ", " + std::to_string(*table.rows) + (*table.rows == 1 ? " row" : " rows");
    return text + (table.unreadable.empty() ? "" : "; " + table.unreadable) + ")";
}

} // namespace

VotableHeader::Element VotableHeader::element_of(std::string_view name) {
    using enum Element;
    constexpr std::array<std::pair<std::string_view, Element>, 13> names{{{"VOTABLE", votable},
                                                                          {"RESOURCE", resource},
                                                                          {"TABLE", table},
                                                                          {"FIELD", field},
                                                                          {"VALUES", values},
                                                                          {"DESCRIPTION", description},
                                                                          {"INFO", info},
                                                                          {"DATA", data},
                                                                          {"TABLEDATA", tabledata},
                                                                          {"BINARY", binary},
                                                                          {"BINARY2", binary2},
                                                                          {"STREAM", stream},
                                                                          {"FITS", fits}}};
    for (const auto& [known, element] : names)
        if (name == known) return element;
    return other;
}

const char* VotableHeader::find(Attributes attributes, std::string_view name) {
    for (; attributes[0] != nullptr; attributes += 2)
        if (local_name(attributes[0]) == name) return attributes[1];
    return nullptr;
}

std::string VotableHeader::value(Attributes attributes, std::string_view name, std::size_t limit) {
    const char* found = find(attributes, name);
    return found == nullptr ? std::string() : clipped(without_blanks(found), limit);
}

void VotableHeader::begin(std::string_view qualified, Attributes attributes) {
    const auto name = local_name(qualified);
    const auto element = element_of(name);
    if (!begun_ && element != Element::votable) throw TableError("this is no VOTable: it begins with <" + clipped(name, 60) + ">");
    begun_ = true;
    remember(qualified);
    for (auto at = attributes; at[0] != nullptr; at += 2) remember(at[0]);
    if (open_.size() >= depth_limit) throw TableError("elements are nested more than " + std::to_string(depth_limit) + " deep");
    open_.push_back(element);
    text_.clear();
    data_ = Data::none;
    switch (element) {
    case Element::table: begin_table(attributes); break;
    case Element::field:
        if (parent() == Element::table) begin_field(attributes);
        break;
    case Element::values: begin_values(attributes); break;
    case Element::info:
        info_name_ = value(attributes, "name");
        info_value_ = value(attributes, "value", text_limit);
        break;
    case Element::tabledata:
        if (parent() == Element::data && table_) data_ = Data::tabledata;
        break;
    case Element::stream: begin_stream(attributes); break;
    case Element::fits:
        if (table_) table_->unreadable = "its data are a FITS file within the document, which is not read: save the table as FITS, or as VOTable with its own rows";
        break;
    default:
        if (name == "COOSYS" || name == "TIMESYS") begin_system(name, attributes);
    }
}

/// expat keeps every name that it has met.
void VotableHeader::remember(std::string_view name) {
    if (names_.contains(name)) return;
    if (name.size() > name_limit)
        throw TableError("the name of an element or attribute is longer than " + std::to_string(name_limit) + " bytes");
    if (names_.size() >= names_limit) throw TableError("elements and attributes have more than " + std::to_string(names_limit) + " names");
    names_.emplace(name);
}

void VotableHeader::begin_table(Attributes attributes) {
    if (table_) throw TableError("a TABLE within a TABLE");
    table_.emplace();
    table_->number = ++table_count_;
    table_->id = value(attributes, "ID");
    table_->name = value(attributes, "name");
    if (table_->name.empty()) table_->name = table_->id;
    std::int64_t rows = 0;
    if (const char* text = find(attributes, "nrows"); text != nullptr && parse_integer(text, rows) && rows >= 0) table_->rows = rows;
    if (const auto known = by_id_.find(value(attributes, "ref")); known != by_id_.end()) table_->fields = known->second;
}

void VotableHeader::begin_field(Attributes attributes) {
    if (!table_) return;
    auto& fields = table_->fields;
    if (fields.size() >= column_limit) throw TableError("the table has more than " + std::to_string(column_limit) + " columns");
    auto name = value(attributes, "name");
    if (name.empty()) name = value(attributes, "ID");
    if (name.empty()) name = "column " + std::to_string(fields.size() + 1);
    auto field = votable_field(name, value(attributes, "datatype"), value(attributes, "arraysize"));
    field.info.unit = value(attributes, "unit");
    field.info.ucd = value(attributes, "ucd");
    field.ref = value(attributes, "ref");
    fields.push_back(std::move(field));
}

/// Its missing value may be that of another VALUES, which it refers to.
void VotableHeader::begin_values(Attributes attributes) {
    std::optional<std::string> null;
    if (const char* text = find(attributes, "null"); text != nullptr) null = clipped(text, name_limit);
    else if (const auto known = nulls_by_id_.find(value(attributes, "ref")); known != nulls_by_id_.end()) null = known->second;
    if (!null) return;
    if (const auto id = value(attributes, "ID"); !id.empty() && nulls_by_id_.size() < column_limit) nulls_by_id_.try_emplace(id, *null);
    if (parent() == Element::field && table_ && !table_->fields.empty()) table_->fields.back().null = null;
}

void VotableHeader::begin_stream(Attributes attributes) {
    if (!table_ || (parent() != Element::binary && parent() != Element::binary2)) return;
    const auto encoding = platform::lower_case(value(attributes, "encoding"));
    if (find(attributes, "href") != nullptr) table_->unreadable = "its data are in another file, which is not fetched: open that file";
    else if (!encoding.empty() && encoding != "base64") table_->unreadable = "its data have the encoding \"" + encoding + "\"";
    else data_ = parent() == Element::binary ? Data::binary : Data::binary2;
}

void VotableHeader::begin_system(std::string_view name, Attributes attributes) {
    if (systems_.size() + time_systems_.size() >= system_limit) return;
    if (name == "TIMESYS") {
        time_systems_.push_back(
            {value(attributes, "ID"), value(attributes, "timescale"), value(attributes, "refposition"), value(attributes, "timeorigin")});
        return;
    }
    auto system = value(attributes, "system");
    systems_.push_back(
        {value(attributes, "ID"), system.empty() ? "eq_FK5" : system, value(attributes, "equinox"), value(attributes, "epoch")});
}

void VotableHeader::text(std::string_view text) {
    const auto element = open_.empty() ? Element::other : open_.back();
    if ((element == Element::description || element == Element::info) && text_.size() < text_limit) text_ += text;
}

void VotableHeader::end() {
    data_ = Data::none;
    switch (open_.back()) {
    case Element::table: end_table(); break;
    case Element::description: end_description(); break;
    case Element::info: end_info(); break;
    default: break;
    }
    text_.clear();
    open_.pop_back();
}

void VotableHeader::end_description() {
    if (parent() == Element::field && table_ && !table_->fields.empty())
        table_->fields.back().info.description = clipped(without_blanks(text_), column_text_limit);
    else if (parent() == Element::table && table_) append_line(table_->description, text_);
    else if (parent() == Element::votable || parent() == Element::resource) append_line(description_, text_);
}

void VotableHeader::end_info() {
    const auto content = without_blanks(text_);
    if (info_name_ == "QUERY_STATUS") {
        if (platform::equal_ignoring_case(info_value_, "ERROR"))
            query_error_ = content.empty() ? "the query has failed" : clipped(content, name_limit);
        overflow_ = overflow_ || platform::equal_ignoring_case(info_value_, "OVERFLOW");
    }
    // As services without QUERY_STATUS have it.
    if (platform::equal_ignoring_case(info_name_, "error") && query_error_.empty())
        query_error_ = clipped(content.empty() ? info_value_ : content, name_limit);
    auto line = info_name_;
    if (!info_value_.empty()) line += ": " + info_value_;
    if (!content.empty() && content != info_value_) line += std::string(line.empty() ? "" : ": ") + std::string(content);
    append_line(table_ ? table_->infos : infos_, line);
}

void VotableHeader::end_table() {
    if (!table_) return;
    auto table = std::move(*table_);
    table_.reset();
    if (!table.id.empty() && kept_fields_ + table.fields.size() <= column_limit && by_id_.size() < summary_limit) {
        kept_fields_ += table.fields.size();
        by_id_.try_emplace(table.id, table.fields);
    }
    const bool chosen = table.number == chosen_number_;
    if (!chosen) {
        if (others_.size() < summary_limit) others_.emplace_back(table.number, summary_of(table));
        else ++more_tables_;
    }
    if (chosen || (!chosen_ && chosen_number_ == 0 && !table.fields.empty())) chosen_ = std::move(table);
}

void VotableHeader::choose() {
    chosen_number_ = table_->number;
    chosen_.reset();
}

const VotableDraft* VotableHeader::chosen() const {
    if (chosen_) return &*chosen_;
    return table_ && (table_->number == chosen_number_ || !table_->fields.empty()) ? &*table_ : nullptr;
}

TableInfo VotableHeader::info(const VotableDraft& draft) const {
    TableInfo info;
    info.format = TableInfo::Format::votable;
    info.name = draft.name;
    for (const auto* part : {&draft.description, &description_, &draft.infos, &infos_}) append_line(info.description, *part);
    info.systems = systems_;
    info.time_systems = time_systems_;
    info.rows = draft.rows;
    for (const auto& field : draft.fields) {
        info.columns.push_back(field.info);
        const auto has_id = [&field](const auto& system) { return !field.ref.empty() && system.id == field.ref; };
        if (std::any_of(systems_.begin(), systems_.end(), has_id) || std::any_of(time_systems_.begin(), time_systems_.end(), has_id))
            info.columns.back().system = field.ref;
    }
    for (const auto& [number, summary] : others_)
        if (number != draft.number) info.other_tables.push_back(summary);
    if (more_tables_ > 0) info.other_tables.push_back(std::to_string(more_tables_) + " more tables");
    if (overflow_) info.warnings.push_back("The service that made this table has cut it off (QUERY_STATUS OVERFLOW).");
    return info;
}

} // namespace cubelink::imaging
