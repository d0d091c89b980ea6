"""Write what the book shows of the ledger: book/paper_map.md, and it as CSV and JSON.

    paper_map.py          write the three files
    paper_map.py --check  exit 1 if they differ from the ledger

The ledger is book/paper_items.yml; edit that, never these.
"""

import csv
import io
import json
import sys
from dataclasses import asdict
from pathlib import Path

from dynpo_lite.companion import ledger

ROOT = Path(__file__).resolve().parents[1]
BOOK = ROOT / "book"
FIELDS = ("label", "number", "kind", "title", "page", "functions", "test", "status")

HEAD = """\
# Paper map

Where is Lemma 3.11 checked, by which function, and does it hold? This page is the
paper's table of contents as a reviewer reads it: one row for every numbered item that
the book covers so far, with a link to the statement and to the code cell that tests it,
the status, and one sentence.

*Status*: **holds** as printed; **holds after repair**, the page shows what fails as
printed and the statement that holds; **fails as printed**, with a counterexample. The
same table is offered as [CSV](static/ledger.csv) and [JSON](static/ledger.json); its
anchors do not change.

"""


def files(rows):
    """Return the three texts, by path."""
    return {
        BOOK / "paper_map.md": page(rows),
        BOOK / "static" / "ledger.csv": table(rows),
        BOOK / "static" / "ledger.json": json.dumps(
            {name: [asdict(row) for row in part] for name, part in vars(rows).items()},
            indent=1,
        )
        + "\n",
    }


def page(rows):
    """Return the page, as MyST Markdown."""
    counts = {s: sum(i.status == s for i in rows.items) for s in ledger.STATUSES}
    said = ", ".join(f"{count} {status}" for status, count in counts.items())
    parts = [HEAD, f"{len(rows.items)} of the paper's 47 numbered items: {said}.\n"]
    parts.append("\n## Items\n")
    for item in rows.items:
        checks, breaks = (f"{tag}-{item.label}" for tag in ("checks", "breaks"))
        functions = ", ".join(f"`{name}`" for name in item.functions)
        parts.append(
            f"\n(map-{item.label})=\n"
            f"{{prf:ref}}`{item.label}`, {item.title}\n"
            f": **{item.status}.** {item.sentence.strip()}\n\n"
            f"  {{ref}}`check <{checks}>`, {{ref}}`break <{breaks}>`; {functions}; "
            f"`{item.test}`\n"
        )
    parts.append("\n## Figures and printed numbers\n\n")
    parts.append("| of the paper | title | verdict |\n| :-- | :-- | :-- |\n")
    for figure in rows.figures:
        link = f"{{ref}}`Figure {figure.number} <checks-{figure.label}>`"
        parts.append(f"| {link} | {figure.title} | {figure.verdict} |\n")
    for number in rows.numbers:
        link = f"{{ref}}`{number.printed:g} <checks-{number.label}>`"
        ours = f"{number.title}: exactly {number.ours:.9f}"
        parts.append(f"| {link} | {ours} | {number.verdict} |\n")
    return "".join(parts)


def table(rows):
    """Return the items as CSV."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*FIELDS, "sentence"])
    for item in rows.items:
        row = [getattr(item, name) for name in (*FIELDS, "sentence")]
        writer.writerow(["; ".join(x) if isinstance(x, tuple) else x for x in row])
    return out.getvalue()


def main():
    """Write, or check."""
    for path, text in files(ledger.load()).items():
        if "--check" in sys.argv:
            if not path.is_file() or path.read_text(encoding="utf-8") != text:
                sys.exit(f"{path.name} does not show the ledger: make refresh")
        else:
            path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
