#include "server/remote/fetch.hpp"

#include "platform/os.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <memory>
#include <mutex>

#include <curl/curl.h>
#include <sys/socket.h>

namespace cubelink::server {

namespace {

using Clock = std::chrono::steady_clock;
using platform::os;

constexpr int redirect_limit = 4;
constexpr int poll_ms = 50;
constexpr int connect_seconds = 20;
constexpr std::size_t header_limit = 64 << 10; // bytes of all of an answer
constexpr const char* headers_too_long = "the headers of its answer are too long";
constexpr std::size_t told_limit = 1 << 10; // bytes of an answer that says what is wrong

// Both handles are void pointers.
using Easy = std::unique_ptr<CURL, void (*)(CURL*)>;
using Multi = std::unique_ptr<CURLM, CURLMcode (*)(CURLM*)>;

/// One request and its answer.
struct Transfer {
    const RemoteSettings& settings;
    const Fetch& what;
    RemoteUrl url;
    int file = -1;
    CURL* handle = nullptr;

    std::int64_t written = 0;
    std::size_t header_bytes = 0;
    std::string told{};    // the beginning of an answer that is not a file
    std::string failure{}; // what ended it, if that was this side

    long status() const {
        long code = 0;
        ::curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &code);
        return code;
    }

    /// False: the transfer ends.
    bool take(const char* data, std::size_t size) {
        if (status() != 200) {
            told.append(data, std::min(size, told_limit - told.size()));
            return true;
        }
        if (static_cast<std::uint64_t>(written) + size > settings.size_limit) {
            failure = "the file is larger than " + std::to_string(settings.size_limit >> 20) + " MiB, the limit of this server";
            return false;
        }
        const auto& begin = what.begins_with;
        for (std::size_t i = 0, at = static_cast<std::size_t>(written); i < size && at < begin.size(); ++i, ++at) {
            if (data[i] == begin[at]) continue;
            failure = "the answer is not a " + what.kind + " file";
            return false;
        }
        for (std::size_t done = 0; done < size;) {
            const auto count = os().pwrite(file, data + done, size - done, static_cast<off_t>(written));
            if (count < 0) {
                failure = std::string("it can't be stored: ") + std::strerror(errno);
                return false;
            }
            done += static_cast<std::size_t>(count);
            written += count;
        }
        return true;
    }

    /// False: the transfer ends.
    bool take_header(std::size_t size) {
        header_bytes += size;
        if (header_bytes > header_limit) failure = headers_too_long;
        return header_bytes <= header_limit;
    }

    /// The socket for an address that a name has led to; CURL_SOCKET_BAD if it may not be connected to.
    curl_socket_t connect_to(const curl_sockaddr& address) {
        if (!may_connect(url.host, address.addr)) {
            failure = "its address " + text_of_address(address.addr) + " is not a public one";
            return CURL_SOCKET_BAD;
        }
        return ::socket(address.family, address.socktype | SOCK_CLOEXEC, address.protocol);
    }
};

std::size_t on_data(char* data, std::size_t one, std::size_t count, void* transfer) {
    return static_cast<Transfer*>(transfer)->take(data, one * count) ? one * count : CURL_WRITEFUNC_ERROR;
}

std::size_t on_header(char*, std::size_t one, std::size_t count, void* transfer) {
    return static_cast<Transfer*>(transfer)->take_header(one * count) ? one * count : CURL_WRITEFUNC_ERROR;
}

curl_socket_t on_open_socket(void* transfer, curlsocktype, curl_sockaddr* address) { return static_cast<Transfer*>(transfer)->connect_to(*address); }

/// A sentence that another server wrote, as far as it can be shown.
std::string readable(std::string_view text) {
    std::string out;
    for (const char c : text) {
        const bool blank = c == '\n' || c == '\r' || c == '\t' || c == ' ';
        if (!blank && (c < ' ' || c > '~')) continue;
        if (blank && (out.empty() || out.back() == ' ')) continue;
        out += blank ? ' ' : c;
        if (out.size() == 200) break;
    }
    return out;
}

class Fetching {
public:
    Fetching(const RemoteSettings& settings, const Fetch& what)
        : settings_(settings), what_(what), end_(Clock::now() + std::chrono::seconds(settings.timeout_seconds)), file_(os().open_scratch(what.scratch.c_str())) {
        static std::once_flag once;
        std::call_once(once, [] { ::curl_global_init(CURL_GLOBAL_DEFAULT); });
        if (!file_) throw RemoteError(std::string("No file could be made in the scratch folder: ") + std::strerror(errno));
    }

    Descriptor run() {
        std::string url = what_.url;
        for (int hop = 0; hop <= redirect_limit; ++hop) {
            auto next = ask(url);
            if (next.empty()) return std::move(file_);
            url = std::move(next);
        }
        throw RemoteError("The file could not be fetched from " + parse_remote_url(what_.url).host + ": it leads from one address to the next without end.");
    }

private:
    /// Asks for the URL: empty if the file is there, else where it is said to be.
    std::string ask(const std::string& url) {
        Transfer transfer{settings_, what_, allowed(url)};
        transfer.file = file_.get();
        const Multi multi(::curl_multi_init(), ::curl_multi_cleanup);
        const Easy easy(::curl_easy_init(), ::curl_easy_cleanup);
        if (!easy || !multi) throw std::bad_alloc();
        transfer.handle = easy.get();
        set_up(transfer, url);
        ::curl_multi_add_handle(multi.get(), easy.get());
        struct Remove {
            CURLM* multi;
            CURL* easy;
            ~Remove() { ::curl_multi_remove_handle(multi, easy); }
        } const remove{multi.get(), easy.get()};
        const CURLcode result = wait(multi.get(), transfer);
        const auto fail = [&](const std::string& why) { throw RemoteError("The file could not be fetched from " + transfer.url.host + ": " + why + "."); };
        if (result != CURLE_OK) {
            if (result == CURLE_FILESIZE_EXCEEDED)
                fail("the file is larger than " + std::to_string(settings_.size_limit >> 20) + " MiB, the limit of this server");
            // So the library calls a single header of more than 100 KiB.
            if (result == CURLE_OUT_OF_MEMORY && transfer.written == 0 && transfer.told.empty()) fail(headers_too_long);
            fail(transfer.failure.empty() ? ::curl_easy_strerror(result) : transfer.failure);
        }
        const long status = transfer.status();
        if (status == 200) {
            if (transfer.written < static_cast<std::int64_t>(what_.begins_with.size())) fail("the answer is not a " + what_.kind + " file");
            return {};
        }
        char* next = nullptr;
        if (status >= 300 && status < 400 && ::curl_easy_getinfo(easy.get(), CURLINFO_REDIRECT_URL, &next) == CURLE_OK && next != nullptr) return next;
        const auto text = readable(transfer.told);
        fail("it answered " + std::to_string(status) + (text.empty() || text.front() == '<' ? "" : " (" + text + ")"));
        return {};
    }

    RemoteUrl allowed(const std::string& url) const {
        RemoteUrl parsed;
        std::string why;
        try {
            parsed = parse_remote_url(url);
            why = why_not_allowed(parsed, settings_.hosts);
        } catch (const std::invalid_argument& error) { why = std::string("the address that it is at ") + error.what(); }
        if (!why.empty()) throw RemoteError("The file could not be fetched: " + why + ".");
        return parsed;
    }

    void set_up(Transfer& transfer, const std::string& url) const {
        const auto set = [&](CURLoption option, auto value) { ::curl_easy_setopt(transfer.handle, option, value); };
        set(CURLOPT_URL, url.c_str());
        set(CURLOPT_PROTOCOLS_STR, transfer.url.scheme.c_str());
        set(CURLOPT_FOLLOWLOCATION, 0L); // each place is checked first
        set(CURLOPT_PROXY, "");
        set(CURLOPT_NOSIGNAL, 1L);
        set(CURLOPT_QUICK_EXIT, 1L); // don't wait for a name server at the end
        set(CURLOPT_USERAGENT, "cubelink");
        set(CURLOPT_CONNECTTIMEOUT, static_cast<long>(std::min(connect_seconds, settings_.timeout_seconds)));
        set(CURLOPT_MAXFILESIZE_LARGE, static_cast<curl_off_t>(settings_.size_limit));
        set(CURLOPT_WRITEFUNCTION, &on_data);
        set(CURLOPT_WRITEDATA, static_cast<void*>(&transfer));
        set(CURLOPT_HEADERFUNCTION, &on_header);
        set(CURLOPT_HEADERDATA, static_cast<void*>(&transfer));
        set(CURLOPT_OPENSOCKETFUNCTION, &on_open_socket);
        set(CURLOPT_OPENSOCKETDATA, static_cast<void*>(&transfer));
    }

    CURLcode wait(CURLM* multi, Transfer& transfer) const {
        for (;;) {
            int running = 0;
            if (::curl_multi_perform(multi, &running) != CURLM_OK) throw std::bad_alloc();
            what_.cancel.throw_if_cancelled();
            if (running == 0) break;
            if (Clock::now() >= end_) {
                transfer.failure = "it took longer than " + std::to_string(settings_.timeout_seconds) + " s";
                return CURLE_OPERATION_TIMEDOUT;
            }
            tell_progress(transfer);
            ::curl_multi_poll(multi, nullptr, 0, poll_ms, nullptr);
        }
        int left = 0;
        const CURLMsg* message = ::curl_multi_info_read(multi, &left);
        return message != nullptr ? message->data.result : CURLE_OK;
    }

    void tell_progress(const Transfer& transfer) const {
        curl_off_t length = -1;
        ::curl_easy_getinfo(transfer.handle, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
        if (length <= 0) length = what_.expected;
        if (what_.progress && transfer.written > 0 && length > 0)
            what_.progress(std::min(1.0, static_cast<double>(transfer.written) / static_cast<double>(length)));
    }

    const RemoteSettings& settings_;
    const Fetch& what_;
    const Clock::time_point end_;
    Descriptor file_;
};

} // namespace

Descriptor fetch(const RemoteSettings& settings, const Fetch& what) { return Fetching(settings, what).run(); }

} // namespace cubelink::server
