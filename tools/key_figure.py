"""Write the pictures of the first pages: README, landing page, page for referees.

Two are taken out of the stored outputs of lesson 6, so they are those that the book
shows; the landing page's is drawn.
"""

import base64
import io
import json
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
STATIC = ROOT / "book" / "static"
NOTEBOOK = ROOT / "notebooks" / "06_two_period_example.ipynb"
TAKEN = {
    "three_readings": "figures.readings(",
    "sampled_attachment": "figures.sampled_attachments(",
}


def pictures():
    """Return the bytes of the pictures, by name."""
    return {"hero": _hero(), **{name: _taken(call) for name, call in TAKEN.items()}}


def _taken(call):
    """Return the picture that the cell with a call shows."""
    for cell in json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]:
        if call in "".join(cell["source"]):
            for output in cell["outputs"]:
                if "image/png" in output.get("data", {}):
                    return base64.b64decode(output["data"]["image/png"])
    raise SystemExit(f"{NOTEBOOK.name} shows no figure by {call}...): make refresh")


def _hero():
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot as plt
    from PIL import Image

    from dynpo_lite.companion.chapters.hero import hero

    full, small = io.BytesIO(), io.BytesIO()
    figure = hero()
    figure.savefig(full, dpi=150)
    plt.close(figure)
    picture = Image.open(full).convert("RGB")
    picture.quantize(64, dither=Image.Dither.NONE).save(small, "png", optimize=True)
    return small.getvalue()


if __name__ == "__main__":
    for name, content in pictures().items():
        (STATIC / f"{name}.png").write_bytes(content)
