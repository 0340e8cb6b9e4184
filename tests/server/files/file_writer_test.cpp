#include "server/files/file_writer.hpp"
#include "server/files/temporary_names.hpp"
#include "tests/support/faulty_os.hpp"
#include "tests/support/random_seed.hpp"
#include "tests/support/temporary_folder.hpp"

#include <atomic>
#include <csignal>
#include <cstdio>
#include <doctest/doctest.h>
#include <fitsio.h>
#include <iterator>
#include <random>
#include <set>
#include <sys/file.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

using namespace cubelink::server;
using cubelink::platform::JoiningThread;
using cubelink::test::Call;
using cubelink::test::FaultyOs;
using cubelink::test::TemporaryFolder;
namespace fs = std::filesystem;
using Reason = WriteError::Reason;

namespace {

std::string content(const fs::path& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

std::set<std::string> names_in(const fs::path& folder) {
    std::set<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder)) names.insert(entry.path().filename().string());
    return names;
}

std::ptrdiff_t open_descriptors() { return std::distance(fs::directory_iterator("/proc/self/fd"), {}); }

WriteOptions overwriting() {
    WriteOptions options;
    options.overwrite = true;
    return options;
}

void write(const Jail& jail, std::string_view name, std::string_view text, WriteOptions options = {}, std::string_view directory = "") {
    FileWriter out(jail, directory, name, std::move(options));
    out.write(text);
    out.commit();
}

/// Why that is not written; no value if it is.
std::optional<Reason> reason_of(const Jail& jail, std::string_view name, WriteOptions options = {}, std::string_view directory = "") {
    try {
        write(jail, name, "new", std::move(options), directory);
    } catch (const WriteError& error) { return error.reason(); }
    return {};
}

std::string pattern(std::size_t size, char first) {
    std::string text(size, ' ');
    for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>(first + static_cast<char>(i % 23));
    return text;
}

} // namespace

TEST_CASE("a file appears at commit, whole") {
    TemporaryFolder folder;
    fs::create_directory(folder.path("sub"));
    const Jail jail(folder.text());
    FaultyOs faults;
    bool unnamed = true;
    SUBCASE("with O_TMPFILE") { unnamed = true; }
    SUBCASE("without") { unnamed = false; }
    if (!unnamed) faults.no_unnamed_files();
    {
        FileWriter out(jail, "sub", "a.reg", {});
        CHECK(out.relative() == "sub/a.reg");
        out.reserve(1 << 20);
        out.write("first ");
        out.write("second");
        CHECK_FALSE(fs::exists(folder.path("sub/a.reg")));
        CHECK(names_in(folder.path("sub")).size() == (unnamed ? 0 : 1));
        out.commit();
        CHECK(content(folder.path("sub/a.reg")) == "first second");
        CHECK_THROWS_AS(out.commit(), WriteError);
    }
    CHECK(names_in(folder.path("sub")) == std::set<std::string>{"a.reg"});
    { // not committed
        FileWriter out(jail, "", "b.reg", {});
        out.write("x");
    }
    CHECK(names_in(folder.path()) == std::set<std::string>{"sub"});
    // Overwriting keeps permissions.
    fs::permissions(folder.path("sub/a.reg"), fs::perms::owner_read | fs::perms::owner_write | fs::perms::group_read);
    CHECK(reason_of(jail, "a.reg", {}, "sub") == Reason::exists);
    CHECK(content(folder.path("sub/a.reg")) == "first second");
    write(jail, "sub/a.reg", "third", overwriting());
    CHECK(content(folder.path("sub/a.reg")) == "third");
    CHECK((fs::status(folder.path("sub/a.reg")).permissions() & fs::perms::mask) == (fs::perms::owner_read | fs::perms::owner_write | fs::perms::group_read));
    CHECK(names_in(folder.path("sub")) == std::set<std::string>{"a.reg"});
}

TEST_CASE("short writes are continued") {
    TemporaryFolder folder;
    const Jail jail(folder.text());
    FaultyOs faults;
    faults.short_writes(7);
    const std::string text = pattern(1000, '0');
    write(jail, "a", text);
    CHECK(content(folder.path("a")) == text);
}

TEST_CASE("parts come in any order, from several threads") {
    TemporaryFolder folder;
    const Jail jail(folder.text());
    const std::string text = pattern(100'000, '0');
    constexpr std::size_t part = 1000;
    {
        FileWriter out(jail, "", "a", {});
        out.reserve(text.size());
        {
            std::vector<JoiningThread> threads;
            for (std::size_t first = 0; first < 4; ++first)
                threads.emplace_back(std::thread([&, first] {
                    for (std::size_t i = 0; i < 25; ++i) {
                        const std::size_t at = ((99 - i * 4 - first) * part);
                        out.write_at(at, std::as_bytes(std::span(text).subspan(at, part)));
                    }
                }));
        }
        out.commit();
    }
    CHECK(content(folder.path("a")) == text);
    FaultyOs faults;
    {
        FileWriter out(jail, "", "b", {});
        faults.full_after(1500);
        out.write_at(5000, std::as_bytes(std::span(text).first(part)));
        CHECK_THROWS_AS(out.write_at(0, std::as_bytes(std::span(text).first(part))), WriteError);
        faults.heal();
        CHECK_THROWS_AS(out.commit(), WriteError);
    }
    CHECK(names_in(folder.path()) == std::set<std::string>{"a"});
}

TEST_CASE("who may not write, doesn't; and nothing outside is written") {
    TemporaryFolder folder, outside;
    outside.write("there", "old");
    folder.write("in/file", "x");
    fs::create_directory_symlink(outside.path(), folder.path("out"));
    fs::create_symlink(outside.path("there"), folder.path("link"));
    fs::create_symlink(outside.path("absent"), folder.path("dangling"));
    const Jail jail(folder.text());
    WriteOptions refused;
    refused.refusal = "This server is read-only: it writes no files.";
    CHECK(reason_of(jail, "new", refused) == Reason::refused);
    try {
        write(jail, "new", "x", refused);
    } catch (const WriteError& error) { CHECK(std::string(error.what()) == refused.refusal); }

    for (const auto& [directory, name] : std::initializer_list<std::pair<std::string, std::string>>{
             {"..", "new"},
             {"", "../new"},
             {"in", "../../new"},
             {"in/../..", "new"},
             {"out", "new"},
             {"out", "there"},
             {"", "out/new"},
             {outside.text(), "new"},
             {"", outside.path("new").string()},
             {"", "/new"},
             {"/etc", "new"},
             {"", std::string("a\0b", 3)},
         }) {
        const std::string shown = directory + " | " + name;
        INFO(shown);
        CHECK_THROWS_AS(write(jail, name, "x", overwriting(), directory), ForbiddenPath);
    }
    CHECK(names_in(outside.path()) == std::set<std::string>{"there"});
    CHECK(content(outside.path("there")) == "old");

    for (const std::string name : {"", ".", "in/..", ".cubelink-0123456789abcdef.part", ".cubelink-x", "new\nline", "bad\xFF", "missing/new", "in/file/new"}) {
        INFO(name);
        CHECK_THROWS_AS(write(jail, name, "x", overwriting()), PathError);
    }
    CHECK_THROWS_AS(write(jail, std::string(256, 'n'), "x"), PathError);
    write(jail, std::string(255, 'n'), "x");
    for (const auto* name : {"link", "dangling", "in", "out"}) CHECK(reason_of(jail, name, overwriting()) == Reason::not_file);
    ::mkfifo(folder.path("pipe").c_str(), 0600);
    CHECK(reason_of(jail, "pipe", overwriting()) == Reason::not_file);

    // Where links may lead, files may be written.
    const Jail wider(folder.text(), {outside.text()});
    write(wider, "new", "x", {}, "out");
    CHECK(content(outside.path("new")) == "x");
    CHECK(reason_of(wider, "link", overwriting()) == Reason::not_file);
    CHECK(content(outside.path("there")) == "old");
}

TEST_CASE("a file that is shown under another name is replaced by it") {
    TemporaryFolder folder;
    folder.write("a\xFE.reg", "old");
    const Jail jail(folder.text());
    CHECK(reason_of(jail, "a\xEF\xBF\xBD""FE.reg") == Reason::exists);
    write(jail, "a\xEF\xBF\xBD""FE.reg", "new", overwriting());
    CHECK(content(folder.path("a\xFE.reg")) == "new");
    CHECK(names_in(folder.path()).size() == 1);
}

TEST_CASE("write-protected files stay") {
    if (::geteuid() == 0) return; // root may write them
    TemporaryFolder folder;
    folder.write("a", "old");
    fs::permissions(folder.path("a"), fs::perms::owner_read);
    const Jail jail(folder.text());
    CHECK(reason_of(jail, "a", overwriting()) == Reason::not_file);
    CHECK(content(folder.path("a")) == "old");
}

TEST_CASE("an open source is not replaced, whenever it was opened") {
    TemporaryFolder folder;
    folder.write("a.fits", "old");
    fs::create_hard_link(folder.path("a.fits"), folder.path("same.fits"));
    const Jail jail(folder.text());
    struct stat status;
    REQUIRE(::stat(folder.path("a.fits").c_str(), &status) == 0);
    bool opened = true;
    WriteOptions options = overwriting();
    options.is_open = [&](std::uint64_t device, std::uint64_t inode) { return opened && device == status.st_dev && inode == status.st_ino; };
    CHECK(reason_of(jail, "a.fits", options) == Reason::open);
    CHECK(reason_of(jail, "same.fits", options) == Reason::open); // the same file by another name
    CHECK_FALSE(reason_of(jail, "b.fits", options));
    WriteOptions not_overwriting = options;
    not_overwriting.overwrite = false;
    CHECK(reason_of(jail, "a.fits", not_overwriting) == Reason::open); // confirming would not help
    // Opened while it was written.
    opened = false;
    FileWriter out(jail, "", "a.fits", options);
    out.write("new");
    opened = true;
    CHECK_THROWS_AS(out.commit(), WriteError);
    CHECK(content(folder.path("a.fits")) == "old");
    opened = false;
    write(jail, "a.fits", "new", options);
    CHECK(content(folder.path("a.fits")) == "new");
    CHECK(content(folder.path("same.fits")) == "old");
}

TEST_CASE("a full disk is an error of its own, and leaves nothing") {
    TemporaryFolder folder;
    folder.write("a", "old");
    const Jail jail(folder.text());
    const std::string text = pattern(100000, '0');
    for (const bool unnamed : {true, false})
        for (const std::uint64_t space : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{99999}}) {
            FaultyOs faults;
            if (!unnamed) faults.no_unnamed_files();
            faults.full_after(space);
            std::string message;
            try {
                write(jail, "a", text, overwriting());
            } catch (const WriteError& error) {
                CHECK(error.reason() == Reason::no_space);
                message = error.what();
            }
            CHECK(message == "\"a\" could not be written: No space left on device.");
            CHECK(content(folder.path("a")) == "old");
            CHECK(names_in(folder.path()) == std::set<std::string>{"a"});
            FileWriter out(jail, "", "b", {});
            faults.fail(Call::allocate, 1, ENOSPC);
            CHECK_THROWS_AS(out.reserve(1'000'000), WriteError);
            CHECK_THROWS_AS(out.commit(), WriteError);
        }
}

TEST_CASE("whichever call fails, there is the old file or the new one, and nothing else") {
    const std::string text = pattern(5000, '0');
    const auto descriptors = open_descriptors();
    for (const bool unnamed : {true, false})
        for (const bool replacing : {false, true})
            for (const int error : {EIO, ENOSPC, EACCES, EINVAL, EEXIST, ENOENT}) {
                bool reached = true;
                int failures = 0;
                for (int n = 1; reached; ++n) {
                    TemporaryFolder folder;
                    if (replacing) folder.write("a", "old");
                    {
                        const Jail jail(folder.text());
                        FaultyOs faults;
                        if (!unnamed) faults.no_unnamed_files();
                        faults.short_writes(2000);
                        bool written = true;
                        faults.fail_any(n, error);
                        try {
                            write(jail, "a", text, overwriting());
                        } catch (const PathError&) {
                            written = false;
                            ++failures;
                        }
                        reached = faults.count() >= n;
                        INFO("call " << n << ", error " << error << ", unnamed " << unnamed << ", replacing " << replacing);
                        const std::string found = fs::exists(folder.path("a")) ? content(folder.path("a")) : "";
                        if (written) CHECK((found == text));
                        else CHECK((found == text || found == (replacing ? "old" : "")));
                        // What could not be removed goes with the next writer.
                        faults.heal();
                        if (!unnamed) faults.no_unnamed_files();
                        write(jail, "b", "x");
                        for (const auto& name : names_in(folder.path())) CHECK((name == "a" || name == "b"));
                    }
                }
                CHECK(failures > 5);
            }
    CHECK(open_descriptors() == descriptors);
}

TEST_CASE("file systems without hard links, without exclusive renaming, without locks, without reserving") {
    TemporaryFolder folder;
    const Jail jail(folder.text());
    int number = 0;
    for (const bool links : {true, false})
        for (const bool exclusive : {true, false})
            for (const bool locks : {true, false}) {
                FaultyOs faults;
                faults.no_unnamed_files();
                if (!links) faults.fail_from(Call::link, 1, EPERM);
                if (!exclusive) faults.fail(Call::rename, 1, EINVAL); // the first: RENAME_NOREPLACE
                if (!locks) faults.fail_from(Call::lock, 1, ENOLCK);
                faults.fail_from(Call::allocate, 1, EOPNOTSUPP);
                const std::string name = "f" + std::to_string(number++);
                FileWriter out(jail, "", name, {});
                out.reserve(100);
                out.write("content");
                out.commit();
                CHECK(content(folder.path(name)) == "content");
                CHECK(reason_of(jail, name) == Reason::exists);
                CHECK(names_in(folder.path()).size() == static_cast<std::size_t>(number));
            }
}

TEST_CASE("leftovers of the dead are removed, files of the living are not") {
    TemporaryFolder folder;
    const Jail jail(folder.text());
    CHECK(is_temporary_name(temporary_name()));
    CHECK(temporary_name() != temporary_name());
    for (const auto* name : {".cubelink-0123456789abcdef.par", ".cubelink-0123456789abcdeF.part", ".cubelink-.part", "cubelink-0123456789abcdef.part", ".cubelink-0123456789abcdeff.part"})
        CHECK_FALSE(is_temporary_name(name));
    folder.write(".cubelink-0123456789abcdef.part", "half");
    folder.write(".cubelink-mine.part", "someone's");
    fs::create_directory(folder.path(".cubelink-0123456789abcde0.part"));
    fs::create_symlink("/etc/passwd", folder.path(".cubelink-0123456789abcde1.part"));
    {
        FaultyOs faults;
        faults.no_unnamed_files();
        FileWriter living(jail, "", "slow", {});
        living.write("a");
        write(jail, "quick", "x");
        CHECK(names_in(folder.path()).size() == 5); // quick, slow's, and three that are none of ours
        CHECK_FALSE(fs::exists(folder.path(".cubelink-0123456789abcdef.part")));
        living.write("b");
        living.commit();
        CHECK(content(folder.path("slow")) == "ab");
    }
    // Without locks, age decides.
    folder.write(".cubelink-0123456789abcdef.part", "half");
    FaultyOs faults;
    faults.fail_from(Call::lock, 1, ENOLCK);
    write(jail, "next", "x");
    CHECK(fs::exists(folder.path(".cubelink-0123456789abcdef.part")));
    faults.advance(std::chrono::hours(25));
    write(jail, "last", "x");
    CHECK_FALSE(fs::exists(folder.path(".cubelink-0123456789abcdef.part")));
}

TEST_CASE("a writer that is killed leaves the old file or the new one") {
    const unsigned seed = cubelink::test::random_seed();
    MESSAGE("seed " << seed);
    std::mt19937 random(seed);
    TemporaryFolder folder;
    const Jail jail(folder.text());
    const std::string even = pattern(50000, '0'), odd = pattern(60000, 'A');
    int died = 0;
    for (int round = 0; round < 60; ++round) {
        const bool unnamed = round % 2 == 0;
        const unsigned delay = random() % 4000;
        const pid_t child = ::fork();
        REQUIRE(child >= 0);
        if (child == 0) {
            FaultyOs faults;
            if (!unnamed) faults.no_unnamed_files();
            for (int i = 0;; ++i) {
                try {
                    write(jail, "a", i % 2 ? odd : even, overwriting());
                    if (i % 8 == 7) ::unlink(folder.path("a").c_str());
                } catch (...) { ::_exit(1); }
            }
        }
        ::usleep(1000 + delay);
        ::kill(child, SIGKILL);
        int status = 0;
        REQUIRE(::waitpid(child, &status, 0) == child);
        died += WIFSIGNALED(status);
        if (fs::exists(folder.path("a"))) {
            const auto found = content(folder.path("a"));
            CHECK((found == even || found == odd));
        }
        for (const auto& name : names_in(folder.path())) CHECK((name == "a" || name == "b" || is_temporary_name(name)));
        write(jail, "b", "x", overwriting()); // any writer in that folder cleans up
        for (const auto& name : names_in(folder.path())) CHECK((name == "a" || name == "b"));
    }
    CHECK(died == 60);
}

TEST_CASE("of two writers of a new name one wins; of two that overwrite, both, one after the other") {
    TemporaryFolder folder;
    const Jail jail(folder.text());
    const std::string one = pattern(20000, '0'), two = pattern(30000, 'A');
    for (const bool unnamed : {true, false})
        for (const bool overwrite : {false, true})
            for (int round = 0; round < 40; ++round) {
                FaultyOs faults;
                if (!unnamed) faults.no_unnamed_files();
                std::filesystem::remove(folder.path("a"));
                std::atomic<int> ready{0}, written{0}, existed{0}, others{0};
                const auto contend = [&](const std::string& text) {
                    try {
                        WriteOptions options;
                        options.overwrite = overwrite;
                        FileWriter out(jail, "", "a", options);
                        out.write(text);
                        ++ready;
                        while (ready < 2) std::this_thread::yield();
                        out.commit();
                        ++written;
                    } catch (const WriteError& error) { ++(error.reason() == Reason::exists ? existed : others); }
                };
                {
                    JoiningThread first(std::thread([&] { contend(one); })), second(std::thread([&] { contend(two); }));
                }
                CHECK(written == (overwrite ? 2 : 1));
                CHECK(existed == (overwrite ? 0 : 1));
                CHECK(others == 0);
                const auto found = content(folder.path("a"));
                CHECK((found == one || found == two));
                CHECK(names_in(folder.path()) == std::set<std::string>{"a"});
            }
}

TEST_CASE("a folder or a name that is exchanged for a link meanwhile gains nothing") {
    TemporaryFolder folder, outside;
    outside.write("a", "secret");
    fs::create_directory(folder.path("real"));
    fs::create_directory(folder.path("spare"));
    const Jail jail(folder.text());
    std::atomic<bool> stop{false};
    JoiningThread attacker(std::thread([&] {
        std::error_code ignored;
        for (int i = 0; !stop; ++i) {
            // "sub" is, by turns, a folder, a link to the outside and nothing; "sub/a" and "real/a" likewise links.
            fs::create_directory_symlink(i % 2 ? outside.path() : fs::path("real"), folder.path("next"), ignored);
            fs::rename(folder.path("next"), folder.path("sub"), ignored);
            fs::create_symlink(outside.path("a"), folder.path("next"), ignored);
            fs::rename(folder.path("next"), folder.path("real/a"), ignored);
            fs::remove(folder.path("real/a"), ignored);
        }
    }));
    int written = 0, refused = 0;
    for (int i = 0; i < 3000 && (written < 40 || refused < 40); ++i) {
        try {
            write(jail, "a", "new", overwriting(), "sub");
            ++written;
        } catch (const PathError&) { ++refused; }
    }
    stop = true;
    attacker.join();
    MESSAGE(written << " written, " << refused << " refused");
    CHECK(written + refused > 0);
    CHECK(names_in(outside.path()) == std::set<std::string>{"a"});
    CHECK(content(outside.path("a")) == "secret");
}

TEST_CASE("exchanged at every single step") {
    for (int step = 1; step < 60; ++step) {
        TemporaryFolder folder, outside;
        outside.write("a", "secret");
        fs::create_directory(folder.path("sub"));
        const Jail jail(folder.text());
        FaultyOs faults;
        std::atomic<int> calls{0};
        std::atomic<bool> exchanged{false};
        faults.before([&](Call, int) {
            if (++calls != step) return;
            fs::rename(folder.path("sub"), outside.path("moved")); // the open folder itself leaves the jail
            fs::create_directory_symlink(outside.path("moved"), folder.path("sub"));
            exchanged = true;
        });
        bool written = false;
        try {
            write(jail, "a", "new", overwriting(), "sub");
            written = true;
        } catch (const PathError&) {} // NOLINT(bugprone-empty-catch)
        INFO("step " << step);
        if (!exchanged) {
            CHECK(written);
            break;
        }
        // Moved after the last look at where the folder is, it takes the file along, as if moved just after. Before that nothing is written.
        if (!written) CHECK(names_in(outside.path("moved")).empty());
        CHECK(content(outside.path("a")) == "secret");
        CHECK(names_in(outside.path()) == std::set<std::string>{"a", "moved"});
    }
}

TEST_CASE("cfitsio writes through the descriptor's path") {
    TemporaryFolder folder;
    const Jail jail(folder.text());
    FileWriter out(jail, "", "new.fits", {});
    std::string header = "SIMPLE  =                    T" + std::string(50, ' ') + "BITPIX  =                    8" + std::string(50, ' ') +
                         "NAXIS   =                    0" + std::string(50, ' ') + "END";
    header.resize(2880, ' ');
    out.write(header);
    fitsfile* file = nullptr;
    int status = 0;
    fits_open_diskfile(&file, out.descriptor_path().c_str(), READWRITE, &status);
    REQUIRE(status == 0);
    long axes[] = {16, 8};
    fits_resize_img(file, FLOAT_IMG, 2, axes, &status);
    std::vector<float> pixels(128);
    for (std::size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<float>(i) / 3;
    fits_write_img(file, TFLOAT, 1, 128, pixels.data(), &status);
    fits_close_file(file, &status);
    REQUIRE(status == 0);
    out.commit();

    fits_open_diskfile(&file, folder.path("new.fits").c_str(), READONLY, &status);
    std::vector<float> read(128);
    fits_read_img(file, TFLOAT, 1, 128, nullptr, read.data(), nullptr, &status);
    fits_close_file(file, &status);
    CHECK(status == 0);
    CHECK(read == pixels);
    CHECK(names_in(folder.path()) == std::set<std::string>{"new.fits"});
}
