# assay_module(NAME DEPS targets...): the library assay::NAME from src/NAME/*.cc, and the test program NAME_test
# from src/NAME/*_test.cc.

add_library(assay_flags INTERFACE)
target_include_directories(assay_flags INTERFACE ${CMAKE_SOURCE_DIR}/src)
target_compile_options(assay_flags INTERFACE -Wall -Wextra -Wshadow -Wnon-virtual-dtor -Wno-missing-field-initializers
                                             $<$<BOOL:${ASSAY_WERROR}>:-Werror>)
if(ASSAY_SANITIZE)
  target_compile_options(assay_flags INTERFACE -fsanitize=${ASSAY_SANITIZE} -fno-omit-frame-pointer)
  target_link_options(assay_flags INTERFACE -fsanitize=${ASSAY_SANITIZE})
endif()

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
  cmake_parse_arguments(ARG "" "" "DEPS" ${ARGN})
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
endfunction()
