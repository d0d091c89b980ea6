"""Look at every page of the built book in headless Chromium and report what is wrong.

Each page is loaded at two widths in the light and in the dark theme, everything folded
is opened, and a finding is: a console or page error, a request to the outside, an HTTP
error, a TeX error or raw markup, a repeated id, an image without alternative text,
content wider than the screen, a violation of axe-core's WCAG 2.1 A and AA rules, a
broken local link or fragment, a file over its budget. Screenshots, of the first screen
and of the whole page, go to _build/screenshots/.
"""

import functools
import shutil
import sys
import threading
import time
from collections import Counter
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

ROOT = Path(__file__).resolve().parents[1]
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
WIDTHS = {1280: 900, 390: 844}  # and heights
THEMES = ("light", "dark")
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]
HTML_BUDGET = 300_000  # bytes
IMAGE_BUDGET = 80_000
IMAGES = {".png", ".jpg", ".jpeg", ".gif", ".svg", ".webp"}

MATH_READY = """async () => {
  if (!document.querySelector('script[src*="tex-svg"]')) return;
  while (!window.MathJax?.startup?.promise) await new Promise(r => setTimeout(r, 20));
  await MathJax.startup.promise;
}"""
UNFOLD = """async () => {
  document.querySelectorAll('main details').forEach(d => { d.open = true; });
  document.querySelectorAll('.toggle-button-hidden').forEach(b => b.click());
  window.dispatchEvent(new Event('resize'));
  await new Promise(requestAnimationFrame);
  document.getAnimations().forEach(a => a.finish());
}"""
INSPECT = r"""() => {
  const found = [], main = document.querySelector('main');
  const short = text => text.trim().replace(/\s+/g, ' ').slice(0, 70);
  const name = e => e.tagName.toLowerCase() + (e.id ? '#' + e.id : '') +
    [...e.classList].map(c => '.' + c).join('');
  for (const e of document.querySelectorAll('[data-mml-node=merror]'))
    found.push('TeX error: ' + short(e.getAttribute('data-mjx-error') ?? ''));
  for (const e of document.querySelectorAll('.math'))
    if (!e.querySelector('mjx-container'))
      found.push('raw TeX: ' + short(e.textContent));
  const texts = document.createTreeWalker(main, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const {parentElement: parent, data} = texts.currentNode;
    if (/\\[a-z]{2}|\\[([]|\$\$|:::|\{[a-z:]+\}`/i.test(data) &&
        !parent.closest('pre, code, script, style, mjx-container'))
      found.push('raw markup: ' + short(data));
  }
  const ids = [...document.querySelectorAll('body [id]')].map(e => e.id);
  for (const id of new Set(ids.filter((id, i) => ids.indexOf(id) < i)))
    found.push('repeated id: ' + id);
  for (const image of document.images) {
    if (!image.alt.trim()) found.push('image without alt text: ' + image.src);
    if (!image.naturalWidth) found.push('image not shown: ' + image.src);
  }
  const h1 = document.querySelectorAll('h1').length;
  if (h1 !== 1) found.push(`${h1} h1 headings`);
  const wide = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth > wide) found.push('page scrolls sideways');
  const scrolls = e => !e.matches('main, .bd-article-container') &&
    (/auto|scroll/.test(getComputedStyle(e).overflowX) || scrolls(e.parentElement));
  for (const e of main.querySelectorAll('*'))
    if (e.getBoundingClientRect().right > wide + 1 && !e.closest('svg, .onlyprint') &&
        !e.closest('.bd-sidebar-secondary, mjx-assistive-mml') && !scrolls(e))
      found.push('wider than the screen: ' + name(e));
  const links = [...document.querySelectorAll('a[href]')].map(a => a.href);
  return {found, ids, links};
}"""
AXE = """async ([tags, contrast]) => {
  const rules = {'color-contrast': {enabled: contrast}};
  const options = {runOnly: tags, preload: false, resultTypes: ['violations'], rules};
  return (await axe.run(document, options)).violations.map(v =>
    `axe ${v.id}: ${v.nodes.length} x ${v.nodes[0].target.join(' ')}`);
}"""


class QuietHandler(SimpleHTTPRequestHandler):
    """Serves files and writes no log."""

    def log_message(self, *args):
        """Write nothing."""


@contextmanager
def serve(folder):
    """Serve a folder on a free local port; yield its address."""
    handler = functools.partial(QuietHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def files_of(html):
    """Return the files of the book, sorted."""
    return sorted(path for path in html.rglob("*") if path.is_file())


def list_pages(html):
    """Return the pages of the book as paths relative to its folder."""
    return [
        path.relative_to(html).as_posix()
        for path in files_of(html)
        if path.suffix == ".html"
        and "_static" not in path.parts
        and 'http-equiv="refresh"' not in path.read_text(encoding="utf-8").lower()
    ]


def over_budget(html):
    """Return a finding for each file that is too heavy."""
    found = []
    for path in files_of(html):
        budget = HTML_BUDGET if path.suffix == ".html" else IMAGE_BUDGET
        if path.suffix in IMAGES | {".html"} and path.stat().st_size > budget:
            size = f"{path.stat().st_size:,} bytes, allowed {budget:,}"
            found.append(f"{path.relative_to(html)}: {size}")
    return found


def axe_script():
    """Return the path of axe-core."""
    import axe_playwright_python

    return Path(axe_playwright_python.__file__).with_name("axe.min.js")


class Checker:
    """Loads pages in one browser and gathers what it finds, page by page."""

    def __init__(self, browser, base, axe, shots):
        """Take a browser, the book's address, axe-core and the screenshots' folder."""
        self.browser, self.base, self.axe, self.shots = browser, base, axe, shots
        self.findings, self.ids, self.links = {}, {}, {}

    def check_page(self, page):
        """Check a page at all widths and in all themes."""
        found = self.findings[page] = Counter()
        for width in WIDTHS:
            for theme in THEMES:
                for finding in self.check_view(page, width, theme):
                    found[finding] += 1

    def check_view(self, page, width, theme):
        """Return the findings on a page at one width in one theme."""
        found = []
        context = self.browser.new_context(
            viewport={"width": width, "height": WIDTHS[width]}, color_scheme=theme
        )
        setting = f"localStorage.mode = localStorage.theme = '{theme}'"
        context.add_init_script(setting)
        tab = context.new_page()
        tab.on("pageerror", lambda error: found.append(f"page error: {error}"))
        tab.on(
            "console",
            lambda m: found.append(f"console: {m.text}") if m.type == "error" else None,
        )
        tab.on("request", lambda request: found.extend(self.outside(request.url)))
        tab.on(
            "response",
            lambda r: found.append(f"HTTP {r.status}: {r.url}") if not r.ok else None,
        )
        # The search page is looked at with results on it.
        query = "?q=risk" if page == "search.html" else ""
        tab.goto(self.base + page + query, wait_until="load")
        tab.evaluate(MATH_READY)
        shot = f"{self.shots / page.removesuffix('.html').replace('/', '-')}-{width}"
        tab.screenshot(path=f"{shot}-{theme}.png")
        tab.evaluate(UNFOLD)
        tab.screenshot(path=f"{shot}-{theme}-full.png", full_page=True)
        seen = tab.evaluate(INSPECT)
        tab.add_script_tag(path=self.axe)
        contrast = width == max(WIDTHS)  # slow, and the same at every width
        found += seen["found"] + tab.evaluate(AXE, [WCAG, contrast])
        self.ids[page], self.links[page] = set(seen["ids"]), set(seen["links"])
        context.close()
        return found

    def outside(self, url):
        """Return a finding if a request leaves the book."""
        inside = url.startswith((self.base, "data:", "blob:"))
        return [] if inside else [f"request to the outside: {url}"]

    def check_file(self, path):
        """Check that a page shows its mathematics from the disk, without a server."""
        tab = self.browser.new_page()
        tab.goto(path.as_uri(), wait_until="load")
        tab.evaluate(MATH_READY)
        found = [f for f in tab.evaluate(INSPECT)["found"] if "TeX" in f]
        tab.close()
        return [f"{path.name} from file://: {f}" for f in found]

    def check_links(self, html):
        """Check all local links and fragments of the pages seen."""
        for page, links in self.links.items():
            for link in sorted(link for link in links if link.startswith(self.base)):
                parts = urlsplit(link)
                target = unquote(parts.path).lstrip("/") or "index.html"
                fragment = unquote(parts.fragment)
                if not (html / target).is_file():
                    self.findings[page][f"broken link: {link}"] += 1
                elif fragment and fragment not in self.ids.get(target, {fragment}):
                    self.findings[page][f"broken fragment: {link}"] += 1


def check_book(html, executable, shots):
    """Check all pages; print a line for each; return the number that failed."""
    from playwright.sync_api import sync_playwright

    shutil.rmtree(shots, ignore_errors=True)
    pages = list_pages(html)
    with serve(html) as base, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=executable, args=["--no-sandbox"]
        )
        checker = Checker(browser, base, axe_script(), shots)
        for number, page in enumerate(pages, 1):
            start = time.perf_counter()
            checker.check_page(page)
            seconds = time.perf_counter() - start
            print(f"[{number}/{len(pages)} {seconds:4.1f} s] {page}", flush=True)
        checker.check_links(html)
        checker.findings["files"] = Counter(
            over_budget(html) + [f for p in pages for f in checker.check_file(html / p)]
        )
        browser.close()
    failed = {page: found for page, found in checker.findings.items() if found}
    for page, found in failed.items():
        print(f"FAILED {page}")
        for finding, times in found.items():
            print(f"    {finding}" + (f" ({times} views)" if times > 1 else ""))
    print(f"{len(checker.findings) - len(failed)} passed, {len(failed)} failed")
    return len(failed)


def main():
    """Run the command line; return the exit code."""
    html = ROOT / "_build" / "html"
    executable = next(filter(None, map(shutil.which, BROWSERS)), None)
    if not (html / "index.html").is_file():
        print("There is no book to look at yet: run `make book` first.")
        return 1
    if executable is None:
        print(
            f"No Chromium here (looked for {', '.join(BROWSERS)}). On Debian:\n"
            "    sudo apt-get update\n    sudo apt-get install --no-install-recommends"
            " chromium fonts-dejavu-core fonts-liberation"
        )
        return 1
    return 1 if check_book(html, executable, ROOT / "_build" / "screenshots") else 0


if __name__ == "__main__":
    sys.exit(main())
