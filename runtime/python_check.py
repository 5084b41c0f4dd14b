"""Says in one sentence why a Python cannot run Waystation; silent when it can. Runs on any Python 3."""

import sys

OLDEST = (3, 11)
NEWEST = (3, 14)


def objection(
    version: "tuple[int, int, int]", implementation: str, soabi: str, free_threaded: bool, has_venv: bool
) -> str:
    """One sentence without its subject, or an empty string; `version` is (major, minor, micro)."""
    if implementation != "cpython":
        return "is %s, but Waystation needs CPython 3.11 to 3.14" % implementation
    if version[:2] < OLDEST:
        return "is Python %d.%d.%d, which is too old: Waystation needs Python 3.11 to 3.14" % version
    if version[:2] > NEWEST:
        return "is Python %d.%d.%d, which is too new: Waystation needs Python 3.11 to 3.14" % version
    if "musl" in soabi:
        return "is built for musl (Alpine), where some packages do not exist: use a Linux with glibc"
    if free_threaded:
        return "is a free-threaded build, for which some packages do not exist: use the usual build"
    if not has_venv:
        return "has no venv module: install it (on Debian and Ubuntu: apt install python3-venv)"
    return ""


def venv_is_whole() -> bool:
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError:
        return False
    return True


def main() -> int:
    import sysconfig

    said = objection(
        sys.version_info[:3],
        sys.implementation.name,
        str(sysconfig.get_config_var("SOABI") or ""),
        bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
        venv_is_whole(),
    )
    if said:
        sys.stdout.write(said + "\n")
    return 1 if said else 0


if __name__ == "__main__":
    sys.exit(main())
