#pragma once
/// What reading an image throws.

#include <stdexcept>

namespace cubelink::imaging {

/// The file can't be read (any more), or is not what it should be. what() names the file and the reason, fit for a user.
class ImageError : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// The file was written again, or has shrunk, since it was opened: its pixels must not be mixed with earlier ones.
class ImageChanged : public ImageError {
public:
    using ImageError::ImageError;
};

} // namespace cubelink::imaging
