#!/usr/bin/env python3
"""Do what the guide says, as a reader would, and follow every link of the documentation.

    python scripts/guide_check.py [PAGE.md ...]      # a Python with numpy and qutip, for the scripts that the guide shows

In docs/guide/*.md

    ```toml   whose first line is `# NAME.toml`   is saved under that name, and so is ```python with `# NAME.py`
    ```console                                    has commands behind `$ `, which must succeed, and what they print
    ```console fails                              has commands that must not
    anything else                                 is not run

Each page has a folder of its own, with `examples` and `scripts` in it and `leyden` on the path. Every line of output on the
page must be found, in this order, in what the command prints; blanks do not count, and `…` stands for any text.

In all pages, relative links must lead to a file and a heading that are there; pages of docs/, which are a book, link to
each other alone, and each of them is in docs/SUMMARY.md.
"""

import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
LEYDEN = Path(os.environ.get("LEYDEN", TARGET / "release" / "leyden")).resolve()
FENCE = re.compile(r"^(```+)(.*?)\n(.*?)^\1$", re.MULTILINE | re.DOTALL)


def blocks(page):
    """Line number, what stands behind the backticks, and the text of each block of code."""
    text = page.read_text(encoding="utf-8")
    return [(text.count("\n", 0, m.start()) + 1, m[2].strip(), m[3]) for m in FENCE.finditer(text)]


def commands(block):
    """Commands of a console block, each with the lines that it is said to print."""
    found = []
    for line in block.replace("\\\n", " ").splitlines():
        if line.startswith("$ "):
            found.append((line[2:], []))
        elif line.strip():
            found[-1][1].append(line)
    return found


def missing(expected, printed):
    """The first expected line that is not printed after those before it, if any."""
    lines = iter([" ".join(line.split()) for line in printed.splitlines()])
    for line in expected:
        pattern = re.compile(".*".join(map(re.escape, " ".join(line.split()).split("…"))))
        if not any(pattern.fullmatch(text) for text in lines):
            return line
    return None


def run(page, folder):
    """What is wrong with the commands of a page."""
    for name in ("examples", "scripts"):
        (folder / name).symlink_to(ROOT / name)
    (folder / "bin").mkdir()
    (folder / "bin" / "leyden").symlink_to(LEYDEN)
    path = os.pathsep.join([str(folder / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]])
    wrong, count = [], 0
    for number, kind, text in blocks(page):
        named = re.match(r"# ([\w./-]+\.(?:toml|py))\n", text)
        if kind in ("toml", "python") and named:
            (folder / named[1]).write_text(text, encoding="utf-8")
        if kind.split()[:1] != ["console"]:
            continue
        for command, expected in commands(text):
            count += 1
            done = subprocess.run(["bash", "-c", command], cwd=folder, env={**os.environ, "PATH": path}, text=True, timeout=120,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
            line = missing(expected, done.stdout)
            if (done.returncode != 0) != kind.endswith("fails"):
                wrong.append(f"line {number}: `{command}` ends with status {done.returncode}:\n{done.stdout}")
            elif line is not None:
                wrong.append(f"line {number}: `{command}` does not print\n    {line}\nbut\n{done.stdout}")
    return wrong, count


def prose(page):
    """The text of a page without its code."""
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    text = re.sub(r"^(?: {4}|\t).*$", "", text, flags=re.MULTILINE)
    return re.sub(r"(`+)(?:(?!`).)+?\1", "", text, flags=re.DOTALL)


def anchors(page):
    """The anchors that headings have, as GitHub and mdBook make them."""
    found = set()
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE):
        heading = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).lower()
        slug = re.sub(r"[^\w\- ]", "", heading).strip().replace(" ", "-")
        again = 0
        while (name := f"{slug}-{again}" if again else slug) in found:
            again += 1
        found.add(name)
    return found


def links(page):
    """What is wrong with the links of a page."""
    wrong, text = [], prose(page)
    # The text of a link may be code, which is no longer there.
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"\w+:", target):
            continue
        name, _, anchor = target.partition("#")
        path = (page.parent / name).resolve() if name else page
        if not path.exists():
            wrong.append(f"{target} is not there")
        elif anchor and anchor not in anchors(path):
            wrong.append(f"{target}: no heading of that name")
        elif page.is_relative_to(DOCS) and not path.is_relative_to(DOCS):
            wrong.append(f"{target} leads out of the book: name the file instead")
    return wrong


def main():
    if not LEYDEN.exists():
        sys.exit(f"{LEYDEN} is not there: cargo build --release, or LEYDEN=path of the command")
    chosen = [Path(name).resolve() for name in sys.argv[1:]]
    guide = [page for page in sorted(DOCS.glob("guide/*.md")) if not chosen or page in chosen]
    pages = chosen or [*ROOT.glob("*.md"), *DOCS.rglob("*.md"), *(ROOT / "results").rglob("*.md")]
    bad = False
    for page in sorted(set(pages)):
        bad |= report(page, links(page))
    summary = (DOCS / "SUMMARY.md").read_text(encoding="utf-8")
    bad |= report(DOCS / "SUMMARY.md", [f"{page.relative_to(DOCS)} is missing" for page in DOCS.rglob("*.md")
                                        if page.name != "SUMMARY.md" and f"({page.relative_to(DOCS)})" not in summary])
    for page in guide:
        started = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            wrong, count = run(page, Path(folder))
        print(f"{page.relative_to(ROOT)}: {count} commands in {time.monotonic() - started:.1f} s")
        bad |= report(page, wrong)
    print(f"{len(pages)} pages linked, {len(guide)} run")
    sys.exit(1 if bad or not guide else 0)


def report(page, wrong):
    for message in wrong:
        print(f"{page.relative_to(ROOT)}: {message}")
    return bool(wrong)


if __name__ == "__main__":
    main()
