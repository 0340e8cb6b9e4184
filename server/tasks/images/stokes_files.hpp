#pragma once
/// CONCAT_STOKES_FILES: files of one polarization each as one image (imaging/fits/stokes_hypercube.hpp).
///
/// The recipe: {kind "stokes_files", files: [{directory, file, hdu, polarization_type}, …]}, in the order of polarization types.

#include "server/tasks/open_file.hpp"

#include "rpc/icd/messages.hpp"

#include <string>

namespace cubelink::server {

using StokesFiles = google::protobuf::RepeatedPtrField<icd::StokesFile>;

/// How such files are opened: recipe, folder and name; without `end` and what comes with it. Throws PathError for lists that no image can be made of.
Opening opening_of_stokes_files(const StokesFiles& files, std::int32_t file_id);

/// An ImageMaker.
imaging::OpenedImage make_of_stokes_files(const rpc::Map& recipe, const MakeContext& context);

} // namespace cubelink::server
