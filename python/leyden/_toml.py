"""An input document as TOML text."""

import json
import re

import numpy as np


def text(document: dict) -> str:
    """The document: plain keys first, then a section for each dictionary, each of its entries on a line."""
    lines = [f"{key(name)} = {value(entry)}" for name, entry in document.items() if not isinstance(entry, dict)]
    for name, section in document.items():
        if isinstance(section, dict):
            lines += [f"[{key(name)}]", *(f"{key(k)} = {value(v)}" for k, v in section.items())]
    return "\n".join(lines) + "\n"


def key(name: str) -> str:
    """A key, quoted where it must be."""
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else json.dumps(name, ensure_ascii=False)


def value(entry) -> str:
    """A value on one line."""
    if isinstance(entry, (bool, np.bool_)):
        return "true" if entry else "false"
    if isinstance(entry, str):
        return json.dumps(entry, ensure_ascii=False)
    if isinstance(entry, (int, np.integer)):
        return str(int(entry))
    if isinstance(entry, (float, np.floating)):
        return repr(float(entry))
    if isinstance(entry, dict):
        return "{ " + ", ".join(f"{key(k)} = {value(v)}" for k, v in entry.items()) + " }"
    if isinstance(entry, (list, tuple, np.ndarray)):
        return "[" + ", ".join(value(v) for v in entry) + "]"
    raise TypeError(f"{entry!r} is no number, text or list of them that an input could hold")
