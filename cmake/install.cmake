# What `cmake --install` installs:
# component program: the server and, if it has been built, its page, which the server finds there;
# component development: the server library cubelink::net and the C++ client cubelink::client, for find_package(cubelink).

include(CMakePackageConfigHelpers)

install(TARGETS cubelink RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT program)
install(DIRECTORY www/dist/ DESTINATION ${CMAKE_INSTALL_DATADIR}/cubelink/www COMPONENT program OPTIONAL)

set(package_targets cubelink_platform cubelink_rpc cubelink_pubsub cubelink_transport cubelink_net cubelink_client_socket cubelink_client)
foreach(target IN LISTS package_targets)
    string(REPLACE cubelink_ "" name ${target})
    set_target_properties(${target} PROPERTIES EXPORT_NAME ${name})
endforeach()
install(TARGETS ${package_targets} EXPORT cubelink ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT development)
foreach(folder platform rpc pubsub server/net clients/cpp)
    install(DIRECTORY ${folder}/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/cubelink/${folder} COMPONENT development
        FILES_MATCHING PATTERN *.hpp PATTERN icd EXCLUDE)
endforeach()

set(package_folder ${CMAKE_INSTALL_LIBDIR}/cmake/cubelink)
install(EXPORT cubelink NAMESPACE cubelink:: FILE cubelinkTargets.cmake DESTINATION ${package_folder} COMPONENT development)
configure_package_config_file(cmake/cubelinkConfig.cmake.in ${CMAKE_CURRENT_BINARY_DIR}/cubelinkConfig.cmake INSTALL_DESTINATION ${package_folder})
write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/cubelinkConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/cubelinkConfig.cmake ${CMAKE_CURRENT_BINARY_DIR}/cubelinkConfigVersion.cmake
    DESTINATION ${package_folder} COMPONENT development)
