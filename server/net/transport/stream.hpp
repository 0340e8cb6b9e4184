#pragma once
/// Bytes over a connected, non-blocking socket, in the clear or through TLS (OpenSSL). The descriptor belongs to the caller.
/// Use from one thread at a time; a TlsContext may be shared.

#include <cstddef>
#include <memory>
#include <string>

#include <sys/uio.h>

struct ssl_st;
struct ssl_ctx_st;

namespace cubelink::transport {

/// Certificate and key, as new connections show them.
class TlsContext {
public:
    /// Reads PEM files. Throws std::runtime_error that names the file and what is wrong with it.
    TlsContext(const std::string& cert_file, const std::string& key_file);
    ~TlsContext();
    TlsContext(const TlsContext&) = delete;
    TlsContext& operator=(const TlsContext&) = delete;
    ssl_ctx_st* get() const { return context_; }

private:
    ssl_ctx_st* context_ = nullptr;
};

enum class IoStatus { ok, wants_read, wants_write, end, failed };

struct IoResult {
    IoStatus status = IoStatus::ok;
    std::size_t bytes = 0; // moved, also when the status is not ok
};

class Stream {
public:
    /// Without a context: in the clear. The TLS handshake happens within the first reads; a peer whose first byte is a letter, which no
    /// greeting of TLS is, does not use TLS (tls() is false from then on), and can be answered without it.
    Stream(int descriptor, const std::shared_ptr<const TlsContext>& tls);
    ~Stream();
    Stream(const Stream&) = delete;
    Stream& operator=(const Stream&) = delete;

    bool tls() const { return ssl_ != nullptr; }
    /// Fills the buffer as far as it goes without waiting. Status ok: there may be more.
    IoResult read(char* data, std::size_t size);
    /// Writes as much as goes without waiting.
    IoResult write(const iovec* pieces, std::size_t count);
    /// Tells the peer that no more will come (close_notify, FIN).
    void end_writing();

private:
    IoResult tls_result(int returned) const;
    void look_at_first_byte();
    int descriptor_;
    ssl_st* ssl_ = nullptr;
    bool looked_ = false;
};

} // namespace cubelink::transport
