"""The table of recordings: what is recorded into which file and what each file must show."""
import importlib
from dataclasses import dataclass, field
from pathlib import Path

RECORDINGS = []


@dataclass
class File:
    """One capture: its name, what it shows in words, and in tshark's display filters with counts.

    A count is exact where it is a number, at least so many where it is a string such as "3+"."""
    name: str
    shows: str
    counts: dict = field(default_factory=dict)


@dataclass
class Recording:
    """What one run of programs leaves: `make(folder)` writes all `files` into the folder."""
    name: str
    how: str
    files: list
    make: object


def recording(how, *files):
    """Puts the decorated function into the table, under its name with hyphens."""
    def enter(function):
        RECORDINGS.append(Recording(function.__name__.replace("_", "-"), how, list(files), function))
        return function
    return enter


def load_sessions():
    """Imports every module of sessions/, each of which fills the table."""
    for path in sorted((Path(__file__).parent / "sessions").glob("*.py")):
        importlib.import_module(f"sessions.{path.stem}")
