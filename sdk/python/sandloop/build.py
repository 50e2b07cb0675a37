"""`sandloop-build`, or `python -m sandloop.build`: from an author's module to a component.

    sandloop-build [-o build/plugin.wasm] [src/app.py]

componentize-py 0.25.1 makes the component, on the one world that this package carries; what it leaves behind is mended.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from ._mend import NotMended, mend

_HERE = Path(__file__).resolve().parent
_ENTRIES = ("src/app.py", "app.py")
_PROGRAM = re.compile(r"^(?:async )?def (?:prepare|start|stopping|stopped)\(", re.MULTILINE)


class Mistake(Exception):
    """What is wrong with the author's files."""


def _contract() -> Path:
    """The contract's folder: of the package, or of the tree that the SDK is developed in."""
    for folder in (_HERE / "wit", _HERE.parents[2] / "wit"):
        if (folder / "world.wit").exists():
            return folder
    raise Mistake(f"the contract is not in {_HERE / 'wit'}: install the package sandloop again")


def _version() -> str:
    found = re.search(r"^package sandloop:plugin@([\d.]+);", (_contract() / "world.wit").read_text(), re.MULTILINE)
    if not found:
        raise Mistake(f"{_contract() / 'world.wit'} is no world of sandloop:plugin")
    return found[1]


def _compiler() -> str:
    beside = Path(sys.executable).parent / "componentize-py"
    return str(beside) if beside.exists() else "componentize-py"


def _environment() -> dict[str, str]:
    """Has the compiler look for packages where this interpreter does."""
    own = {} if sys.prefix == sys.base_prefix else {"VIRTUAL_ENV": sys.prefix}
    return {**os.environ, **own}


def _compile(entry: Path, folder: Path) -> bytes:
    paths = folder / "paths"
    paths.mkdir()
    # Its componentize-py.toml leads to the contract.
    shutil.copytree(_HERE, paths / "sandloop", ignore=shutil.ignore_patterns("__pycache__", "wit"))
    shutil.copytree(_contract(), paths / "sandloop" / "wit")
    (paths / "sandloop_entry.py").write_text(f"import {entry.stem}\nimport sandloop._exports\nfrom sandloop._exports import *\nsandloop._exports.use({entry.stem})\n")
    world = "plugin" if _PROGRAM.search(entry.read_text()) else "connections"
    output = folder / "component.wasm"
    command = [_compiler(), "-q", "-w", f"sandloop:plugin/{world}@{_version()}", "componentize"]
    command += ["-p", str(entry.parent), "-p", str(paths), "sandloop_entry", "-o", str(output)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, env=_environment())
    except FileNotFoundError:
        raise Mistake("componentize-py is not there: pip install componentize-py==0.25.1") from None
    if done.returncode != 0:
        raise Mistake(_words(done.stdout + done.stderr, entry))
    return output.read_bytes()


def _words(said: str, entry: Path) -> str:
    """The exception of the author's code, without the frames of the compiler; all that was said where there is none."""
    for block in reversed(said.split("Traceback (most recent call last):\n")[1:]):
        # Behind an empty line the compiler tells of itself.
        lines = block.partition("\n\n")[0].splitlines()
        frames = [found.groups() for line in lines if (found := re.match(r'  File "/\d+/([^"]+)", line (\d+)', line))]
        errors = [line for line in lines if re.match(r"[\w.]+(?:: |$)", line)]
        if not frames or not errors:
            continue
        own = [(file, line) for file, line in frames if not file.startswith(("sandloop/", "sandloop_entry"))]
        place = f"{entry.parent / own[-1][0]}:{own[-1][1]}" if own else str(entry)
        return f"{place}: {errors[-1]}"
    return said


def main() -> int:
    """Builds; a mistake of the author's is one line."""
    arguments = argparse.ArgumentParser(prog="sandloop-build", description="makes a component of a plugin in Python")
    arguments.add_argument("-o", "--output", type=Path, default=Path("build/plugin.wasm"))
    arguments.add_argument("entry", type=Path, nargs="?")
    given = arguments.parse_args()
    try:
        entry = given.entry or next((Path(path) for path in _ENTRIES if Path(path).exists()), None)
        if entry is None or not entry.exists():
            raise Mistake(f"there is no {entry or ' or '.join(_ENTRIES)} in {Path.cwd()}: name the module of the plugin: sandloop-build src/app.py")
        with tempfile.TemporaryDirectory() as folder:
            component = _compile(entry.resolve(), Path(folder))
        try:
            component = mend(component)
        except NotMended as error:
            print(f"warning: the bytes that this plugin sends are never freed: {error}; pip install componentize-py==0.25.1", file=sys.stderr)
        given.output.parent.mkdir(parents=True, exist_ok=True)
        given.output.write_bytes(component)
    except Mistake as mistake:
        print(f"error: {mistake}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
