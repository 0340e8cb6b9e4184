#include "tools/demo/fits_writer.hpp"

#include <cstdio>
#include <stdexcept>

namespace cubelink::demo {

FitsWriter::FitsWriter(const std::string& path, const std::vector<long>& axes) : path_(path), temporary_(path + ".part") {
    std::remove(temporary_.c_str());
    fits_create_diskfile(&file_, temporary_.c_str(), &status_);
    check();
    auto lengths = axes;
    fits_create_img(file_, FLOAT_IMG, static_cast<int>(lengths.size()), lengths.data(), &status_);
    check();
}

FitsWriter::~FitsWriter() {
    if (!file_) return;
    int ignored = 0;
    fits_close_file(file_, &ignored);
    std::remove(temporary_.c_str());
}

void FitsWriter::key(const char* name, double value, const char* comment) {
    fits_update_key_dbl(file_, name, value, -15, comment, &status_);
    check();
}

void FitsWriter::key(const char* name, const char* value, const char* comment) {
    fits_update_key_str(file_, name, value, comment, &status_);
    check();
}

void FitsWriter::history(const char* text) {
    fits_write_history(file_, text, &status_);
    check();
}

void FitsWriter::append(const std::vector<float>& pixels) {
    fits_write_img(file_, TFLOAT, next_, static_cast<LONGLONG>(pixels.size()), const_cast<float*>(pixels.data()), &status_);
    check();
    next_ += static_cast<LONGLONG>(pixels.size());
}

void FitsWriter::finish() {
    fits_close_file(file_, &status_);
    file_ = nullptr;
    check();
    if (std::rename(temporary_.c_str(), path_.c_str()) != 0) throw std::runtime_error("cannot rename " + temporary_ + " to " + path_);
}

void FitsWriter::check() {
    if (!status_) return;
    char text[FLEN_STATUS];
    fits_get_errstatus(status_, text);
    throw std::runtime_error(temporary_ + ": " + text);
}

} // namespace cubelink::demo
