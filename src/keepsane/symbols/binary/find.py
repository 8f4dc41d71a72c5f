# SPDX-License-Identifier: GPL-2.0-or-later
"""
Where the files with the debug information are, and which command gets the one that is missing.

    /usr/lib/debug/.build-id/3b/43fad5034874490492495d552c0af6a5fab235.debug    every distribution
    /usr/lib/debug/boot/vmlinux-6.1.0-56-cloud-amd64                            Debian, Ubuntu
    /usr/lib/debug/boot/vmlinux-6.4.0-150600.23.7-default.debug                 SUSE
    /usr/lib/debug/lib/modules/6.5.6-300.fc39.x86_64/vmlinux                    Fedora, RHEL
    /lib/modules/6.12.0-rc3+/build/vmlinux                                      a kernel built on this machine
    ~/.cache/keepsane/debug/kernels/6.12.0-rc3+/BUILD/vmlinux                   one of `keepsane netboot`

A release and a build-id come from a log, which may be hostile: only what looks like one enters a path or a
command.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from keepsane.folders import debug_folder
from keepsane.model import Kernel

_RELEASE = re.compile(r"[0-9A-Za-z.+_~-]{1,64}\Z")
_BUILD_ID = re.compile(r"[0-9a-f]{16,64}\Z")
_MAX_BUILDS = 8
_MODULE = re.compile(r"\w[\w-]{0,63}\Z", re.ASCII)

_OF_RELEASE = (
    "usr/lib/debug/boot/vmlinux-{release}",
    "usr/lib/debug/lib/modules/{release}/vmlinux",
    "usr/lib/debug/usr/lib/modules/{release}/vmlinux",
    "usr/lib/debug/boot/vmlinux-{release}.debug",
    "usr/lib/debug/lib/modules/{release}/vmlinux.debug",
    "usr/lib/debug/usr/lib/modules/{release}/vmlinux.debug",
    "lib/modules/{release}/build/vmlinux",
    "lib/modules/{release}/vmlinux",
    "boot/vmlinux-{release}",
)
_OF_RELEASE_IN_DEBUG_DIR = ("vmlinux-{release}", "{release}/vmlinux", "lib/modules/{release}/vmlinux.debug")
_MODULE_DIRS = (
    "usr/lib/debug/lib/modules/{release}",
    "usr/lib/debug/usr/lib/modules/{release}",
    "lib/modules/{release}",
)

# Distribution, what its releases and what its versions look like, where to run what. First match wins.
_DISTRIBUTIONS = (
    (
        "Ubuntu",
        re.compile(r""),
        re.compile(r"#\S{0,50}-Ubuntu\b"),
        "apt-get install linux-image-{release}-dbgsym",
        " with the ddebs archive",
    ),
    ("Debian", re.compile(r""), re.compile(r"\bDebian \d"), "apt-get install linux-image-{release}-dbg", ""),
    (
        "RHEL or CentOS",
        re.compile(r"\A.{0,64}\.el[5-7]\b"),
        re.compile(r""),
        "debuginfo-install kernel-{release}",
        "",
    ),
    (
        "Fedora",
        re.compile(r"\A.{0,64}\.fc\d{1,4}\b"),
        re.compile(r""),
        "dnf debuginfo-install kernel-core-{release}",
        "",
    ),
    (
        "RHEL or CentOS",
        re.compile(r"\A.{0,64}\.el\d{1,4}"),
        re.compile(r""),
        "dnf debuginfo-install kernel-core-{release}",
        "",
    ),
    (
        "Amazon Linux",
        re.compile(r"\A.{0,64}\.amzn\d{1,4}"),
        re.compile(r""),
        "dnf debuginfo-install kernel-{release}",
        "",
    ),
    (
        "SUSE",
        re.compile(r"\A.{0,64}-[0-9.]{1,20}-(?P<flavour>default|preempt|rt|azure|64kb|kvmsmall|longterm)\Z"),
        re.compile(r""),
        "zypper install kernel-{flavour}-debuginfo",
        "",
    ),
)


def vmlinux_files(
    kernel: Kernel, debug_dirs: Sequence[Path] = (), root: Path = Path("/")
) -> tuple[Path, ...]:
    """
    The files on this machine that should be the vmlinux of `kernel`, the surest first.

    By build-id, then by release; below each of `debug_dirs` (the layouts of the module's docstring, and
    `vmlinux` or `vmlinux-RELEASE` in the directory itself), then below `root`. Whether a file is what its
    name says is another question: see symbols/identity/identity.py.
    """
    release = safe_release(kernel.release)
    places = [*build_id_files(kernel.build_id, debug_dirs, root)]
    for top in debug_dirs:
        if release:
            places += [top / part.format(release=release) for part in _below_debug_dir()]
        places.append(top / "vmlinux")
    if release:
        places += [build / "vmlinux" for build in _kept_builds(release)]
        places += [root / part.format(release=release) for part in _OF_RELEASE]
    return tuple(dict.fromkeys(place for place in places if _is_file(place)))


def build_id_files(
    build_id: str | None, debug_dirs: Sequence[Path] = (), root: Path = Path("/")
) -> tuple[Path, ...]:
    """
    The debug files of a build-id, of vmlinux or of a module, where distributions and debuginfod put them.

    Accepted format: at least eight bytes in lower case hex, as in 3b43fad5034874490492495d552c0af6a5fab235;
    anything else has no file.
    """
    if build_id is None or not _BUILD_ID.match(build_id):
        return ()
    part = Path(".build-id", build_id[:2], f"{build_id[2:]}.debug")
    below = (top / "usr/lib/debug" for top in debug_dirs)
    tops = [*debug_dirs, *below, *_kept(), root / "usr/lib/debug"]
    places = [top / part for top in tops]
    # Few logs have a build-id: the others need not wait for the library.
    from platformdirs import user_cache_path

    places.append(user_cache_path("debuginfod_client") / build_id / "debuginfo")
    return tuple(dict.fromkeys(place for place in places if _is_file(place)))


def module_dirs(kernel: Kernel, debug_dirs: Sequence[Path] = (), root: Path = Path("/")) -> tuple[Path, ...]:
    """The directories on this machine that may hold the `.ko` files of `kernel`, debug files first."""
    release = safe_release(kernel.release)
    places: list[Path] = []
    for top in debug_dirs:
        if release:
            places += [top / part.format(release=release) for part in _MODULE_DIRS]
        places.append(top)
    if release:
        places += [root / part.format(release=release) for part in _MODULE_DIRS]
    return tuple(dict.fromkeys(place for place in places if _is_dir(place)))


def safe_release(release: str | None) -> str | None:
    """
    The release if it may become part of a path or a command, else None.

    Accepted format: `6.12.117+deb12-cloud-amd64`: up to 64 letters, digits and `. + _ ~ -`, without `..`
    and not beginning with `-`. Source: include/uapi/linux/utsname.h has room for 64 characters.
    """
    if release is None or not _RELEASE.match(release) or ".." in release or release[0] in "-.":
        return None
    return release


def missing_sentence(kernel: Kernel, module: str | None = None) -> str:
    """
    One sentence: which file was not found, and the command that gets it.

    The distribution is recognised from the release and the version in the log's banner. `module` asks for
    the file of that module instead of vmlinux.
    """
    release = safe_release(kernel.release)
    of = f" of {release}" if release else ""
    how = _how_to_get(kernel, release)
    if module is None:
        return f"No vmlinux{of} with debug information was found: {how}."
    ko = f"{module}.ko" if _MODULE.match(module) else "its .ko file"
    return f"No {ko}{of} was found: name its directory with --modules DIR (of the distribution's own: {how})."


def _how_to_get(kernel: Kernel, release: str | None) -> str:
    packaged = _package_command(release, kernel.version or "") if release else None
    if packaged:
        return packaged
    if kernel.build_id and _BUILD_ID.match(kernel.build_id):
        return f"get it with `debuginfod-find debuginfo {kernel.build_id}`, or name it with --vmlinux FILE"
    if release is None:
        return "the log does not say which kernel wrote it, so name the file with --vmlinux FILE"
    return (
        "it is in the directory in which this kernel was built, if that was done with CONFIG_DEBUG_INFO; "
        "name it with --vmlinux FILE"
    )


def _package_command(release: str, version: str) -> str | None:
    for distribution, releases, versions, command, archive in _DISTRIBUTIONS:
        found = releases.match(release)
        if found and versions.search(version):
            said = command.format(release=release, **found.groupdict())
            return f"on a {distribution} machine of that release{archive}, get it with `{said}`"
    return None


def _below_debug_dir() -> Iterator[str]:
    yield from _OF_RELEASE_IN_DEBUG_DIR
    yield from _OF_RELEASE
    # The directory may be what /usr/lib/debug is elsewhere.
    yield from (
        part.removeprefix("usr/lib/debug/") for part in _OF_RELEASE if part.startswith("usr/lib/debug/")
    )


def kept_module_dirs(kernel: Kernel, build_id: str | None) -> tuple[Path, ...]:
    """The directories with the modules of kept builds whose vmlinux has that build-id, the newest first."""
    release = safe_release(kernel.release)
    if release is None or build_id is None or not _BUILD_ID.match(build_id):
        return ()
    listed = [own / ".build-id" / build_id[:2] / f"{build_id[2:]}.debug" for own in _kept()]
    return tuple(
        build
        for build in _kept_builds(release)
        if any(_is_same_file(build / "vmlinux", vmlinux) for vmlinux in listed)
    )


def _kept_builds(release: str) -> tuple[Path, ...]:
    """Give the folders of the builds of a release that `keepsane netboot` unpacked, the newest first."""
    return tuple(
        build
        for own in _kept()
        for build in sorted((own / "kernels" / release).glob("*"), reverse=True)[:_MAX_BUILDS]
    )


def _is_same_file(path: Path, other: Path) -> bool:
    try:
        return path.samefile(other)
    except OSError:
        return False


def _kept() -> tuple[Path, ...]:
    """Give the folder of what `keepsane netboot` built; a user without a home has none."""
    try:
        return (debug_folder(),)
    except RuntimeError:
        return ()


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a directory that may not be read holds nothing for this user
        return False


def _is_dir(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:
        return False
