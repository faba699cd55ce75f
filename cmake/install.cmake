# Installs the static library and the headers of the public door, so that other projects say
# find_package(spinney) and link with spinney::spinney.
include(CMakePackageConfigHelpers)
set(spinney_cmake_dir "${CMAKE_INSTALL_LIBDIR}/cmake/spinney")

install(TARGETS spinney EXPORT spinneyTargets ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}")
install(EXPORT spinneyTargets NAMESPACE spinney:: DESTINATION "${spinney_cmake_dir}")

# The doors, and what they include; tests/python/test_layering.py sees that none is missing.
foreach(spinney_door spinney.h load/load.h load/choice.h plan/plan.h plan/near_plan.h
        plan/started_plan.h engine/engine.h engine/options.h engine/request_key.h engine/stats.h
        engine/visit.h request/request.h request/outputs.h request/parcel.h
        request/row_buffer.h backend/backend.h
        cache/lru_ttl.h memory/pool.h observe/histogram.h cpu/affinity.h cpu/per_node.h
        cpu/topology.h)
  get_filename_component(spinney_room "${spinney_door}" DIRECTORY)
  install(FILES "src/spinney/${spinney_door}"
          DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}/spinney/${spinney_room}")
endforeach()
install(DIRECTORY src/spinney/base src/spinney/model
        DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}/spinney" FILES_MATCHING PATTERN "*.h")

configure_package_config_file(cmake/spinneyConfig.cmake.in
  "${PROJECT_BINARY_DIR}/spinneyConfig.cmake" INSTALL_DESTINATION "${spinney_cmake_dir}")
write_basic_package_version_file("${PROJECT_BINARY_DIR}/spinneyConfigVersion.cmake"
                                 COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/spinneyConfig.cmake"
              "${PROJECT_BINARY_DIR}/spinneyConfigVersion.cmake" cmake/dependencies.cmake
        DESTINATION "${spinney_cmake_dir}")
