#include "imaging/tables/votable_reader.hpp"

#include "imaging/tables/cell_text.hpp"
#include "imaging/tables/input_buffer.hpp"
#include "imaging/tables/table_maker.hpp"
#include "imaging/tables/tabledata_reader.hpp"
#include "imaging/tables/votable_binary_reader.hpp"
#include "imaging/tables/votable_header.hpp"
#include "imaging/tables/xml_text.hpp"
#include "platform/utf8.hpp"

#include <algorithm>
#include <exception>
#include <expat.h>
#include <utility>

namespace cubelink::imaging {

namespace {

/// expat, with a VotableHeader behind it. Exceptions of the header pass through.
class Parser {
public:
    Parser() : parser_(XML_ParserCreate("UTF-8")) {
        if (parser_ == nullptr) throw std::bad_alloc();
        XML_SetUserData(parser_, this);
        XML_SetElementHandler(parser_, &begin, &end);
        XML_SetCharacterDataHandler(parser_, &text);
        XML_SetEntityDeclHandler(parser_, &entity);
        XML_SetParamEntityParsing(parser_, XML_PARAM_ENTITY_PARSING_NEVER);
#ifdef CUBELINK_EXPAT_DEFERS_PARSING
        XML_SetReparseDeferralEnabled(parser_, XML_FALSE); // tags come whole, and their events are wanted at once
#endif
    }
    ~Parser() { XML_ParserFree(parser_); }
    Parser(const Parser&) = delete;
    Parser& operator=(const Parser&) = delete;

    VotableHeader header;

    void parse(std::string_view piece, bool last = false) {
        std::string valid;
        if (!platform::is_utf8(piece)) piece = valid = platform::make_utf8(piece);
        const auto status = XML_Parse(parser_, piece.data(), static_cast<int>(piece.size()), last);
        if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
        if (status != XML_STATUS_OK) throw TableError(std::string("this is no XML: ") + XML_ErrorString(XML_GetErrorCode(parser_)));
    }

private:
    template <class Work>
    void guarded(Work&& work) noexcept {
        if (failure_) return; // expat may still send what it has
        try {
            work();
        } catch (...) {
            failure_ = std::current_exception();
            XML_StopParser(parser_, XML_FALSE);
        }
    }
    static Parser& self(void* data) { return *static_cast<Parser*>(data); }
    static void begin(void* data, const char* name, const char** attributes) {
        self(data).guarded([&] { self(data).header.begin(name, attributes); });
    }
    static void end(void* data, const char*) {
        self(data).guarded([&] { self(data).header.end(); });
    }
    static void text(void* data, const char* text, int size) {
        self(data).guarded([&] { self(data).header.text({text, static_cast<std::size_t>(size)}); });
    }
    static void entity(void* data, const char*, int, const char*, int, const char*, const char*, const char*, const char*) {
        self(data).guarded([] { throw TableError("the document declares entities, which are not read"); });
    }

    const XML_Parser parser_;
    std::exception_ptr failure_;
};

class Reader {
public:
    Reader(std::unique_ptr<ByteFeed> feed, const TableOptions& options, ArrayLengths lengths)
        : input_(std::move(feed)), options_(options), lengths_(lengths), maker_(options) {}

    /// Whether the lengths of arrays that were read have two meanings.
    bool ambiguous() const { return ambiguous_; }

    TablePtr run() {
        try {
            while (!done_ && step()) {
            }
        } catch (const TableError& error) {
            if (!read_all_) throw;
            maker_.info.warnings.push_back(std::string("The file is damaged behind the table: ") + error.what() + ".");
        }
        if (rows_ < 0) return without_rows();
        finish_info(*header().chosen());
        return maker_.finish(rows_);
    }

private:
    VotableHeader& header() { return parser_.header; }

    /// A piece of the document: a tag, or text. False at the end.
    bool step() {
        if (input_.rest().empty() && !input_.more()) return end_of_file();
        if (header().ended()) return false; // what follows the last tag does not matter
        if (input_.rest().front() != '<') {
            parse_text();
            return true;
        }
        if (skip_aside(input_)) return true;
        if (input_.rest().starts_with("<!")) {
            parse_declaration();
            return true;
        }
        const auto tag = tag_at(input_);
        parse(tag.text);
        input_.consume(tag.size);
        if (header().data() != VotableHeader::Data::none) read_data();
        return true;
    }

    bool end_of_file() {
        if (header().ended()) return false;
        if (!begun_) throw TableError("the file is empty");
        throw TableError(input_.where() + ": the file ends within the document");
    }

    void parse(std::string_view piece) {
        begun_ = true;
        try {
            parser_.parse(piece);
        } catch (const TableError& error) {
            throw TableError(input_.where() + ": " + error.what());
        }
    }

    void parse_text() {
        constexpr std::size_t most = 64 << 10;
        if (input_.rest().size() < 4) input_.more();
        auto text = input_.rest();
        text = text.substr(0, text.find('<')).substr(0, most);
        if (text.size() == input_.rest().size() || text.size() == most) { // not within a character
            std::size_t back = 0;
            while (back < 3 && back + 1 < text.size() && (static_cast<unsigned char>(text[text.size() - 1 - back]) & 0xC0) == 0x80) ++back;
            if (back + 1 < text.size() && static_cast<unsigned char>(text[text.size() - 1 - back]) >= 0xC0) text.remove_suffix(back + 1);
        }
        if (!begun_ && without_blanks(text).empty()) { // blanks ahead of the document are common and not allowed
            input_.consume(text.size());
            return;
        }
        parse(text);
        input_.consume(text.size());
    }

    /// CDATA, or <!DOCTYPE …>, which may hold others.
    void parse_declaration() {
        std::string text;
        if (read_cdata(input_, text, tag_limit)) {
            if (text.size() > tag_limit) throw TableError(input_.where() + ": a CDATA section is longer than 1 MiB");
            header().text(platform::make_utf8(text));
            return;
        }
        constexpr std::size_t limit = 16 << 10;
        int depth = 0;
        for (std::size_t size = 0;; ++size) {
            if (size >= limit) throw TableError(input_.where() + ": a declaration is longer than 16 KiB");
            if (!input_.more_until(size + 1)) throw TableError(input_.where() + ": the file ends within a declaration");
            const char c = input_.rest()[size];
            if (c == '[') ++depth;
            else if (c == ']') --depth;
            else if (c == '>' && depth <= 0) {
                parse(input_.rest().substr(0, size + 1));
                input_.consume(size + 1);
                return;
            }
        }
    }

    void read_data() {
        const auto data = header().data();
        const auto& table = header().table();
        const bool tabledata = data == VotableHeader::Data::tabledata;
        if (rows_ >= 0 || table.fields.empty()) {
            if (tabledata) skip_tabledata(input_);
            else skip_stream();
            return;
        }
        const auto begin_rows = [&] {
            header().choose();
            maker_.info = header().info(table);
            maker_.info.warnings.clear(); // they come again at the end
            maker_.begin_rows();
        };
        if (!tabledata)
            ambiguous_ =
                std::any_of(table.fields.begin(), table.fields.end(), [](const auto& field) { return field.variable && field.count != 1; });
        const auto rows =
            tabledata ? read_tabledata(input_, table.fields, maker_, begin_rows)
                      : read_votable_binary(input_, data == VotableHeader::Data::binary2, lengths_, table.fields, maker_, begin_rows);
        if (!tabledata && rows == 0) skip_stream();
        if (rows == 0) return;
        if (options_.most_rows == 0) {
            header().choose();
            maker_.info.columns = header().info(table).columns;
        }
        rows_ = std::min(rows, options_.most_rows);
        done_ = rows_ == options_.most_rows;
        read_all_ = true;
    }

    void skip_stream() {
        for (;;) {
            const auto at = input_.rest().find('<');
            if (at != std::string_view::npos) return input_.consume(at);
            input_.consume_all();
            if (!input_.more()) throw TableError(input_.where() + ": the file ends within binary data");
        }
    }

    /// What the document says, with the columns as they were when the rows began.
    void finish_info(const VotableDraft& draft) {
        auto info = header().info(draft);
        info.columns = std::move(maker_.info.columns);
        info.warnings.insert(info.warnings.end(), maker_.info.warnings.begin(), maker_.info.warnings.end());
        if (info.rows && *info.rows != rows_ && !done_)
            info.warnings.push_back("The header speaks of " + std::to_string(*info.rows) + " rows, but the table has " +
                                    std::to_string(rows_) + ".");
        if (!done_) info.rows = rows_;
        maker_.info = std::move(info);
    }

    TablePtr without_rows() {
        const auto* draft = header().chosen();
        if (draft == nullptr) {
            if (!header().query_error().empty())
                throw TableError("the file holds no table, but an error of the service that made it: " + header().query_error());
            throw TableError("the file holds no TABLE with columns");
        }
        if (!draft->unreadable.empty()) throw TableError("the table can't be read: " + draft->unreadable);
        maker_.info.columns = header().info(*draft).columns;
        maker_.begin_rows();
        rows_ = 0;
        finish_info(*draft);
        return maker_.finish(0);
    }

    InputBuffer input_;
    const TableOptions& options_;
    const ArrayLengths lengths_;
    Parser parser_;
    TableMaker maker_;
    std::int64_t rows_ = -1; // of the table that was read
    bool begun_ = false, done_ = false, read_all_ = false, ambiguous_ = false;
};

} // namespace

TablePtr read_votable(const std::function<std::unique_ptr<ByteFeed>()>& open, const TableOptions& options) {
    Reader reader(open(), options, ArrayLengths::elements);
    try {
        return reader.run();
    } catch (const TableError&) {
        if (!reader.ambiguous()) throw;
        try {
            return Reader(open(), options, ArrayLengths::slices).run();
        } catch (const TableError&) {
        }
        throw;
    }
}

} // namespace cubelink::imaging
