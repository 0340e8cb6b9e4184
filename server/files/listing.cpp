#include "server/files/listing.hpp"

#include "platform/mutex.hpp"
#include "server/files/file_names.hpp"
#include "server/files/listing_threads.hpp"
#include "server/files/natural_order.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <exception>
#include <memory>
#include <optional>
#include <system_error>
#include <utility>

namespace cubelink::server {

using platform::MutexLock;
using platform::os;
using Progress = std::function<void(std::size_t, std::size_t)>;

namespace {

constexpr auto poll_interval = std::chrono::milliseconds(20);
constexpr auto cancel_grace = std::chrono::milliseconds(60); // for threads that are about to notice
constexpr auto patience = std::chrono::seconds(30);
constexpr std::size_t progress_step = 64;        // entries
constexpr std::size_t entries_for_threads = 256; // fewer are looked at faster by one

struct Entry {
    std::string bytes; // of its name
    std::optional<ListedFile> file;
    std::optional<ListedFolder> folder;
};

std::string parent_of(const std::string& relative) {
    if (relative.empty()) return "";
    const auto slash = relative.rfind('/');
    return slash == std::string::npos ? "." : relative.substr(0, slash);
}

[[noreturn]] void fail(const std::string& relative, int error) {
    throw PathError("\"" + relative + "\": " + std::generic_category().message(error) + ".");
}

/// One listing. Its threads share it and keep it alive, also when the caller has left.
class Work : public std::enable_shared_from_this<Work> {
public:
    Work(const Jail& jail, std::string directory, FilterMode mode, ListedKind listed, imaging::CancelToken cancel, int threads)
        : jail_(jail), directory_(std::move(directory)), mode_(mode), listed_(listed), cancel_(std::move(cancel)), threads_(threads) {}

    /// Lists, in the calling thread and others. Never throws: errors are for take().
    void run(const Progress& progress = {}) {
        Listing listing;
        try {
            listing = list(progress);
        } catch (...) { note_error(); }
        wait_for_helpers();
        const MutexLock lock(mutex_);
        if (!error_) {
            listing.cancelled = stopped();
            for (auto& entry : entries_) {
                if (entry.file) listing.files.push_back(std::move(*entry.file));
                if (entry.folder) listing.folders.push_back(std::move(*entry.folder));
            }
            const auto by_name = [](const auto& a, const auto& b) { return natural_less(a.name, b.name); };
            std::sort(listing.files.begin(), listing.files.end(), by_name);
            std::sort(listing.folders.begin(), listing.folders.end(), by_name);
        }
        result_ = std::move(listing);
        unanswering_.reset();
        done_ = true;
        changed_.notify_all();
    }

    /// Waits until it is done, it is cancelled, or nothing moves any more. Its threads stop soon after this returns or throws.
    Listing wait(const Progress& progress) {
        struct StopAtEnd {
            std::atomic<bool>& stop;
            ~StopAtEnd() { stop = true; }
        } const stop_at_end{stop_};
        std::uint64_t steps = ~std::uint64_t{0};
        std::size_t reported = 0;
        std::chrono::steady_clock::time_point moved, cancelled;
        for (bool was_cancelled = false;;) {
            {
                MutexLock lock(mutex_);
                if (!done_) changed_.wait_for(lock, poll_interval);
                if (done_) break;
            }
            const auto now = os().steady_now();
            if (cancel_.cancelled()) {
                if (!was_cancelled) cancelled = now;
                was_cancelled = true;
                if (now - cancelled < cancel_grace) continue;
                if (!abandon()) break;
                Listing nothing;
                nothing.cancelled = true;
                return nothing;
            }
            const std::size_t checked = checked_;
            if (progress && checked >= reported + progress_step) {
                reported = checked;
                progress(checked, total_);
            }
            if (const auto taken = steps_.load(); taken != steps) {
                steps = taken;
                moved = now;
            } else if (now - moved > patience) {
                if (!abandon()) break;
                throw PathError("\"" + shown_name(directory_) + "\" does not answer.");
            }
        }
        return take();
    }

    /// The result. The work is done.
    Listing take() {
        const MutexLock lock(mutex_);
        // Taken out, so that no other thread releases it.
        if (const auto error = std::exchange(error_, nullptr)) std::rethrow_exception(error);
        return std::move(result_);
    }

private:
    const Jail jail_;
    const std::string directory_;
    const FilterMode mode_;
    const ListedKind listed_;
    const imaging::CancelToken cancel_;
    const int threads_;
    std::atomic<bool> stop_{false};
    std::atomic<std::uint64_t> steps_{0}; // grows as long as the file system answers
    std::atomic<std::size_t> next_{0}, checked_{0}, total_{0};
    Descriptor folder_;
    std::vector<Entry> entries_; // complete before helpers start; then each is used by the thread that took its index

    platform::Mutex mutex_;
    platform::CondVar changed_;
    int helpers_ CUBELINK_GUARDED_BY(mutex_) = 0;
    std::exception_ptr error_ CUBELINK_GUARDED_BY(mutex_); // the first
    Listing result_ CUBELINK_GUARDED_BY(mutex_);
    bool done_ CUBELINK_GUARDED_BY(mutex_) = false;
    std::unique_ptr<UnansweringFolder> unanswering_ CUBELINK_GUARDED_BY(mutex_);

    bool stopped() const { return stop_.load(std::memory_order_relaxed) || cancel_.cancelled(); }
    /// Counts a step; false if there should be no more.
    bool step() {
        steps_.fetch_add(1, std::memory_order_relaxed);
        return !stopped();
    }

    /// False if it is done after all.
    bool abandon() {
        const MutexLock lock(mutex_);
        if (done_) return false;
        unanswering_ = std::make_unique<UnansweringFolder>(jail_.folder() + "/" + directory_);
        return true;
    }

    /// Of the exception that is being handled, as PathError.
    void note_error() {
        std::exception_ptr error;
        try {
            throw;
        } catch (const PathError&) {
            error = std::current_exception();
        } catch (const std::exception& e) {
            error = std::make_exception_ptr(PathError("\"" + shown_name(directory_) + "\" could not be listed: " + e.what() + "."));
        } catch (...) { error = std::current_exception(); }
        stop_ = true;
        const MutexLock lock(mutex_);
        if (!error_) error_ = error;
    }

    Listing list(const Progress& progress) {
        const JailedPath asked = jail_.open_folder(directory_);
        Listing listing;
        listing.directory = asked.relative;
        listing.parent = parent_of(asked.relative);
        folder_ = Descriptor(os().open(path_through(asked.descriptor).c_str(), O_RDONLY | O_DIRECTORY));
        if (!folder_) fail(asked.relative, errno);
        step();

        if (mode_ == FilterMode::all_files && listed_ == ListedKind::images && !asked.relative.empty()) {
            // CARTA's page asks so whether a folder is an image: another directory in the answer says that it is.
            const FileKind kind = kind_of_folder(folder_.get());
            if (kind != FileKind::unknown) {
                listing.directory = listing.parent == "." ? "" : listing.parent;
                listing.parent = parent_of(listing.directory);
                listing.files.push_back({asked.name, kind, size_of(folder_), asked.status.st_mtime});
                return listing;
            }
        }
        read_names(asked.relative);
        total_ = entries_.size();
        if (entries_.size() > entries_for_threads) start_helpers();
        check_entries(progress);
        return listing;
    }

    void read_names(const std::string& relative) {
        const FolderStream stream = entries_of(folder_.get());
        if (!stream) fail(relative, errno);
        while (step()) {
            const dirent* found = os().readdir(stream.get());
            if (found == nullptr && errno != 0) fail(relative, errno);
            if (found == nullptr) return;
            if (found->d_name[0] != '.') entries_.push_back({found->d_name, {}, {}});
        }
    }

    void start_helpers() {
        for (int i = 1; i < threads_; ++i) {
            {
                const MutexLock lock(mutex_);
                ++helpers_;
            }
            const auto started = start_listing_thread(threads_, [self = shared_from_this()] {
                try {
                    self->check_entries({});
                } catch (...) { self->note_error(); }
                self->helper_ended();
            });
            if (started == ThreadStart::started) continue;
            helper_ended(); // fewer do it
            return;
        }
    }

    void helper_ended() {
        const MutexLock lock(mutex_);
        --helpers_;
        changed_.notify_all();
    }

    void wait_for_helpers() {
        MutexLock lock(mutex_);
        changed_.wait(lock, [this]() CUBELINK_REQUIRES(mutex_) { return helpers_ == 0; });
    }

    void check_entries(const Progress& progress) {
        for (std::size_t i; !stopped() && (i = next_.fetch_add(1)) < entries_.size();) {
            check(entries_[i]);
            step();
            const auto n = checked_.fetch_add(1) + 1;
            if (n % progress_step != 0) continue;
            if (progress) progress(n, entries_.size());
            else changed_.notify_all();
        }
    }

    std::int64_t size_of(const Descriptor& folder) {
        return size_of_folder(folder.get(), [this] { return step(); });
    }

    std::int32_t count_items(const Descriptor& folder) {
        const FolderStream entries = folder ? entries_of(folder.get()) : nullptr;
        if (!entries) return -1;
        std::int32_t n = 0;
        while (const dirent* entry = os().readdir(entries.get())) {
            const std::string_view item = entry->d_name;
            if (item != "." && item != ".." && n < INT32_MAX) ++n;
            if (!step()) break;
        }
        return n;
    }

    /// Fills in what one entry is; nothing if it is gone, or can't be looked at. Links count as what they lead to, if they may lead there.
    void check(Entry& entry) {
        const char* name = entry.bytes.c_str();
        int flags = O_NOFOLLOW; // what is opened is what was looked at, and no link that has taken its place
        std::string through;
        struct stat status;
        if (os().fstatat(folder_.get(), name, &status, AT_SYMLINK_NOFOLLOW) != 0) return;
        Descriptor target;
        if (S_ISLNK(status.st_mode)) {
            target = Descriptor(os().openat(folder_.get(), name, O_PATH));
            if (!target || os().fstat(target.get(), &status) != 0 || !jail_.contains(target)) return;
            through = path_through(target);
            name = through.c_str();
            flags = 0;
        }
        if (S_ISDIR(status.st_mode)) {
            FileKind kind = FileKind::unknown;
            const Descriptor opened(os().openat(folder_.get(), name, O_RDONLY | O_DIRECTORY | flags));
            // A list of all files shows folders as folders; asked for such a folder, list_folder() answers that it is an image.
            if (opened && mode_ != FilterMode::all_files) kind = kind_of_folder(opened.get());
            if (kind == FileKind::unknown)
                entry.folder = ListedFolder{shown_name(entry.bytes), count_items(opened), status.st_mtime};
            else if (listed_ == ListedKind::images)
                entry.file = ListedFile{shown_name(entry.bytes), kind, size_of(opened), status.st_mtime};
            return;
        }
        if (!S_ISREG(status.st_mode)) return;
        ListedFile file{shown_name(entry.bytes), FileKind::unknown, status.st_size, status.st_mtime};
        if (mode_ == FilterMode::content) {
            const auto kind_of = listed_ == ListedKind::images ? static_cast<FileKind (*)(int, const char*, int, std::string_view)>(kind_by_content)
                                 : listed_ == ListedKind::regions ? static_cast<FileKind (*)(int, const char*, int, std::string_view)>(region_kind_by_content)
                                                                  : catalog_kind_by_content;
            file.kind = kind_of(folder_.get(), name, flags, entry.bytes);
            if (file.kind == FileKind::unknown) return;
        } else {
            file.kind = listed_ == ListedKind::catalogs ? catalog_kind_by_extension(entry.bytes) : kind_by_extension(entry.bytes);
            const bool wanted = listed_ == ListedKind::images    ? file.kind == FileKind::fits || file.kind == FileKind::hdf5
                                : listed_ == ListedKind::regions ? file.kind == FileKind::crtf || file.kind == FileKind::ds9_reg
                                                                 : file.kind != FileKind::unknown;
            if (mode_ == FilterMode::extension && !wanted) return;
            if (os().faccessat(folder_.get(), name, R_OK, AT_EACCESS) != 0) return;
        }
        entry.file = std::move(file);
    }
};

} // namespace

Listing list_folder(const Jail& jail, const std::string& directory, FilterMode mode, const imaging::CancelToken& cancel,
                    const std::function<void(std::size_t, std::size_t)>& progress, int threads, ListedKind listed) {
    if (is_unanswering(jail.folder() + "/" + directory))
        throw PathError("\"" + shown_name(directory) + "\" does not answer: an earlier listing still waits for it.");
    threads = std::clamp(threads, 2, max_listing_threads);
    const auto work = std::make_shared<Work>(jail, directory, mode, listed, cancel, threads);
    for (const auto begin = os().steady_now();;) {
        switch (start_listing_thread(threads, [work] { work->run(); })) {
        case ThreadStart::started:
            return work->wait(progress);
        case ThreadStart::refused:
            work->run(progress);
            return work->take();
        case ThreadStart::busy:
            break;
        }
        if (cancel.cancelled()) {
            Listing nothing;
            nothing.cancelled = true;
            return nothing;
        }
        if (os().steady_now() - begin > patience)
            throw PathError("\"" + shown_name(directory) + "\" can't be listed now: other listings wait for folders that don't answer.");
        wait_for_listing_thread(poll_interval);
    }
}

} // namespace cubelink::server
