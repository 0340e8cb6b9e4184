#pragma once
/// What a VOTable's elements say, from expat's events. One thread each.

#include "imaging/tables/table.hpp"
#include "imaging/tables/votable_field.hpp"

#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace cubelink::imaging {

/// A TABLE element.
struct VotableDraft {
    int number = 0; // in the file, from 1
    std::string id, name, description, infos;
    std::optional<std::int64_t> rows; // nrows
    std::vector<VotableField> fields;
    std::string unreadable; // why its data can't be read: "its data are in another file"
};

/// Follows the elements of a document. begin(), end() and text() throw TableError for what no VOTable has; the caller adds the place.
class VotableHeader {
public:
    enum class Data { none, tabledata, binary, binary2 };

    /// `attributes`: names and values in turn, up to a null pointer.
    void begin(std::string_view name, const char** attributes);
    void end();
    void text(std::string_view text);

    bool ended() const { return begun_ && open_.empty(); }
    /// Which data begin here: the element that began last, and has not ended, is a TABLEDATA, or a STREAM of data that lie in it.
    Data data() const { return data_; }
    /// REQUIRES: data() is not none.
    const VotableDraft& table() const { return *table_; }
    /// The table's rows are being read: it is the one.
    void choose();
    /// The one that was chosen or, before that, the first with columns; with all that has been said of it. nullptr: there is none.
    const VotableDraft* chosen() const;
    /// A table's header, with what the document has said up to here.
    TableInfo info(const VotableDraft& draft) const;
    /// What a service says of a query that failed.
    const std::string& query_error() const { return query_error_; }

private:
    enum class Element {
        votable,
        resource,
        table,
        field,
        values,
        description,
        info,
        data,
        tabledata,
        binary,
        binary2,
        stream,
        fits,
        other
    };
    using Attributes = const char**;
    static Element element_of(std::string_view name);
    static const char* find(Attributes attributes, std::string_view name);
    static std::string value(Attributes attributes, std::string_view name, std::size_t limit = 500);
    Element parent() const { return open_.size() < 2 ? Element::other : open_[open_.size() - 2]; }
    void remember(std::string_view name);
    void begin_table(Attributes attributes);
    void begin_field(Attributes attributes);
    void begin_values(Attributes attributes);
    void begin_stream(Attributes attributes);
    void begin_system(std::string_view name, Attributes attributes);
    void end_table();
    void end_info();
    void end_description();

    std::vector<Element> open_;
    std::set<std::string, std::less<>> names_; // of elements and attributes
    bool begun_ = false;
    std::optional<VotableDraft> table_;  // the one that is open
    std::optional<VotableDraft> chosen_; // or the first, when that has ended
    int chosen_number_ = 0, table_count_ = 0;
    std::map<std::string, std::vector<VotableField>, std::less<>> by_id_; // of tables that others may refer to
    std::size_t kept_fields_ = 0;
    std::map<std::string, std::string, std::less<>> nulls_by_id_; // of VALUES
    std::vector<std::pair<int, std::string>> others_;
    std::size_t more_tables_ = 0;
    std::string description_, infos_; // of the document and its resources
    std::vector<CoordinateSystem> systems_;
    std::vector<TimeSystem> time_systems_;
    std::string text_, info_name_, info_value_, query_error_;
    bool overflow_ = false;
    Data data_ = Data::none;
};

} // namespace cubelink::imaging
