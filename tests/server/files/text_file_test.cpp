#include "server/files/file_kind.hpp"
#include "server/files/listing.hpp"
#include "server/files/text_file.hpp"
#include "tests/support/faulty_os.hpp"
#include "tests/support/temporary_folder.hpp"

#include <doctest/doctest.h>
#include <map>
#include <set>
#include <sys/stat.h>

using namespace cubelink::server;
using cubelink::imaging::Cancelled;
using cubelink::imaging::CancelToken;
using cubelink::test::Call;
using cubelink::test::FaultyOs;
using cubelink::test::TemporaryFolder;

namespace {

std::map<std::string, FileKind> region_files(const Jail& jail, FilterMode mode, std::set<std::string>& folders, const std::string& directory = "") {
    const auto listing = list_folder(jail, directory, mode, {}, {}, 4, ListedKind::regions);
    folders.clear();
    for (const auto& folder : listing.folders) folders.insert(folder.name);
    std::map<std::string, FileKind> files;
    for (const auto& file : listing.files) files[file.name] = file.kind;
    return files;
}

} // namespace

TEST_CASE("region files are listed by content, extension, or all") {
    TemporaryFolder folder;
    folder.write("a.crtf", "#CRTFv0");
    folder.write("b.reg", "image\n"); // says nothing in its first line
    folder.write("c", "# Region file format: DS9 version 4.1\n");
    folder.write("d.reg", "#CRTFv0");
    folder.write("e.fits", "SIMPLE  = T");
    folder.write("f.txt", "text");
    folder.write("casa.im/table.info", "Type = Image\n");
    folder.write("casa.im/table.dat", std::string(100, 'x'));
    folder.write("sub/x", "");
    const Jail jail(folder.text());
    std::set<std::string> folders;
    using Files = std::map<std::string, FileKind>;
    CHECK(region_files(jail, FilterMode::content, folders) ==
          Files{{"a.crtf", FileKind::crtf}, {"b.reg", FileKind::ds9_reg}, {"c", FileKind::ds9_reg}, {"d.reg", FileKind::crtf}});
    CHECK(folders == std::set<std::string>{"sub"});
    CHECK(region_files(jail, FilterMode::extension, folders) == Files{{"a.crtf", FileKind::crtf}, {"b.reg", FileKind::ds9_reg}, {"d.reg", FileKind::ds9_reg}});
    CHECK(folders == std::set<std::string>{"sub"});
    CHECK(region_files(jail, FilterMode::all_files, folders).size() == 6);
    CHECK(folders == std::set<std::string>{"sub", "casa.im"});
    // A folder is a folder here, and never an image.
    CHECK(region_files(jail, FilterMode::all_files, folders, "casa.im").size() == 2);
}

TEST_CASE("text files are read whole, and bounded") {
    TemporaryFolder folder;
    const std::string long_text(3'000'000, 'x');
    folder.write("empty", "");
    folder.write("short", "a\nb");
    folder.write("long", long_text);
    folder.write("binary", std::string("a\0b", 3));
    folder.write("sub/x", "");
    ::mkfifo((folder.text() + "/pipe").c_str(), 0600);
    const Jail jail(folder.text());
    const auto read = [&](const char* name, std::size_t limit = 4'000'000) { return read_text_file(jail.open("", name), limit, {}); };
    CHECK(read("empty") == "");
    CHECK(read("short") == "a\nb");
    CHECK(read("long") == long_text);
    CHECK(read("short", 3) == "a\nb");
    CHECK_THROWS_AS(read("short", 2), PathError);
    CHECK_THROWS_AS(read("binary"), PathError);
    CHECK_THROWS_AS(read("sub"), PathError);
    CHECK_THROWS_AS(read("pipe"), PathError);
    CancelToken cancelled;
    cancelled.cancel();
    CHECK_THROWS_AS(read_text_file(jail.open("", "short"), 10, cancelled), Cancelled);
    // A file that grows while it is read is still bounded.
    const auto opened = jail.open("", "short");
    folder.write("short", std::string(100, 'y'));
    CHECK_THROWS_AS(read_text_file(opened, 50, {}), PathError);
    CHECK(read_text_file(opened, 200, {}).size() == 100);
}

TEST_CASE("text files that can't be read say why") {
    TemporaryFolder folder;
    folder.write("short", "a\nb");
    FaultyOs os;
    const Jail jail(folder.text());
    const auto path = jail.open("", "short");
    for (const Call call : {Call::open, Call::read}) {
        os.fail(call, 1, EIO);
        CHECK_THROWS_AS(read_text_file(path, 10, {}), PathError);
    }
    os.fail(Call::read, 1, EINTR);
    CHECK(read_text_file(path, 10, {}) == "a\nb");
}
