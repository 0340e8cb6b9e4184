#include "server/net/transport/stream.hpp"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <stdexcept>

#include <sys/socket.h>

namespace cubelink::transport {
namespace {

std::string openssl_error() {
    const auto code = ERR_get_error();
    ERR_clear_error();
    if (code == 0) return "unknown error";
    char text[256];
    ERR_error_string_n(code, text, sizeof text);
    return text;
}

} // namespace

TlsContext::TlsContext(const std::string& cert_file, const std::string& key_file) {
    ERR_clear_error();
    context_ = SSL_CTX_new(TLS_server_method());
    if (!context_) throw std::runtime_error("TLS: " + openssl_error());
    const auto fail = [&](const std::string& what) {
        const auto error = openssl_error();
        SSL_CTX_free(context_);
        context_ = nullptr;
        throw std::runtime_error(what + ": " + error);
    };
    SSL_CTX_set_min_proto_version(context_, TLS1_2_VERSION);
    SSL_CTX_set_options(context_, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_mode(context_, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(context_, SSL_SESS_CACHE_OFF);
    if (SSL_CTX_use_certificate_chain_file(context_, cert_file.c_str()) != 1) fail("cannot read the certificate " + cert_file);
    if (SSL_CTX_use_PrivateKey_file(context_, key_file.c_str(), SSL_FILETYPE_PEM) != 1) fail("cannot read the private key " + key_file);
    if (SSL_CTX_check_private_key(context_) != 1) fail("the private key " + key_file + " does not belong to the certificate " + cert_file);
}

TlsContext::~TlsContext() { SSL_CTX_free(context_); }

Stream::Stream(int descriptor, const std::shared_ptr<const TlsContext>& tls) : descriptor_(descriptor) {
    if (!tls) return;
    ssl_ = SSL_new(tls->get());
    if (!ssl_ || SSL_set_fd(ssl_, descriptor) != 1) {
        SSL_free(ssl_);
        throw std::runtime_error("TLS: " + openssl_error());
    }
    SSL_set_accept_state(ssl_);
}

Stream::~Stream() { SSL_free(ssl_); }

IoResult Stream::tls_result(int returned) const {
    switch (SSL_get_error(ssl_, returned)) {
    case SSL_ERROR_WANT_READ: return {IoStatus::wants_read, 0};
    case SSL_ERROR_WANT_WRITE: return {IoStatus::wants_write, 0};
    case SSL_ERROR_ZERO_RETURN: return {IoStatus::end, 0};
    default: return {IoStatus::failed, 0};
    }
}

void Stream::look_at_first_byte() {
    char first = 0;
    ssize_t got;
    do got = ::recv(descriptor_, &first, 1, MSG_PEEK);
    while (got < 0 && errno == EINTR);
    if (got != 1) return; // nothing yet, or the end: SSL_read will see it, too
    looked_ = true;
    if ((first < 'A' || first > 'Z') && (first < 'a' || first > 'z')) return;
    SSL_free(ssl_);
    ssl_ = nullptr;
}

IoResult Stream::read(char* data, std::size_t size) {
    IoResult total;
    if (ssl_ && !looked_) look_at_first_byte();
    if (!ssl_) {
        ssize_t got;
        do got = ::recv(descriptor_, data, size, 0);
        while (got < 0 && errno == EINTR);
        if (got > 0) {
            total.bytes = static_cast<std::size_t>(got);
            // A short read has emptied the socket: no need to ask again.
            total.status = total.bytes < size ? IoStatus::wants_read : IoStatus::ok;
        } else if (got == 0) total.status = IoStatus::end;
        else total.status = errno == EAGAIN || errno == EWOULDBLOCK ? IoStatus::wants_read : IoStatus::failed;
        return total;
    }
    while (total.bytes < size) {
        ERR_clear_error();
        const auto want = std::min<std::size_t>(size - total.bytes, std::numeric_limits<int>::max());
        const int got = SSL_read(ssl_, data + total.bytes, static_cast<int>(want));
        if (got <= 0) {
            total.status = tls_result(got).status;
            return total;
        }
        total.bytes += static_cast<std::size_t>(got);
    }
    return total;
}

IoResult Stream::write(const iovec* pieces, std::size_t count) {
    IoResult total;
    if (!ssl_) {
        msghdr message{};
        message.msg_iov = const_cast<iovec*>(pieces);
        message.msg_iovlen = count;
        ssize_t sent;
        do sent = ::sendmsg(descriptor_, &message, MSG_NOSIGNAL);
        while (sent < 0 && errno == EINTR);
        if (sent >= 0) total.bytes = static_cast<std::size_t>(sent);
        else total.status = errno == EAGAIN || errno == EWOULDBLOCK ? IoStatus::wants_write : IoStatus::failed;
        return total;
    }
    for (std::size_t i = 0; i < count; ++i) {
        for (std::size_t done = 0; done < pieces[i].iov_len;) {
            ERR_clear_error();
            const auto want = std::min<std::size_t>(pieces[i].iov_len - done, std::numeric_limits<int>::max());
            const int sent = SSL_write(ssl_, static_cast<const char*>(pieces[i].iov_base) + done, static_cast<int>(want));
            if (sent <= 0) {
                total.status = tls_result(sent).status;
                return total;
            }
            done += static_cast<std::size_t>(sent);
            total.bytes += static_cast<std::size_t>(sent);
        }
    }
    return total;
}

void Stream::end_writing() {
    if (ssl_ && SSL_is_init_finished(ssl_)) {
        ERR_clear_error();
        SSL_shutdown(ssl_);
    }
    ::shutdown(descriptor_, SHUT_WR);
}

} // namespace cubelink::transport
