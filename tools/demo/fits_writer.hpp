#pragma once
/// Writes float32 FITS images with cfitsio, plane by plane. Throws std::runtime_error with cfitsio's words. One thread.

#include <cstdint>
#include <string>
#include <vector>

#include <fitsio.h>

namespace cubelink::demo {

class FitsWriter {
public:
    /// Makes the file anew, written under a temporary name until finish().
    FitsWriter(const std::string& path, const std::vector<long>& axes);
    ~FitsWriter();
    FitsWriter(const FitsWriter&) = delete;
    FitsWriter& operator=(const FitsWriter&) = delete;

    void key(const char* name, double value, const char* comment = nullptr);
    void key(const char* name, const char* value, const char* comment = nullptr);
    void history(const char* text);
    /// Appends pixels after those written before.
    void append(const std::vector<float>& pixels);
    /// Closes the file and gives it its name.
    void finish();

private:
    void check();
    std::string path_, temporary_;
    fitsfile* file_ = nullptr;
    int status_ = 0;
    LONGLONG next_ = 1;
};

} // namespace cubelink::demo
