"""The look at the book in a browser sees what it is meant to see: faults are seeded.

Skipped where there is no Chromium; `make browser` itself fails there and says so.
"""

import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tools"))
browser = pytest.importorskip("browser")
playwright = pytest.importorskip("playwright.sync_api")

EXECUTABLE = next(filter(None, map(shutil.which, browser.BROWSERS)), None)
GOOD = "<p>Text and <a href='other.html#there'>a link</a>.</p>"
FAULTS = {
    "<script>throw new Error('broken')</script>": "page error: broken",
    "<script>console.error('complaint')</script>": "console: complaint",
    "<img src='http://127.0.0.2:9/x.png' alt='x'>": "request to the outside",
    "<script src='missing.js'></script>": "HTTP 404",
    "<img src='image.svg'>": "image without alt text",
    "<p id='same'>a</p><p id='same'>b</p>": "repeated id: same",
    "<h1>Another</h1>": "2 h1 headings",
    "<div style='width: 3000px'>wide</div>": "page scrolls sideways",
    "<b style='margin-left: 2500px'>x</b>": "wider than the screen: b",
    r"<span class='math'>\(x\)</span>": "raw TeX",
    "<p>see {ref}`there`</p>": "raw markup",
    "<p style='color: #ddd'>pale</p>": "axe color-contrast",
    "<a href='nowhere.html'>x</a>": "broken link",
    "<a href='other.html#nowhere'>x</a>": "broken fragment",
}
PAGE = """<!doctype html><html lang="en"><head><title>T</title>
<link rel="icon" href="image.svg"></head><body><main><h1>Title</h1>{}</main></body>"""
SQUARE = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """Look at a page for each fault, and at a good one; return all findings."""
    if EXECUTABLE is None:
        pytest.skip("no Chromium")
    html = tmp_path_factory.mktemp("html")
    (html / "image.svg").write_text(SQUARE)
    (html / "other.html").write_text(PAGE.format("<p id='there'>There.</p>"))
    pages = {"good.html": GOOD}
    pages |= {f"fault{n}.html": fault for n, fault in enumerate(FAULTS)}
    for page, body in pages.items():
        (html / page).write_text(PAGE.format(body))
    with browser.serve(html) as base, playwright.sync_playwright() as play:
        chromium = play.chromium.launch(
            executable_path=EXECUTABLE, args=["--no-sandbox"]
        )
        checker = browser.Checker(chromium, base, browser.axe_script(), html / "shots")
        for page in ["other.html", *pages]:
            found = checker.check_view(page, 1280, "light")
            checker.findings[page] = browser.Counter(found)
        checker.check_links(html)
        chromium.close()
    return checker.findings


@pytest.mark.parametrize("page", ["good.html", "other.html"])
def test_a_good_page_passes(report, page):
    """There is nothing to find on a page without a fault."""
    assert not report[page]


@pytest.mark.parametrize("number", range(len(FAULTS)), ids=list(FAULTS.values()))
def test_a_seeded_fault_is_found(report, number):
    """Each fault is reported under its own name."""
    expected = list(FAULTS.values())[number]
    found = report[f"fault{number}.html"]
    assert any(finding.startswith(expected) for finding in found), found
