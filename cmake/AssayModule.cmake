# assay_module(NAME [TORCH] DEPS targets...): the library assay::NAME from src/NAME/*.cc, and the test program NAME_test
# from src/NAME/*_test.cc. TORCH: its files include libtorch.

add_library(assay_flags INTERFACE)
target_include_directories(assay_flags INTERFACE ${CMAKE_SOURCE_DIR}/src)
target_compile_options(assay_flags INTERFACE -Wall -Wextra -Wshadow -Wnon-virtual-dtor -Wno-missing-field-initializers
                                             $<$<BOOL:${ASSAY_WERROR}>:-Werror>)
if(ASSAY_SANITIZE)
  target_compile_options(assay_flags INTERFACE -fsanitize=${ASSAY_SANITIZE} -fno-omit-frame-pointer)
  target_link_options(assay_flags INTERFACE -fsanitize=${ASSAY_SANITIZE})
endif()

# libtorch's headers take most of the time of compiling a file that includes them: they are compiled once for the modules,
# and once for the tests. Files still include what they use. (-fpch-preprocess and the sloppiness of the presets are what
# ccache needs for it.)
set(ASSAY_PRECOMPILED <ATen/ATen.h> <fmt/core.h> <nlohmann/json.hpp> <algorithm> <filesystem> <functional> <map>
                      <memory> <optional> <span> <string> <vector>)
function(assay_precompiled_headers NAME)
  file(WRITE ${CMAKE_BINARY_DIR}/${NAME}.cc "")
  add_library(${NAME} OBJECT ${CMAKE_BINARY_DIR}/${NAME}.cc)
  target_link_libraries(${NAME} PRIVATE assay_flags assay::torch fmt::fmt nlohmann_json::nlohmann_json ${ARGN})
  target_compile_options(${NAME} PRIVATE -fpch-preprocess)
endfunction()
if(NOT ASSAY_FUZZ)  # few files there include libtorch
  assay_precompiled_headers(assay_precompiled)
  target_precompile_headers(assay_precompiled PRIVATE ${ASSAY_PRECOMPILED})
  assay_precompiled_headers(assay_precompiled_tests GTest::gmock)
  target_precompile_headers(assay_precompiled_tests PRIVATE ${ASSAY_PRECOMPILED} <gmock/gmock.h> <gtest/gtest.h>)
endif()

# For a target whose files include libtorch: the headers of assay_precompiled or assay_precompiled_tests.
function(assay_use_precompiled TARGET HEADERS)
  if(TARGET ${HEADERS})
    target_precompile_headers(${TARGET} REUSE_FROM ${HEADERS})
    target_compile_options(${TARGET} PRIVATE -fpch-preprocess)
  endif()
endfunction()

function(assay_tests NAME)
  add_executable(${NAME}_test ${ARGN})
  target_link_libraries(${NAME}_test PRIVATE assay_flags GTest::gmock GTest::gtest_main)
  target_compile_definitions(${NAME}_test PRIVATE ASSAY_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
  # One CTest a program: starting one, with libtorch in it, takes longer than most tests. CTest runs as many programs as
  # there are cores, so their matrix products need no threads.
  add_test(NAME ${NAME} COMMAND ${NAME}_test)
  set_tests_properties(${NAME} PROPERTIES TIMEOUT 600 ENVIRONMENT OPENBLAS_NUM_THREADS=1)
endfunction()

function(assay_module NAME)
  cmake_parse_arguments(ARG "TORCH" "" "DEPS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/${NAME}/*.cc)
  set(tests ${sources})
  list(FILTER sources EXCLUDE REGEX "_test\\.cc$")
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")
  if(NOT sources)
    return()
  endif()
  add_library(assay_${NAME} STATIC ${sources})
  add_library(assay::${NAME} ALIAS assay_${NAME})
  target_link_libraries(assay_${NAME} PUBLIC ${ARG_DEPS} PRIVATE assay_flags)
  target_include_directories(assay_${NAME} PUBLIC ${CMAKE_SOURCE_DIR}/src)
  if(tests AND NOT ASSAY_FUZZ)
    assay_tests(${NAME} ${tests})
    target_link_libraries(${NAME}_test PRIVATE assay_${NAME})
  endif()
  if(ARG_TORCH)
    assay_use_precompiled(assay_${NAME} assay_precompiled)
    if(TARGET ${NAME}_test)
      assay_use_precompiled(${NAME}_test assay_precompiled_tests)
    endif()
  endif()
endfunction()
