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
        lambda example: figures.rational_totals(example, 0.5, 5),
        figures.totals_by_reading,
    ],
)
def test_every_figure_is_labelled_and_told_apart_without_colour(draw, example):
    draw(example)
    figure = figures.plt.gcf()
    for axes in figure.axes:
        assert axes.get_ylabel()
        legend = axes.get_legend()
        styles = [line.get_linestyle() for line in legend.get_lines()]
        styles = styles or [patch.get_hatch() for patch in legend.get_patches()]
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


def test_drawn_numbers_of_the_lessons_are_the_computed_ones():
    example = EXAMPLES[0]
    drawn = figures.totals_by_reading(example)
    assert set(drawn["totals"]["marginal"].round(3)) == {200.0, 461.371, 1067.026}
    drawn = figures.regime_totals(example, (1000.0,))
    (at,) = np.flatnonzero(drawn["attachment"] == 1000.0)
    assert drawn["expected"][at] == pytest.approx(669.972249686)
    assert drawn["expected"].min() >= 651.358969086578
    drawn = figures.rational_totals(example, 0.5, 5)
    assert drawn["least"].min() == pytest.approx(drawn["free"])
    drawn = figures.swapped_bills([[1.0, 2.0], [0.0, 3.0]], (0.0, 1.0))
    assert drawn["nodes"].tolist() == [1, 2]
    s1, s2 = example.losses.sample(100, 1)
    drawn = figures.cloud(example, s1, s2)
    assert [end for _, end in drawn["ends"]] == [
        *[low for low, _ in drawn["ends"]][1:],
        np.inf,
    ]


def test_sampled_attachments_scatter_as_their_standard_error_says():
    drawn = figures.sampled_attachments(EXAMPLES[0], 2_000, 1, 200, 780.0)
    error = EXAMPLES[0].simulate(200_000, 1).attachments_marginal[0].standard_error
    assert drawn["found"].std() == pytest.approx(10 * error, rel=0.25)
    assert len(figures.sampled_attachments(EXAMPLES[2], 100, 1)["found"]) == 0


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
