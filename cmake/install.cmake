# What `cmake --install` puts on a machine, and what find_package(featlib) finds there.
include(CMakePackageConfigHelpers)

set(featlib_package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/featlib)
install(TARGETS featlib featlib_headers EXPORT featlib-targets
  FILE_SET HEADERS COMPONENT cpp FILE_SET tables COMPONENT cpp
  ARCHIVE COMPONENT cpp LIBRARY COMPONENT cpp RUNTIME COMPONENT cpp)
install(EXPORT featlib-targets NAMESPACE featlib:: DESTINATION ${featlib_package_dir} COMPONENT cpp)

install(FILES ${PROJECT_SOURCE_DIR}/schema/contract.schema.json DESTINATION ${CMAKE_INSTALL_DATADIR}/featlib COMPONENT cpp)

configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/featlib-config.cmake.in
  ${PROJECT_BINARY_DIR}/featlib-config.cmake INSTALL_DESTINATION ${featlib_package_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/featlib-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/featlib-config.cmake ${PROJECT_BINARY_DIR}/featlib-config-version.cmake
  DESTINATION ${featlib_package_dir} COMPONENT cpp)
