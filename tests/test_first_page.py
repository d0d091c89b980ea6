"""The pages that people see first: their pictures are those that are drawn now."""

import base64
import sys
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tools"))
build_book = pytest.importorskip("build_book")
key_figure = pytest.importorskip("key_figure")


@pytest.fixture(scope="module")
def drawn():
    return key_figure.pictures()


@pytest.mark.parametrize("name", ["hero", "three_readings", "sampled_attachment"])
def test_a_picture_is_the_one_drawn_now(drawn, name):
    stored = (ROOT / "book" / "static" / f"{name}.png").read_bytes()
    pair = [base64.b64encode(data).decode() for data in (stored, drawn[name])]
    assert build_book.same_picture(*pair)
    assert len(stored) <= 80_000


def test_another_picture_is_noticed(drawn):
    image = Image.open(BytesIO(drawn["hero"])).convert("RGB")
    image.paste("black", (0, 0, image.width // 4, image.height))
    changed = BytesIO()
    image.save(changed, "png")
    pair = [base64.b64encode(d).decode() for d in (drawn["hero"], changed.getvalue())]
    assert not build_book.same_picture(*pair)


def test_the_first_page_opens_three_doors():
    text = (ROOT / "book" / "intro.md").read_text("utf-8")
    head = text[: text.index("## ")]
    assert "static/hero.png" in head
    for door in ("Understand", "Use", "Check"):
        assert f"{{grid-item-card}} {door}\n:link: " in head
    assert "not refereed" in head


def test_the_readme_shows_a_picture_of_the_book():
    assert "](book/static/three_readings.png)" in (ROOT / "README.md").read_text()
