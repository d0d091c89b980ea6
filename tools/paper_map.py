"""Write what the book shows of the ledger: the paper map, and it as CSV and JSON.

    paper_map.py          write the files
    paper_map.py --check  exit 1 if they differ from the ledger

Besides, two parts of the page of findings: what agrees, and what does not.  The ledger
is book/paper_items.yml; edit that, never these.  Recorded numbers come from the stored
outputs of the notebooks.
"""

import csv
import io
import json
import sys
from dataclasses import asdict
from pathlib import Path

import ledger

from dynpo_lite.companion.rerun.parameters import load_notebook
from dynpo_lite.companion.rerun.record import harvest

ROOT = Path(__file__).resolve().parents[1]
BOOK = ROOT / "book"
FIELDS = ("label", "number", "kind", "title", "page", "functions", "test", "status")

HEAD = """\
# Paper map

Where is Lemma 3.11 checked, by which function, and does it hold? This page is the
paper's table of contents as a reviewer reads it: one row for every numbered item that
the paper has, with a link to the statement and to the code cell that tests it,
the status, and one sentence.

*Status*: **holds** as printed; **holds with a repair**: false or of no use as printed,
and mended; **true only without news**: true as printed, which by its hypotheses
concerns one period only, and false or in need of more where information arrives before
the last period; **fails as printed**, with a counterexample. The same table is offered
as [CSV](static/ledger.csv) and [JSON](static/ledger.json); its anchors do not change.

"""

MEANING = {
    "false as printed": "One direction of an equivalence.",
    "hypotheses that can exclude each other": (
        "Nothing here is false, and each hypothesis is sound by itself. Together they "
        "leave little: on some spaces no measure has all the properties, or nothing "
        "may be learnt before the last period."
    ),
    "true as printed for one period only": (
        "As printed these rest on Assumption 5.6 beside Assumption 3.2, and so concern "
        "one period, where they are true. With information that arrives they fail in "
        "at least one of the [readings](#what-survives); each repair says in which "
        "form they hold."
    ),
    "a hypothesis is missing": (
        "What is meant is true; the text needs a clause more than it prints."
    ),
}
VECTORS = """
## The second document

Numbered relations of *On optimal allocations of risk vectors*
{cite}`kieselruschendorf` that the chapter on
[risk vectors](../notebooks/audit/risk_vectors.ipynb) uses. They are not among the
paper's 47 items, and hold there for finitely many states.
"""


def files(rows):
    """Return the texts, by path."""
    return {
        BOOK / "paper_map.md": page(rows),
        BOOK / "findings_agreement.md": agreement(rows),
        BOOK / "findings_deviations.md": deviations(rows),
        BOOK / "findings_table.md": verdicts(rows),
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
    parts += [entry(item) for item in rows.items]
    parts.append("\n## Figures and printed numbers\n\n")
    parts.append("| of the paper | title | verdict |\n| :-- | :-- | :-- |\n")
    for figure in rows.figures:
        link = f"{{ref}}`Figure {figure.number} <checks-{figure.label}>`"
        parts.append(f"| {link} | {figure.title} | {figure.verdict} |\n")
    for number in rows.numbers:
        link = f"{{ref}}`{number.printed:g} <checks-{number.label}>`"
        ours = f"{number.title}: exactly {number.ours:.9f}"
        parts.append(f"| {link} | {ours} | {number.verdict} |\n")
    parts.append(VECTORS)
    parts += [entry(item) for item in rows.vectors]
    return "".join(parts)


def entry(item):
    """Return one numbered item: link, status, sentence, where it is checked."""
    checks, breaks = (f"{tag}-{item.label}" for tag in ("checks", "breaks"))
    functions = ", ".join(f"`{name}`" for name in item.functions)
    return (
        f"\n(map-{item.label})=\n"
        f"{{prf:ref}}`{item.label}`, {item.title}\n"
        f": **{item.status}.** {item.sentence.strip()}\n\n"
        f"  {{ref}}`check <{checks}>`, {{ref}}`break <{breaks}>`; {functions}; "
        f"`{item.test}`\n"
    )


def agreement(rows):
    """Return the table of printed numbers against ours."""
    head = ("number of Section 6", "verdict", "printed", "ours", "s.e.", "z")
    lines = [head, (":--", ":--", *["--:"] * 4)]
    for number in rows.numbers:
        sampled = number.standard_error is not None
        lines.append(
            (
                f"{{ref}}`{number.title} <checks-{number.label}>`",
                number.verdict,
                f"{number.printed:.6g}",
                f"{number.ours:.10g}",
                f"{number.standard_error:.2f}" if sampled else "",
                f"{number.z:+.2f}" if sampled else "",
            )
        )
    for figure in rows.figures:
        text = f"Figure {figure.number} of the paper"
        link = f"{{ref}}`{text} <checks-{figure.label}>`"
        lines.append((f"{link}: {figure.title}", figure.verdict, "", "", "", ""))
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def verdicts(rows):
    """Return the table of the items that do not simply hold, for referees."""
    head = ("item", "verdict", "where it bites", "counterexample", "repair")
    short = {"fails as printed": "fails", "true only without news": "no news"}
    lines = [head, (":--",) * len(head)]
    found = {item: item.deviation for item in rows.items if item.deviation}
    order = sorted(found, key=lambda item: -ledger.STATUSES.index(item.status))
    for item in order:
        why, label = found[item], item.label
        cell = why.cell.replace(":", "-")
        said = short.get(item.status, "repair")
        verdict = f"{{ref}}`{said} <finding-{label}>`"
        shown = f"{{ref}}`{why.brief} <{cell}>`"
        lines.append((f"{{prf:ref}}`{label}`", verdict, why.severity, shown, why.mend))
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def deviations(rows):
    """Return a section for each kind of deviation, with its items."""
    parts = [count(rows.items)]
    for kind in ledger.DEVIATIONS:
        items = [
            item
            for item in (*rows.items, *rows.vectors)
            if item.deviation and item.deviation.kind == kind
        ]
        parts.append(f"\n### {kind.capitalize()}\n\n{MEANING[kind]}\n")
        parts += [finding(item) for item in items]
    return "".join(parts)


def count(items):
    """Return a sentence that counts the items by status."""
    count = [sum(i.status == s for i in items) for s in ledger.STATUSES]
    held, mended, quiet, failed = count
    return (
        f"Of the {len(items)} numbered items {held} hold as printed, {mended} hold "
        f"with a repair, {quiet} are true as printed but only where nothing is learnt "
        f"before the last period, {failed} fails as printed.\n"
    )


def _cells(page):
    return load_notebook(ROOT / f"{page}.ipynb")["cells"]


def finding(item):
    """Return the entry of one deviating item."""
    found = item.deviation
    cell = found.cell.replace(":", "-")
    recorded = harvest({"cells": _cells(item.page)})
    quoted = ", ".join(f"`{name}` = {recorded[name]}" for name in found.recorded)
    repaired = f"{{prf:ref}}`{found.repaired_as}`, " if found.repaired_as else ""
    tags = {tag for c in _cells(item.page) for tag in c["metadata"].get("tags", [])}
    own = f"checks:{found.repaired_as}"
    check = own if own in tags else f"checks:{item.label}"
    check = check.replace(":", "-")
    return (
        f"\n(finding-{item.label})=\n"
        f"{{prf:ref}}`{item.label}`, {item.title} (*{item.status}*)\n"
        f": *Counterexample.* {found.counterexample} {{ref}}`The cell <{cell}>` "
        f"shows it{f'; recorded: {quoted}' if quoted else ''}.\n\n"
        f"  *Repair.* {found.repair} See {repaired}"
        f"{{ref}}`its check <{check}>`.\n"
    )


def table(rows):
    """Return the items as CSV, those of the second document last."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*FIELDS, "sentence"])
    for item in (*rows.items, *rows.vectors):
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
