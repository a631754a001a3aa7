"""Checks that scripts/setup.sh installs everything that the build uses: check_packages.py SOURCE_DIR BUILD_DIR

Every third-party header that a source includes, every library that CMake found and every tool that it runs is traced
to its Debian package with dpkg. Headers and libraries must come from a package on the list; tools and the shared
libraries of the built programs may also come from what the listed packages depend on. So nothing that happens to be
installed on the machine of whoever wrote the code is needed without being listed.
Exits with 77 (skipped) on systems without dpkg.
"""

import pathlib
import re
import shutil
import subprocess
import sys

# Entries of CMakeCache.txt. Not Python, which many people have from elsewhere.
TOOLS = ("CMAKE_COMMAND", "CMAKE_MAKE_PROGRAM", "CMAKE_CXX_COMPILER", "CMAKE_CXX_COMPILER_LAUNCHER", "PKG_CONFIG_EXECUTABLE")


def output(*command):
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def names_of(path):
    """The names under which a package may hold the file: dpkg knows the path that was packed, which may lead through
    symbolic links (/lib, alternatives)."""
    real = str(pathlib.Path(path).resolve())
    return dict.fromkeys((str(path), "/usr" + str(path), str(path).removeprefix("/usr"), real, real.removeprefix("/usr")))


def owners(paths):
    """Path -> package that holds it, for those that come from a package."""
    holder = {}
    for line in output("dpkg", "-S", *dict.fromkeys(name for path in paths for name in names_of(path))).splitlines():
        packages, _, name = line.partition(": ")
        if not packages.startswith("diversion"):
            holder[name] = packages.split(",")[0].split(":")[0]
    found = {path: next((holder[name] for name in names_of(path) if name in holder), None) for path in paths}
    return {path: package for path, package in found.items() if package}


def installed_packages():
    """Package -> (set of dependencies, each a tuple of alternatives), and name -> packages that provide it."""
    depends, providers = {}, {}
    form = "${Package}\t${db:Status-Status}\t${Pre-Depends}, ${Depends}\t${Provides}\n"
    for line in output("dpkg-query", "-W", "-f", form).splitlines():
        name, status, needs, provides = line.split("\t")
        if status != "installed":
            continue
        names = lambda text: [re.split(r"[ :(]", part.strip())[0] for part in text if part.strip()]
        depends[name] = [names(group.split("|")) for group in needs.split(",") if group.strip()]
        for virtual in names(provides.split(",")):
            providers.setdefault(virtual, []).append(name)
    return depends, providers


def closure(listed, depends, providers):
    """The listed packages and all that they depend on. Of alternatives, the first that is installed."""
    seen, todo = set(), list(listed)
    while todo:
        name = todo.pop()
        if name in seen:
            continue
        seen.add(name)
        for group in depends.get(name, []):
            here = [p for choice in group for p in ([choice] if choice in depends else providers.get(choice, []))]
            todo += here[:1]
    return seen


class Checker:
    def __init__(self, root, build):
        self.root, self.build = root, build
        self.listed = set(output("bash", str(root / "scripts" / "setup.sh"), "--list", "build", "test").split())
        depends, providers = installed_packages()
        self.reached = closure(self.listed, depends, providers)
        self.standard = closure({"g++"} & self.listed, depends, providers)
        self.expected, self.not_found = [], []
        self.cache = dict(re.findall(r"^([\w-]+):\w+=(.*)$", (build / "CMakeCache.txt").read_text(), re.M))

    def expect(self, path, allowed, what):
        self.expected.append((str(path), allowed, what))

    def faults(self):
        found, out = owners({path for path, _, _ in self.expected}), list(self.not_found)
        for path, allowed, what in self.expected:
            if path not in found:
                if not path.startswith(("/usr/local", "/opt", str(pathlib.Path.home()))):
                    out.append(f"{what}: {path} belongs to no package")
            elif found[path] not in allowed:
                out.append(f"{what}: {path} is from the package {found[path]}, which scripts/setup.sh does not list")
        return sorted(set(out))

    def headers(self):
        commands = (self.build / "compile_commands.json").read_text()
        folders = dict.fromkeys(re.findall(r"(?:-isystem |-I)(/[^\s\"]+)", commands))
        multiarch = output("gcc", "-print-multiarch").strip()
        system = [*folders, "/usr/include", f"/usr/include/{multiarch}"]
        included = {}
        for path in sorted(self.root.glob("*/**/*")):
            if path.suffix not in (".h", ".cc") or path.relative_to(self.root).parts[0] not in ("src", "bench", "examples"):
                continue
            for name in re.findall(r"^\s*#include <([^>]+)>", path.read_text(), re.M):
                included.setdefault(name, path.relative_to(self.root))
        for name, source in included.items():
            found = next((folder for folder in system if (pathlib.Path(folder) / name).is_file()), None)
            if found:  # else the compiler's own: <vector>
                self.expect(f"{found}/{name}", self.listed | self.standard, f"{source} includes <{name}>")

    def libraries(self):
        files = [*self.root.glob("cmake/*.cmake"), self.root / "CMakeLists.txt"]
        for folder in ("src", "tests", "bench", "examples", "fuzz"):
            files += (self.root / folder).rglob("CMakeLists.txt")
        cmake = "\n".join(path.read_text() for path in files)
        for name in sorted(set(re.findall(r"find_package\((\w+)", cmake)) - {"Threads", "PkgConfig", "Python3"}):
            place = self.cache.get(f"{name}_DIR") or self.cache.get(f"{name}_LIBRARY")
            if not place:
                self.not_found.append(f"find_package({name}): where it was found is not in CMakeCache.txt")
                continue
            files = sorted(pathlib.Path(place).glob("*.cmake")) if pathlib.Path(place).is_dir() else [place]
            self.expect(files[0], self.listed, f"find_package({name})")
        for name, modules in re.findall(r"pkg_check_modules\((\w+) ((?:[\w.+-]+ ?)+)\)", cmake):
            for module in set(modules.split()) - {"REQUIRED", "IMPORTED_TARGET"}:
                folder = output("pkg-config", "--variable=pcfiledir", module).strip()
                self.expect(f"{folder}/{module}.pc", self.listed, f"pkg_check_modules({name} {module})")

    def tools(self):
        for name in TOOLS:
            program = self.cache.get(name, "").split(";")[-1]  # env sets variables for it
            path = shutil.which(program) if program else None
            if path:
                self.expect(path, self.reached, name)

    def programs(self):
        """Shared libraries of everything that was built, as the linker finds them now."""
        built = [path for path in self.build.rglob("*") if path.is_file() and path.name.endswith(("assay", "_test", "_bench"))]
        for path in built:
            for library in re.findall(r"=> (/\S+)", output("ldd", str(path))):
                self.expect(library, self.reached, f"{path.name} loads")


def main(root, build):
    if shutil.which("dpkg") is None:
        print("skipped: no dpkg on this system")
        return 77
    checker = Checker(root, build)
    checker.headers()
    checker.libraries()
    checker.tools()
    checker.programs()
    faults = checker.faults()
    print(*faults, f"{len(checker.expected)} headers, libraries and tools traced, {len(faults)} faults", sep="\n")
    return 1 if faults else 0


sys.exit(main(pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()))
