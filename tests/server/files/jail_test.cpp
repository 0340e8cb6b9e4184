#include "rpc/values/utf8.hpp"
#include "server/files/file_names.hpp"
#include "server/files/jail.hpp"
#include "tests/support/faulty_os.hpp"
#include "tests/support/temporary_folder.hpp"

#include <atomic>
#include <doctest/doctest.h>
#include <thread>
#include <unistd.h>

using namespace cubelink::server;
using cubelink::test::TemporaryFolder;
namespace fs = std::filesystem;

TEST_CASE("names that are not UTF-8 keep apart, and others stay") {
    for (const auto* right : {"", "plain.fits", "gr\xC3\xBC\xC3\x9F""e \xE2\x98\x83 \xF0\x9F\x94\xAD"}) CHECK(shown_name(right) == right);
    for (const auto* wrong : {"\xFF", "\xC3", "\xC0\xAF", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xE2\x98", "a\x80""b"}) {
        CHECK(shown_name(wrong) != wrong);
        CHECK(cubelink::rpc::is_utf8(shown_name(wrong)));
    }
    CHECK(shown_name("\xE2\x98") == "\xEF\xBF\xBD""E2\xEF\xBF\xBD""98");
    CHECK(shown_name("a\xFF.fits") == "a\xEF\xBF\xBD""FF.fits");
    CHECK(shown_name("a\xFE.fits") != shown_name("a\xFF.fits"));
}

TEST_CASE("what is in the folder is found") {
    TemporaryFolder folder;
    folder.write("sub/image.fits", "x");
    const Jail jail(folder.text());
    const std::string top = fs::canonical(folder.path()).string();
    for (const auto& directory : {std::string("sub"), std::string("/sub"), std::string("./sub/"), std::string("$BASE/sub"), top + "/sub",
                                  std::string("sub/../sub"), std::string("sub//.")}) {
        INFO(directory);
        CHECK(jail.open_file(directory, "image.fits").relative == "sub/image.fits");
        CHECK(jail.open_folder(directory).relative == "sub");
    }
    for (const auto& directory : {std::string(""), std::string("."), std::string("$BASE"), std::string("/"), top, std::string("sub/..")}) {
        INFO(directory);
        CHECK(jail.open_folder(directory).relative == "");
        CHECK(jail.open_file(directory, "sub/image.fits").real_path == top + "/sub/image.fits");
    }
    CHECK(jail.open_file("", top + "/sub/image.fits").relative == "sub/image.fits");
    CHECK_THROWS_AS(jail.open_folder("sub/image.fits"), PathError);
    for (const auto& path : std::initializer_list<std::pair<std::string, std::string>>{
             {"", "missing"}, {"/", "missing"}, {"$BASE", "missing"}, {"$BASE/sub", "missing"}, {"$BASE/missing", "x"}, {"/sub", "missing"}, {top, "missing"}}) {
        std::string said = "nothing";
        try {
            jail.open_file(path.first, path.second);
        } catch (const PathError& error) { said = error.what(); }
        CHECK_MESSAGE(said.ends_with("\": No such file or directory."), path.first << ": " << said);
        CHECK(said != "Forbidden path.");
    }
}

TEST_CASE("nothing else is") {
    TemporaryFolder folder, outside;
    const auto secret = outside.write("secret.fits", "SIMPLE");
    folder.write("a/b.fits", "x");
    fs::create_directories(folder.path() / "x");
    fs::create_symlink(secret, folder.path() / "link.fits");
    fs::create_directory_symlink(outside.path(), folder.path() / "out");
    fs::create_directory_symlink("..", folder.path() / "x/up");
    fs::create_directory_symlink("../..", folder.path() / "x/upup");
    fs::create_symlink("/proc/self/environ", folder.path() / "environ");
    const Jail jail(folder.text());
    const std::string sibling = fs::canonical(folder.path()).string() + "-other";
    fs::create_directory(sibling);
    for (const auto& [directory, name] : std::initializer_list<std::pair<std::string, std::string>>{
             {"..", ""},
             {"../..", "etc/passwd"},
             {"a/../..", ""},
             {"", "../" + outside.path().filename().string() + "/secret.fits"},
             {outside.text(), "secret.fits"},
             {"", secret.string()},
             {"/etc", "passwd"},
             {sibling, ""},
             {"", "link.fits"},
             {"out", "secret.fits"},
             {"out", ""},
             {"out", "missing.fits"}, // as little as what is there
             {"/out", "missing.fits"},
             {"x/upup", ""},
             {"", "environ"},
             {"$BASE/..", ""},
             {"..$BASE/..", ""},
             {"a", std::string("b.fits\0../../x", 14)},
         }) {
        const std::string shown = directory + " | " + name; // clang 14 captures no structured bindings
        INFO(shown);
        CHECK_THROWS_AS(jail.open(directory, name), ForbiddenPath);
    }
    fs::remove(sibling);
    CHECK(jail.open("x/up/a", "b.fits").relative == "x/up/a/b.fits"); // a link that stays inside
    const Jail wider(folder.text(), {outside.text()});
    CHECK(wider.open_file("", "link.fits").real_path == fs::canonical(secret).string());
    CHECK(wider.open_file("out", "secret.fits").name == "secret.fits");
    CHECK_THROWS_AS(wider.open_file(outside.text(), "secret.fits"), ForbiddenPath); // by a link only
    CHECK_THROWS_AS(wider.open_file("", "environ"), ForbiddenPath);
}

TEST_CASE("a file that is shown under another name opens by it") {
    TemporaryFolder folder;
    folder.write("sub\xFF/a\xFE.fits", "x");
    const Jail jail(folder.text());
    const auto path = jail.open_file(shown_name("sub\xFF"), shown_name("a\xFE.fits"));
    CHECK(path.status.st_size == 1);
    CHECK(cubelink::rpc::is_utf8(path.relative));
    CHECK_THROWS_AS(jail.open_file(shown_name("sub\xFF"), shown_name("a\xFD.fits")), PathError);
}

TEST_CASE("a system call that fails, whichever it is, is a PathError and leaves no descriptor open") {
    TemporaryFolder folder;
    folder.write("sub\xFF/a.fits", "x");
    folder.write("real/a.fits", "x");
    fs::create_directory_symlink("real", folder.path() / "link");
    const Jail jail(folder.text());
    const auto descriptors = [] { return std::distance(fs::directory_iterator("/proc/self/fd"), {}); };
    const auto before = descriptors();
    for (const std::string& directory : {std::string("real"), std::string("link"), shown_name("sub\xFF")})
        for (const int error : {EIO, ENOENT, EMFILE, EACCES, ENOMEM}) {
            cubelink::test::FaultyOs faults;
            int refused = 0;
            bool reached = true;
            for (int n = 1; reached; ++n) {
                faults.fail_any(n, error);
                try {
                    const auto path = jail.open_file(directory, "a.fits");
                    CHECK(path.status.st_size == 1);
                } catch (const PathError&) { ++refused; }
                reached = faults.count() >= n;
            }
            CHECK(refused >= 3);
        }
    CHECK(descriptors() == before);
}

TEST_CASE("a link that is exchanged while it is opened gains nothing") {
    TemporaryFolder folder, outside;
    outside.write("secret", "secret");
    folder.write("inside", "inside!");
    const auto link = folder.path() / "link", spare = folder.path() / "spare";
    fs::create_symlink("inside", link);
    const Jail jail(folder.text());
    std::atomic<bool> stop{false};
    std::thread attacker([&] {
        for (bool evil = true; !stop; evil = !evil) {
            fs::create_symlink(evil ? outside.path() / "secret" : fs::path("inside"), spare);
            fs::rename(spare, link);
        }
    });
    int opened = 0, refused = 0;
    for (int i = 0; i < 20000 && (opened < 50 || refused < 50); ++i) {
        try {
            const auto path = jail.open("", "link");
            CHECK(path.status.st_size == 7);
            ++opened;
        } catch (const PathError&) {
            ++refused;
        }
    }
    stop = true;
    attacker.join();
    CHECK(opened + refused > 0);
}
