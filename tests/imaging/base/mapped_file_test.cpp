// Files that fail while they are mapped: the reader sees it, nothing else happens.

#include "imaging/base/mapped_file.hpp"
#include "imaging/base/parallel.hpp"
#include "tests/support/faulty_os.hpp"
#include "tests/support/temporary_folder.hpp"

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <filesystem>
#include <string>
#include <sys/mman.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

using namespace cubelink::imaging;
using cubelink::test::FaultyOs;
using cubelink::test::TemporaryFolder;

namespace {

const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));

class OpenFile {
public:
    OpenFile(const TemporaryFolder& folder, std::size_t size) : path_(folder.write("mapped", std::string(size, 'x'))), descriptor_(::open(path_.c_str(), O_RDWR | O_CLOEXEC)) {}
    ~OpenFile() { ::close(descriptor_); }
    OpenFile(const OpenFile&) = delete;
    OpenFile& operator=(const OpenFile&) = delete;
    int descriptor() const { return descriptor_; }
    void resize(std::size_t size) const { REQUIRE(::ftruncate(descriptor_, static_cast<off_t>(size)) == 0); }

private:
    std::filesystem::path path_;
    int descriptor_;
};

/// Sum over one byte of each page, which the compiler can't leave out.
std::size_t touch(const MappedFile& mapping) {
    std::size_t sum = 0;
    for (std::size_t at = 0; at < mapping.size(); at += page) sum += static_cast<std::size_t>(*static_cast<const volatile std::byte*>(mapping.data() + at));
    return sum;
}

/// What became of a child process that does this.
template <class Body>
int status_of(Body body) {
    const pid_t child = ::fork();
    if (child == 0) {
        body();
        ::_exit(0);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return status;
}

} // namespace

TEST_CASE("bytes of a file, from any offset") {
    const TemporaryFolder folder;
    const OpenFile file(folder, 3 * page + 100);
    REQUIRE(::pwrite(file.descriptor(), "abc", 3, static_cast<off_t>(page + 17)) == 3);
    const auto mapping = MappedFile::map(file.descriptor(), static_cast<std::int64_t>(page + 17), page);
    REQUIRE(mapping);
    CHECK(mapping->data()[0] == std::byte{'a'});
    CHECK(mapping->data()[2] == std::byte{'c'});
    CHECK(mapping->data()[page - 1] == std::byte{'x'});
    mapping->prefetch(0, page);
    mapping->release_pages();
    CHECK(mapping->data()[1] == std::byte{'b'});
    CHECK_FALSE(mapping->failed());
    CHECK_FALSE(MappedFile::map(file.descriptor(), 0, 0));
}

TEST_CASE("a file that shrinks under a mapping: zeros and a flag, for that mapping alone") {
    const TemporaryFolder folder, other_folder;
    const OpenFile file(folder, 64 * page), other(other_folder, 64 * page);
    const auto mapping = MappedFile::map(file.descriptor(), 0, 64 * page), untouched = MappedFile::map(other.descriptor(), 0, 64 * page);
    REQUIRE(mapping);
    CHECK(touch(*mapping) == 64 * std::size_t{'x'});
    file.resize(10 * page);
    errno = 4711;
    CHECK(touch(*mapping) < 64 * std::size_t{'x'});
    CHECK(errno == 4711);
    CHECK(mapping->failed());
    CHECK(touch(*mapping) == 0);
    CHECK(touch(*untouched) == 64 * std::size_t{'x'});
    CHECK_FALSE(untouched->failed());
    // The file has grown again: another mapping sees it.
    file.resize(64 * page);
    const auto again = MappedFile::map(file.descriptor(), 0, 64 * page);
    CHECK(touch(*again) == 10 * std::size_t{'x'});
    CHECK_FALSE(again->failed());
}

TEST_CASE("many threads touch what is gone, in parallel loops too, while others come and go") {
    const TemporaryFolder folder, other_folder;
    const OpenFile file(folder, 256 * page), other(other_folder, 4 * page);
    std::atomic<bool> done{false};
    std::atomic<int> wrong{0};
    std::thread coming_and_going([&] {
        while (!done) {
            const auto mapping = MappedFile::map(other.descriptor(), 0, 4 * page);
            if (!mapping || touch(*mapping) != 4 * std::size_t{'x'} || mapping->failed()) ++wrong;
        }
    });
    for (int round = 0; round < 20; ++round) {
        file.resize(256 * page);
        const auto mapping = MappedFile::map(file.descriptor(), 0, 256 * page);
        REQUIRE(mapping);
        file.resize(0);
        parallel_for(4, 256, {}, [&](std::int64_t i, int) {
            if (*static_cast<const volatile std::byte*>(mapping->data() + static_cast<std::size_t>(i) * page) != std::byte{0}) ++wrong;
            if (!mapping->failed()) ++wrong;
        });
    }
    done = true;
    coming_and_going.join();
    CHECK(wrong == 0);
}

TEST_CASE("a kept mapping is made when it is needed, and again after it failed") {
    const TemporaryFolder folder;
    const OpenFile file(folder, 4 * page);
    KeptMapping kept(file.descriptor(), 0, 4 * page);
    const auto first = kept.get();
    REQUIRE(first);
    CHECK(kept.get() == first);
    kept.touched(1 << 20);
    CHECK(kept.get() == first);
    kept.replace(nullptr);
    CHECK(kept.get() == first);
    kept.replace(first);
    const auto second = kept.get();
    REQUIRE(second);
    CHECK(second != first);
    kept.replace(first); // by another reader, too late
    CHECK(kept.get() == second);
}

TEST_CASE("where nothing can be mapped there is no mapping, and no error") {
    const TemporaryFolder folder;
    const OpenFile file(folder, 4 * page);
    FaultyOs os;
    const cubelink::platform::OsOverride in_place(os);
    KeptMapping kept(file.descriptor(), 0, 4 * page);
    os.fail(cubelink::test::Call::map, 1, ENOMEM);
    CHECK_FALSE(kept.get());
    CHECK(kept.get()); // it may have been for a moment
}

TEST_CASE("bus errors that are not ours do what they did before") {
    const TemporaryFolder folder;
    const OpenFile file(folder, 4 * page);
    REQUIRE(MappedFile::map(file.descriptor(), 0, page)); // the handler is installed
    // Under a sanitizer its own handler reports and ends the process; otherwise the signal does.
    const auto died = [](int status) { return !WIFEXITED(status) || WEXITSTATUS(status) != 0; };
    CHECK(died(status_of([] {
        ::close(2);
        ::raise(SIGBUS);
    })));
    CHECK(died(status_of([&] {
        ::close(2);
        const auto* plain = static_cast<const volatile char*>(::mmap(nullptr, 8 * page, PROT_READ, MAP_SHARED, file.descriptor(), 0));
        static_cast<void>(plain[6 * page]);
    })));
}
