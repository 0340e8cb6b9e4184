#include "server/files/file_names.hpp"
#include "server/files/listing.hpp"
#include "server/files/listing_threads.hpp"
#include "tests/support/faulty_os.hpp"
#include "tests/support/temporary_folder.hpp"

#include <algorithm>
#include <chrono>
#include <doctest/doctest.h>
#include <map>
#include <set>
#include <sys/stat.h>
#include <thread>

using namespace cubelink::server;
using cubelink::imaging::CancelToken;
using cubelink::test::Call;
using cubelink::test::FaultyOs;
using cubelink::test::TemporaryFolder;
namespace fs = std::filesystem;

namespace {

std::map<std::string, FileKind> files_of(const Listing& listing) {
    std::map<std::string, FileKind> files;
    for (const auto& file : listing.files) files[file.name] = file.kind;
    return files;
}
std::set<std::string> folders_of(const Listing& listing) {
    std::set<std::string> folders;
    for (const auto& folder : listing.folders) folders.insert(folder.name);
    return folders;
}

/// Threads of listings that were left behind use the operating system until they end.
void wait_for_threads() {
    while (running_listing_threads() > 0) wait_for_listing_thread(std::chrono::milliseconds(20));
}

void fill(const TemporaryFolder& folder) {
    folder.write("real.fits", "SIMPLE  = T");
    folder.write("named.fits", "no image at all");
    folder.write("nameless", "SIMPLE  = T");
    folder.write("cube.hdf5", "\x89HDF\r\n\x1a\n....");
    folder.write("packed.fits.gz", "\x1f\x8b....");
    folder.write("packed.tar.gz", "\x1f\x8b....");
    folder.write("notes.txt", "text");
    folder.write("empty.fits", "");
    folder.write(".hidden.fits", "SIMPLE");
    folder.write("region.crtf", "#CRTF");
    folder.write("casa.im/table.info", "Type = Image\n");
    folder.write("casa.im/table.dat", std::string(100, 'x'));
    folder.write("mir/header", "1234");
    folder.write("mir/image", "12345678");
    folder.write("sub/a", "");
    folder.write("sub/b", "");
    folder.write("bad\xFF.fits", "SIMPLE");
    fs::create_symlink("nowhere", folder.path() / "dangling.fits");
    fs::create_symlink("/etc/passwd", folder.path() / "outside.fits");
    fs::create_symlink("real.fits", folder.path() / "inside.fits");
    ::mkfifo((folder.path() / "pipe.fits").c_str(), 0600);
}

} // namespace

TEST_CASE("the three modes") {
    TemporaryFolder folder;
    fill(folder);
    const Jail jail(folder.text());
    const auto bad = shown_name("bad\xFF.fits");

    auto listing = list_folder(jail, "", FilterMode::content, {});
    CHECK(files_of(listing) == std::map<std::string, FileKind>{{"real.fits", FileKind::fits},
                                                               {"inside.fits", FileKind::fits},
                                                               {"nameless", FileKind::fits},
                                                               {bad, FileKind::fits},
                                                               {"cube.hdf5", FileKind::hdf5},
                                                               {"packed.fits.gz", FileKind::fits},
                                                               {"casa.im", FileKind::casa},
                                                               {"mir", FileKind::miriad}});
    CHECK(folders_of(listing) == std::set<std::string>{"sub"});
    CHECK(listing.folders[0].item_count == 2);
    CHECK(listing.folders[0].date > 1'500'000'000);
    CHECK(listing.directory == "");
    for (const auto& file : listing.files) {
        if (file.name == "mir") CHECK(file.size == 12);
        if (file.name == "inside.fits") CHECK(file.size == 11);
    }

    listing = list_folder(jail, "", FilterMode::extension, {});
    CHECK(files_of(listing) == std::map<std::string, FileKind>{{"real.fits", FileKind::fits},
                                                               {"inside.fits", FileKind::fits},
                                                               {"named.fits", FileKind::fits},
                                                               {"empty.fits", FileKind::fits},
                                                               {bad, FileKind::fits},
                                                               {"cube.hdf5", FileKind::hdf5},
                                                               {"packed.fits.gz", FileKind::fits},
                                                               {"casa.im", FileKind::casa},
                                                               {"mir", FileKind::miriad}});

    listing = list_folder(jail, "", FilterMode::all_files, {});
    const auto all = files_of(listing);
    CHECK(all.at("notes.txt") == FileKind::unknown);
    CHECK(all.at("region.crtf") == FileKind::crtf);
    CHECK_FALSE(all.contains("pipe.fits"));
    CHECK_FALSE(all.contains("outside.fits"));
    CHECK_FALSE(all.contains(".hidden.fits"));
    CHECK(folders_of(listing) == std::set<std::string>{"sub", "casa.im", "mir"});

    listing = list_folder(jail, "casa.im", FilterMode::all_files, {});
    CHECK(listing.directory == "");
    REQUIRE(listing.files.size() == 1);
    CHECK(listing.files[0].kind == FileKind::casa);

    listing = list_folder(jail, "sub", FilterMode::content, {});
    CHECK(listing.directory == "sub");
    CHECK(listing.parent == ".");
    CHECK_THROWS_AS(list_folder(jail, "../..", FilterMode::content, {}), ForbiddenPath);
}

TEST_CASE("25,000 files, and a cancelled listing says what it has") {
    TemporaryFolder folder;
    for (int i = 0; i < 25000; ++i) std::ofstream(folder.path() / ("f" + std::to_string(i) + ".fits")) << "SIMPLE  =                    T";
    const Jail jail(folder.text());
    const auto begin = std::chrono::steady_clock::now();
    auto listing = list_folder(jail, "", FilterMode::content, {});
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    MESSAGE("25,000 files took " << took.count() << " s");
    CHECK(listing.files.size() == 25000);
    CHECK_FALSE(listing.cancelled);

    // It goes no further than some 10,000 files (a file as short as these is read twice, until its end) before it is cancelled.
    const CancelToken cancel;
    FaultyOs faults;
    faults.before([&](Call call, int n) {
        while (call == Call::read && n > 20000 && !cancel.cancelled()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    });
    std::size_t reported = 0;
    listing = list_folder(jail, "", FilterMode::content, cancel, [&](std::size_t checked, std::size_t total) {
        CHECK(total == 25000);
        CHECK(checked > reported);
        reported = checked;
        if (checked > 5000) cancel.cancel();
    });
    CHECK(listing.cancelled);
    CHECK(reported > 5000);
    CHECK(listing.files.size() < 25000);
    wait_for_threads();
}
