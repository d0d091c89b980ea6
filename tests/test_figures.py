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

ODD = ["$x^$", "$\\frac{1}$", "\\$|<b> _", "_[y](z)"]
MEASURES = [dp.ExpectedShortfall(0.5), dp.Expectation()]
TREE = dp.ScenarioTree([-1, 0, 0], [1, 0.5, 0.5])


def equals(n_agents, losses=(2, 5)):
    return dp.Economy(TREE, [[0, *losses]] * n_agents, [dp.Expectation()] * n_agents)


@pytest.mark.parametrize(
    ("draw", "seen"),
    [
        (lambda own, at: economy_figures.tree(own, ODD[0]), ODD[:1]),
        (lambda own, at: economy_figures.layers(at.layers[0], ODD, ODD[0]), ODD),
        (lambda own, at: economy_figures.premia(at, ODD, ODD[0]), ODD),
        (lambda own, at: economy_figures.gains({"a": range(4)}, ODD, ODD[0]), ODD),
        (lambda own, at: economy_figures.convergence({2: ([1], [1])}, ODD[0]), ODD[:1]),
    ],
)
def test_names_are_shown_as_they_are(draw, seen):
    own = equals(4)
    draw(own, dp.solve(own))
    with mpl.rc_context({"svg.fonttype": "none"}):
        figures.plt.gcf().savefig(picture := io.StringIO(), format="svg")
    text = html.unescape(picture.getvalue())
    for name in seen:
        assert f">{name}<" in text or f"({name})<" in text, name


def test_seven_agents_are_told_apart_and_no_layers_are_drawn():
    solution = dp.solve(equals(7))
    drawn = economy_figures.layers(solution.layers[0], list("abcdefg"), "EUR")
    assert drawn["ends"].tolist() == [14, 35]
    legend = figures.plt.gca().get_legend()
    looks = {(p.get_facecolor(), p.get_hatch()) for p in legend.get_patches()}
    assert len(looks) == 7
    solution = dp.solve(equals(7, losses=(3, 3)))
    drawn = economy_figures.layers(solution.layers[0], list("abcdefg"), "EUR")
    assert drawn["ends"].shape == (0,)
    assert drawn["shares"].shape == (0, 7)


def test_more_arrangements_than_colours():
    risks = {f"arrangement {j}": np.arange(2) for j in range(9)}
    assert economy_figures.gains(risks, ["a", "b"], "EUR") == risks
    bars = figures.plt.gca().containers
    assert len({(b[0].get_facecolor(), b[0].get_hatch()) for b in bars}) == 9


@pytest.mark.parametrize("law", ["conditional", "marginal"])
def test_premia_of_deterministic_contracts(law):
    own = dp.Economy(TREE, [[0, 0, 4], [0, 2, 2]], MEASURES)
    solution = dp.solve(own, retention="deterministic", law=law)
    drawn = economy_figures.premia(solution, ["a", "b"], "EUR")
    assert np.allclose(drawn["premium"], solution.constants[1], rtol=0, atol=1e-12)
    assert np.isnan(solution.premium[:, 1:]).all()
