# Cubelink itself: options, files, sessions, handlers, and the program.
find_package(CLI11 REQUIRED)

cubelink_library(cubelink_app
    SOURCES
        files/file_names.cpp
        files/jail.cpp
        files/listing.cpp
        handlers/context.cpp
        handlers/cursor.cpp
        handlers/file_messages.cpp
        handlers/files.cpp
        handlers/histograms.cpp
        handlers/image_read.cpp
        handlers/images.cpp
        handlers/not_implemented.cpp
        handlers/open_file.cpp
        handlers/resume.cpp
        handlers/scripting.cpp
        handlers/session_methods.cpp
        handlers/store_methods.cpp
        handlers/view.cpp
        handlers/viewer.cpp
        http/pages.cpp
        options.cpp
        session/command_queue.cpp
        session/cursor_data.cpp
        session/open_image.cpp
        session/plane_data.cpp
        session/scheduler.cpp
        session/session.cpp
        session/session_directory.cpp
        session/session_keeper.cpp
        session/snapshot.cpp
        session/statistics_data.cpp
        session/tile_set.cpp
    PUBLIC cubelink_net cubelink_icd cubelink_imaging cubelink_http_api
    PRIVATE CLI11::CLI11 Threads::Threads
)
# CLI11's templates are dear to optimise, and run once.
set_source_files_properties(options.cpp PROPERTIES COMPILE_OPTIONS -O1)

add_executable(cubelink main.cpp)
target_link_libraries(cubelink PRIVATE cubelink_flags cubelink_app)
