#!/usr/bin/env python3
"""Open the page of `leyden report` in headless Chromium as a phone would, and press the heads of its tables.

    scripts/report_check.py runs/aging/report.html ...

Fails where the page is wider than the screen, a picture cannot be read, a table is not sorted by the column that was
pressed, or anything is asked of the network. Needs `chromium` on the path and nothing else.
"""
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

WIDTH = 375

HARNESS = """<!DOCTYPE html><meta charset="utf-8"><body><iframe width="%d" height="3000"></iframe><script>
const frame = document.querySelector("iframe");
frame.onload = () => {
  const page = frame.contentDocument, wrong = [];
  if (page.documentElement.scrollWidth > %d) wrong.push("it is " + page.documentElement.scrollWidth + " pixels wide");
  const pictures = [...page.querySelectorAll("svg")].map((svg) => svg.getBoundingClientRect().width);
  if (pictures.some((width) => width < 0.8 * %d)) wrong.push("pictures are " + pictures + " pixels wide");
  let pressed = 0;
  for (const table of page.querySelectorAll("table")) {
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      for (const sign of [1, -1]) {
        head.querySelector("button").click();
        pressed += 1;
        const cells = [...table.tBodies[0].rows].map((row) => row.cells[column].dataset.number);
        const numbers = cells.filter((number) => number !== undefined).map(Number);
        if (numbers.some((number, k) => k > 0 && sign * (number - numbers[k - 1]) < 0))
          wrong.push("sorted by " + head.textContent + ": " + numbers);
      }
    });
  }
  if (pressed === 0) wrong.push("there is no table");
  document.body.textContent = "RESULT" + JSON.stringify({ wrong, pictures: pictures.length, pressed }) + "END";
};
frame.srcdoc = %s;
</script></body>"""


def check(page: Path) -> bool:
    text = page.read_text(encoding="utf-8")
    asked = re.findall(r"""(?:src|href)\s*=\s*["']?[^#"'][^"'>]*|@import|url\(""", text)
    source = json.dumps(text).replace("</", "<\\/")
    with tempfile.TemporaryDirectory() as folder:
        harness = Path(folder) / "harness.html"
        harness.write_text(HARNESS % (WIDTH, WIDTH, WIDTH, source), encoding="utf-8")
        arguments = ["--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=10000", "--dump-dom"]
        done = subprocess.run(
            ["chromium", *arguments, harness.as_uri()], capture_output=True, text=True, timeout=120, check=True
        )
    found = re.search(r"RESULT(.*)END", done.stdout, re.S)
    if not found:
        print(f"{page}: Chromium did not show it")
        return False
    result = json.loads(found[1].replace("&gt;", ">").replace("&lt;", "<").replace("&amp;", "&"))
    wrong = result["wrong"] + [f"it asks for {what}" for what in asked]
    print(f"{page}: {result['pictures']} pictures, {result['pressed']} times sorted; {'; '.join(wrong) or 'as it should be'}")
    return not wrong


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sys.exit(0 if all([check(Path(name)) for name in sys.argv[1:]]) else 1)
