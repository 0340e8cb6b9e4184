#pragma once
/// FITS files of images that are open, through the FileWriter: for SAVE_FILE and the file of MOMENT_REQUEST.

#include "imaging/base/budget_cache.hpp"
#include "imaging/fits/fits_writer.hpp"
#include "server/files/file_writer.hpp"
#include "server/tasks/task.hpp"

#include <cstddef>
#include <functional>
#include <string>

namespace cubelink::server {

/// What a file's header takes of memory while it is edited, for each of its bytes.
constexpr std::size_t memory_of_card_byte = 16;

/// Now, in UTC, as DATE has it: "2025-01-31T12:00:00".
std::string date_of_now();

/// Writes the whole file and gives it its name. `progress`, from 0 to 1, may be empty. By a job. Throws what FitsFile::write() and the writer throw; Cancelled.
void write_fits(const imaging::FitsFile& file, FileWriter& writer, imaging::BudgetCache& budget, const TaskContext& context, std::function<void(double)> progress);

} // namespace cubelink::server
