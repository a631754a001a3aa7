# Every third-party library, in one place. scripts/setup.sh installs the Debian packages;
# a newer libtorch (with CUDA) is taken from CMAKE_PREFIX_PATH.
find_package(Threads REQUIRED)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(CLI11 REQUIRED)
find_package(SQLite3 REQUIRED)
find_package(GTest REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(PCRE2 REQUIRED IMPORTED_TARGET libpcre2-8)
pkg_check_modules(SENTENCEPIECE REQUIRED IMPORTED_TARGET sentencepiece)
pkg_check_modules(GVC REQUIRED IMPORTED_TARGET libgvc libcgraph)
pkg_check_modules(XXHASH REQUIRED IMPORTED_TARGET libxxhash)
pkg_check_modules(CRYPTO REQUIRED IMPORTED_TARGET libcrypto)
pkg_check_modules(ICU REQUIRED IMPORTED_TARGET icu-uc)

# libtorch: headers are system headers, so that its own warnings stay out of ours.
find_package(Torch REQUIRED)
add_library(assay_torch INTERFACE)
add_library(assay::torch ALIAS assay_torch)
target_link_libraries(assay_torch INTERFACE ${TORCH_LIBRARIES})
target_include_directories(assay_torch SYSTEM INTERFACE ${TORCH_INCLUDE_DIRS})

# FAISS is a static library. What it needs is named here: its own CMake files ask for OpenMP of the compiler in use, and it
# was built with GCC's.
find_library(FAISS_LIBRARY faiss REQUIRED)
add_library(assay_faiss INTERFACE)
add_library(assay::faiss ALIAS assay_faiss)
target_link_libraries(assay_faiss INTERFACE ${FAISS_LIBRARY} lapack blas gomp)

# Images, slides and arrays. OpenCV's parts are linked by name: its CMake files come with a package that needs all of them.
pkg_check_modules(OPENSLIDE REQUIRED IMPORTED_TARGET openslide)
pkg_check_modules(ZIP REQUIRED IMPORTED_TARGET libzip)
pkg_check_modules(HDF5 REQUIRED IMPORTED_TARGET hdf5)
find_path(OPENCV_INCLUDE_DIR opencv2/imgcodecs.hpp PATH_SUFFIXES opencv4 REQUIRED)
file(STRINGS ${OPENCV_INCLUDE_DIR}/opencv2/core/version.hpp OPENCV_VERSION REGEX "define CV_VERSION_(MAJOR|MINOR|REVISION)")
string(REGEX REPLACE "[^0-9;]+" "" OPENCV_VERSION "${OPENCV_VERSION}")
list(JOIN OPENCV_VERSION "." OPENCV_VERSION)
add_library(assay_opencv INTERFACE)
add_library(assay::opencv ALIAS assay_opencv)
target_include_directories(assay_opencv SYSTEM INTERFACE ${OPENCV_INCLUDE_DIR})
foreach(part imgcodecs imgproc core)
  find_library(OPENCV_${part}_LIBRARY opencv_${part} REQUIRED)
  target_link_libraries(assay_opencv INTERFACE ${OPENCV_${part}_LIBRARY})
endforeach()
