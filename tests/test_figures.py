"""What the figures draw is what the package computes, for any example."""

import html
import io

import matplotlib as mpl
import numpy as np
import pytest

import dynpo_lite as dp
from dynpo_lite.companion.chapters import economy_figures
from dynpo_lite.companion.chapters import example_figures as figures

mpl.use("agg")
EXAMPLES = [
    dp.TwoPeriodExample(),
    dp.TwoPeriodExample(agent1_threshold=0.6),
    dp.TwoPeriodExample(agent1_threshold=0.0, agent2_threshold=0.0),
    dp.TwoPeriodExample(agent2_threshold=1.0, agent1_level_time0=0.0),
]


@pytest.fixture(autouse=True)
def close():
    yield
    figures.plt.close("all")


@pytest.mark.parametrize("example", EXAMPLES)
@pytest.mark.parametrize(
    "draw",
    [
        figures.distortions,
        figures.tails_time2,
        figures.retention_time2,
        figures.tails_time1,
        figures.retention_time1,
        figures.readings,
        lambda example: figures.premium_bounds(example, 0.5),
        lambda example: figures.conditional_intervals(example, 0.5),
    ],
)
def test_every_figure_is_labelled_and_told_apart_without_colour(draw, example):
    draw(example)
    figure = figures.plt.gcf()
    for axes in figure.axes:
        assert axes.get_ylabel()
        styles = [line.get_linestyle() for line in axes.get_legend().get_lines()]
        assert len(styles) == len(set(styles)) >= 2
        assert min(t.get_fontsize() for t in axes.get_xticklabels()) >= 9
    assert figure.axes[-1].get_xlabel()
    assert figure.get_facecolor()[:3] == (1, 1, 1)
    assert figure.get_facecolor()[3] == 1  # opaque


def test_drawn_numbers_are_the_computed_ones():
    example = EXAMPLES[0]
    drawn = figures.tails_time2(example)
    tail = example.losses.s2_tail(drawn["x"])
    assert np.allclose(drawn["k"][0], 0.2 * tail + 0.8 * np.minimum(10 * tail, 1))
    drawn = figures.retention_time2(example)
    assert np.allclose(drawn["kept"][1], np.minimum(drawn["x"], 776.613476186605))
    drawn = figures.tails_time1(example)
    assert np.allclose(drawn["k"][1], drawn["tail"])
    drawn = figures.retention_time1(example)
    assert np.nanmax(np.abs(drawn["kept"][0])) == 0
    drawn = figures.readings(example)
    assert drawn["cost"]["marginal"].min() == pytest.approx(651.358969086578)
    assert drawn["cost"]["conditional"].min() == pytest.approx(560.22180801512)


# economies of one's own ---------------------------------------------------------------


def test_an_odd_currency_is_shown_as_it_is():
    odd = "\\frac{1} $x^$"
    drawn = economy_figures.convergence({2: ([1], [1]), 1: ([1, 2], [3, 4])}, odd)
    assert drawn[1] == ([1, 2], [3, 4])
    with mpl.rc_context({"svg.fonttype": "none"}):
        figures.plt.gcf().savefig(picture := io.StringIO(), format="svg")
    text = html.unescape(picture.getvalue())
    assert f"({odd})<" in text
    assert ">1 group a year<" in text
