"""The public figures: what is drawn is read back from the axes."""

import html
import inspect
import io
import os
import subprocess
import sys
import time
from itertools import pairwise

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from numpydoc.validate import validate
from scipy import stats

import dynpo_lite as dp
from dynpo_lite import plots
from dynpo_lite.companion.chapters.small_economies import (
    four_leaf_economy,
    random_economy,
)
from dynpo_lite.plots import scenarios, style

mpl.use("agg")
FOUR = four_leaf_economy()
SOLVED = dp.solve(FOUR)
CHAIN = dp.ScenarioLattice.from_chain([[[0.5, 0.5]], [[0.75, 0.25], [0.25, 0.75]]])
ON_ARCS = dp.Economy(
    CHAIN,
    [[0, 4, 0, 2, 2, 8], [1, 1, 3, 3, 0, 4]],
    [dp.ExpectedShortfall(0.5), dp.DualPower(2)],
)
ARCS_SOLVED = dp.solve(ON_ARCS)
MEASURES = [dp.ExpectedShortfall(0.5), dp.ProportionalHazard(0.6)]
NAMES = ["US$ $x^$", "<b>_{1}"]
UNIT = "US$ million"

REPEATED = dp.Replications(
    (10, 20),
    np.array([[1.0, 2.0, 6.0], [4.0, 5.0, 9.0]]),
    np.array([[0.0, 1.0, 2.0], [1.0, 1.0, 1.0]]),
    *np.ones((2, 2, 2, 3)),
)

DRAW = {
    "tree": lambda **k: plots.tree(FOUR, heights=FOUR.aggregate, **k),
    "lattice": lambda **k: plots.lattice(CHAIN, np.arange(5.0), **k),
    "tower": lambda **k: plots.tower(SOLVED, **k),
    "tails": lambda **k: plots.tails(MEASURES, [1.0, 2.0, 6.0], **k),
    "retention": lambda **k: plots.retention(SOLVED, **k),
    "bills": lambda **k: plots.bills(SOLVED, **k),
    "premia": lambda **k: plots.premia(SOLVED, **k),
    "risk_over_time": lambda **k: plots.risk_over_time(SOLVED, **k),
    "comparison": lambda **k: plots.comparison(dp.baselines(FOUR), **k),
    "replications": lambda **k: plots.replications(REPEATED, **k),
}
NAMED = {"tower", "tails", "retention", "bills", "premia", "comparison"}


@pytest.fixture(autouse=True)
def close():
    yield
    plt.close("all")


def line_data(ax):
    return [np.array(line.get_xydata()) for line in ax.lines]


def numbers(ax):
    """Return the values of all containers of bars, (n_containers, n_bars)."""
    return np.array([bars.datavalues for bars in ax.containers])


def shown(figure):
    with mpl.rc_context({"svg.fonttype": "none"}):
        figure.savefig(picture := io.StringIO(), format="svg")
    return html.unescape(picture.getvalue())


# --- all figures ----------------------------------------------------------------------


def test_every_figure_is_tested_here():
    assert plots.__all__ == sorted(DRAW)


@pytest.mark.parametrize("name", DRAW)
def test_on_the_axes_given_or_on_new_ones(name):
    _, (first, second) = plt.subplots(2, 1, layout="constrained")
    assert DRAW[name](ax=second) is second
    assert not first.has_data()
    assert second.has_data()
    ax = DRAW[name]()
    assert ax not in (first, second)
    figure = ax.figure
    assert figure.get_figwidth() == style.WIDTH  # 390 px show 10 points as 11 px
    assert figure.get_facecolor() == (1, 1, 1, 1)  # opaque
    texts = [*ax.texts, *ax.get_xticklabels(), *ax.get_yticklabels(), ax.xaxis.label]
    texts += ax.get_legend().get_texts() if ax.get_legend() else []
    assert min(text.get_fontsize() for text in texts) >= style.SMALL


@pytest.mark.parametrize("name", DRAW)
def test_units_and_names_are_shown_as_they_are(name):
    given = {"currency": UNIT} | ({"names": NAMES} if name in NAMED else {})
    text = shown(DRAW[name](**given).figure)
    assert f"({UNIT})<" in text
    for agent in NAMES if name in NAMED else ():
        assert f">{agent}<" in text


@pytest.mark.parametrize("name", DRAW)
def test_nothing_lies_on_the_legend_or_beyond_the_picture(name):
    figure = DRAW[name]().figure
    figure.draw_without_rendering()
    (ax, *_), renderer = figure.axes, figure.canvas.get_renderer()
    inside = ax.get_window_extent(renderer)
    if legend := ax.get_legend():
        assert legend.get_window_extent(renderer).y0 >= inside.y1 - 1
    box = ax.get_tightbbox(renderer)
    assert figure.bbox.x0 <= box.x0 < box.x1 <= figure.bbox.x1 + 1
    assert figure.bbox.y0 <= box.y0 < box.y1 <= figure.bbox.y1 + 1


@pytest.mark.parametrize("name", plots.__all__)
def test_figures_are_documented_and_typed(name):
    function = getattr(plots, name)
    errors = dict(validate(f"dynpo_lite.plots.{name}")["errors"])
    assert not {"PR01", "PR02", "RT01", "EX01"} & errors.keys(), errors
    signature = inspect.signature(function)
    assert signature.return_annotation is mpl.axes.Axes
    for parameter in signature.parameters.values():
        assert parameter.annotation is not parameter.empty
    assert {"currency", "ax"} <= signature.parameters.keys()


def test_many_agents_are_told_apart():
    areas = [style.area(i) for i in range(36)]
    lines = [style.line(i) for i in range(36)]
    assert len({(a["facecolor"], a["hatch"]) for a in areas}) == 36
    assert len({(a["color"], a["linestyle"]) for a in lines}) == 36
    for six in areas[:6], areas[6:12]:  # without colours, too
        assert len({a["hatch"] for a in six}) == len({a["facecolor"] for a in six}) == 6
    assert len({line["linestyle"] for line in lines[:6]}) == 6


def fourteen():
    tree = dp.ScenarioTree([-1, 0, 0, 0], [1, 0.25, 0.25, 0.5])
    losses = np.arange(14)[:, None] + np.array([[0, 1, 5, 2]])
    return dp.Economy(tree, losses, [dp.Expectation()] * 14)


@pytest.mark.parametrize(
    "draw",
    [
        lambda own: plots.tower(dp.solve(own)),
        lambda own: plots.retention(dp.solve(own)),
        lambda own: plots.premia(dp.solve(own)),
        lambda own: plots.tails([dp.DualPower(1 + i) for i in range(14)]),
        lambda own: plots.comparison(dp.baselines(own)),
    ],
)
def test_fourteen_agents_look_different_as_drawn(draw):
    ax = draw(fourteen())
    handles = ax.get_legend().legend_handles[:14]
    words = [text.get_text() for text in ax.get_legend().get_texts()[:14]]
    assert words == [f"agent {i}" for i in range(14)]
    if isinstance(handles[0], mpl.lines.Line2D):
        looks = {(h.get_color(), h._unscaled_dash_pattern) for h in handles}
        looks = {(color, str(dashes)) for color, dashes in looks}
    else:
        looks = {(h.get_facecolor(), h.get_hatch()) for h in handles}
        bars = {(b[0].get_facecolor(), b[0].get_hatch()) for b in ax.containers}
        assert bars == looks
    assert len(looks) == 14


FIRST = """
from IPython.core.interactiveshell import InteractiveShell
InteractiveShell.instance()
import matplotlib, dynpo_lite as dp
from dynpo_lite import plots
plots.tower(dp.share_layers([0, 4], [dp.Expectation()] * 2))
print(matplotlib.is_interactive())
"""


def test_the_first_figure_of_a_notebook_leaves_it_interactive():
    """Its backend starts then; else no later figure would be shown."""
    inline = "module://matplotlib_inline.backend_inline"
    done = subprocess.run(
        [sys.executable, "-c", FIRST],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"MPLBACKEND": inline},
    )
    assert done.stdout.split() == ["True"]


def test_without_matplotlib_a_cure_is_named():
    code = "import sys; sys.modules['matplotlib'] = None; import dynpo_lite.plots"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.returncode == 1
    last = run.stderr.splitlines()[-1]
    assert last.startswith("ImportError: dynpo_lite.plots draws with matplotlib")
    assert last.endswith("python -m pip install matplotlib")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: plots.tree(CHAIN), "scenarios = .* is no ScenarioTree"),
        (lambda: plots.tree(ON_ARCS), "lives on a lattice.*to_tree"),
        (lambda: plots.tree(FOUR, [1, 2]), r"values has shape \(2,\): give .*\(7,\)"),
        (lambda: plots.tree(FOUR, heights=[np.nan] * 7), "heights holds nan at"),
        (lambda: plots.lattice(FOUR), "scenarios is a tree: draw it with plots.tree"),
        (lambda: plots.lattice("x"), "scenarios = 'x' is no ScenarioLattice"),
        (lambda: plots.lattice(CHAIN, arcs=[1]), r"arcs has shape \(1,\)"),
        (lambda: plots.tower("x"), "shared = 'x' holds no layers: give a Solution"),
        (lambda: plots.tower(3), "shared = 3 holds no layers: give a Solution"),
        (lambda: plots.tower(SOLVED, 3), "node = 3: .* 0 to 2"),
        (lambda: plots.tower(SOLVED, [0, 9]), "node = 9: .* 0 to 2"),
        (lambda: plots.tower(SOLVED, []), "node = .* holds none"),
        (lambda: plots.tower(SOLVED, names=["a"]), r"names = \['a'\] are 1: give 2"),
        (lambda: plots.tower(SOLVED, names="ab"), "names = 'ab' is a text: give a"),
        (lambda: plots.tower(SOLVED, names=4), "names = 4 holds none"),
        (lambda: plots.tower(SOLVED, ax=1), "ax = 1 is no Axes"),
        (lambda: plots.tails([]), "measures = .* holds none"),
        (lambda: plots.tails([1]), r"measures\[0\] = 1"),
        (
            lambda: plots.tails([dp.Supremum(MEASURES)]),
            r"measures\[0\] is a Supremum: draw each",
        ),
        (lambda: plots.tails(MEASURES, [np.inf]), "loss holds inf at position 0"),
        (lambda: plots.tails(MEASURES, [1, 2], [1, 1]), "weights sum to 2"),
        (lambda: plots.tails(MEASURES, weights=[1.0]), "weights go with samples"),
        (
            lambda: plots.tails(MEASURES, stats.norm(), [1.0]),
            "weights go with samples",
        ),
        (lambda: plots.retention([]), "shared holds no layer"),
        (lambda: plots.retention(SOLVED, reach=(2, 1)), r"reach = \(2, 1\): give a"),
        (lambda: plots.bills("x"), "solution = 'x' is no Solution"),
        (lambda: plots.bills(SOLVED, 5), "node = 5: .* 0 to 2"),
        (lambda: plots.bills(SOLVED, ways=[0, 2]), r"ways\[1\] = 2: .* from 0 to 1"),
        (lambda: plots.premia(SOLVED, True), "node = True: choose a node"),
        (lambda: plots.risk_over_time(SOLVED, 2), "agent = 2: choose one from 0 to 1"),
        (lambda: plots.replications([1.0]), r"found = \[1.0\] is no Replications"),
        (lambda: plots.comparison([]), "arrangements = .* is no Mapping"),
        (lambda: plots.comparison({}), "arrangements = .* holds no arrangement"),
        (lambda: plots.comparison({"a": 1}), r"arrangements\['a'\] = 1 is no Arr"),
    ],
)
def test_refused_before_anything_is_drawn(call, message):
    with pytest.raises((TypeError, ValueError), match=message):
        call()
    assert plt.get_fignums() == []


# --- scenarios ------------------------------------------------------------------------


def ends(ax):
    """Return where the lines of a tree or lattice start and end, (n, 2, 2)."""
    paths = ax.collections[0].get_paths()
    return np.array([[p.vertices[0], p.vertices[-1]] for p in paths])


@pytest.mark.parametrize("seed", range(5))
def test_branches_join_parents_and_children_without_crossing(seed):
    rng = np.random.default_rng(seed)
    tree = random_economy(rng, 3).tree
    ax = plots.tree(tree)
    found = ends(ax)
    assert found[:, 0, 0].tolist() == tree.stage[tree.parent[1:]].tolist()
    assert found[:, 1, 0].tolist() == tree.stage[1:].tolist()
    height = np.append(0.0, found[:, 1, 1])
    height[0] = found[0, 0, 1]
    assert np.array_equal(found[:, 0, 1], height[tree.parent[1:]])
    for t in range(1, tree.horizon + 1):
        nodes = tree.nodes(t)
        by_height = nodes[np.argsort(height[nodes])]
        assert (np.diff(height[by_height]) > 0.4).all()
        assert (np.diff(height[tree.parent[by_height]]) >= 0).all()


def test_siblings_that_are_not_adjacent_do_not_cross():
    tree = dp.ScenarioTree([-1, 0, 0, 1, 2, 1, 2], [1, *[0.5] * 6])
    height = ends(plots.tree(tree))[:, 1, 1]
    assert np.argsort(-height[2:]).tolist() == [0, 2, 1, 3]


def test_likelier_branches_are_wider():
    tree = dp.ScenarioTree([-1, 0, 0, 0], [1, 0.25, 0.5, 0.25])
    wide = plots.tree(tree).collections[0].get_linewidths()
    assert wide[1] > wide[0] == wide[2] > 0


def test_numbers_at_a_few_nodes():
    ax = plots.tree(FOUR)
    texts = {(t.get_text(), *np.round(t.xy, 3)) for t in ax.texts}
    assert len(texts) == 12  # six nodes but the root, six branches
    assert {("12", 2.0, -3.0), ("2", 1.0, -0.5), ("0.25", 1.65, -2.825)} <= texts
    assert "aggregate loss (units of loss)" in ax.get_title()
    assert len(ax.figure.axes) == 1  # no bar of colours
    ax = plots.tree(FOUR, SOLVED.total_risk_to_go, label="risk")
    assert "7.5" in [t.get_text() for t in ax.texts]
    assert "at nodes: risk (units of loss)" in ax.get_title()


def test_colours_at_many_nodes_and_none_where_there_is_no_value():
    tree = dp.ScenarioTree([-1, *[0] * 40], [1, *[1 / 40] * 40])
    values = np.arange(41.0)
    values[0] = values[7] = np.nan
    ax = plots.tree(tree, values, label="loss", currency="EUR")
    assert not ax.texts
    _, plain, coloured = ax.collections
    assert coloured.get_array().tolist() == values[np.isfinite(values)].tolist()
    assert len(plain.get_offsets()) == 1
    assert ax.figure.axes[1].get_ylabel() == "loss (EUR)"


def test_heights_are_those_given():
    ax = plots.tree(FOUR, heights=FOUR.aggregate, label="loss", currency="EUR")
    assert ends(ax)[:, 1, 1].tolist() == FOUR.aggregate[1:].tolist()
    assert ax.get_ylabel() == "loss (EUR)"
    assert not ax.texts
    ax = plots.tree(FOUR, FOUR.aggregate, FOUR.aggregate)
    assert len(ax.texts) == 7
    assert ax.get_title() == "at nodes: aggregate loss (units of loss)"


def test_arcs_join_nodes_and_parallel_ones_are_apart():
    lattice = dp.ScenarioLattice(
        [0, 0, 0, 1, 2], [1, 1, 2, 3, 3], [0.25, 0.25, 0.5, 1, 1]
    )
    ax = plots.lattice(lattice)
    assert ends(ax).tolist() == [
        [[0, 0], [1, 0.5]],
        [[0, 0], [1, 0.5]],
        [[0, 0], [1, -0.5]],
        [[1, 0.5], [2, 0]],
        [[1, -0.5], [2, 0]],
    ]
    middle = [p.vertices[4, 1] for p in ax.collections[0].get_paths()]
    assert middle[1] - middle[0] > 0.1
    assert middle[2] == pytest.approx(-0.5 * 4 / 9)  # alone, and straight


def test_an_economy_on_a_lattice_shows_its_losses():
    texts = [t.get_text() for t in plots.lattice(ON_ARCS).texts]
    assert texts == [f"{x:g}" for x in ON_ARCS.aggregate]
    on_nodes = dp.Economy(CHAIN, np.ones((1, 5)) * 3, [dp.Expectation()])
    ax = plots.lattice(on_nodes)
    assert ax.get_title().splitlines() == [
        "at nodes: aggregate loss (units of loss)",
        "on lines: probability",
    ]
    texts = [t.get_text() for t in ax.texts]
    assert texts.count("3") == 4  # nothing is paid at time 0
    assert texts.count("0.25") == texts.count("0.75") == texts.count("0.5") == 2


def test_arcs_in_colours_and_the_likeliest_of_too_many(monkeypatch):
    rng = np.random.default_rng(1)
    steps = [rng.dirichlet(np.ones(5), 1), rng.dirichlet(np.ones(5), 5)]
    lattice = dp.ScenarioLattice.from_chain(steps)
    values = rng.random(lattice.n_arcs)
    ax = plots.lattice(lattice, arcs=values, label="loss")
    assert np.array_equal(ax.collections[0].get_array(), values)
    assert ax.figure.axes[1].get_ylabel() == "loss (units of loss)"
    assert ax.get_title() == ""
    monkeypatch.setattr(scenarios, "MOST", 7)
    ax = plots.lattice(lattice, arcs=values)
    chance = lattice.unconditional[lattice.source] * lattice.probability
    likeliest = np.sort(np.argsort(-chance)[:7])
    assert np.array_equal(ax.collections[0].get_array(), values[likeliest])
    assert ax.get_title() == "the likeliest 7 of 30 arcs"


def large_tree():
    parent = np.concatenate(
        [[-1], np.repeat(0, 200), np.repeat(np.arange(1, 201), 200)]
    )
    return dp.ScenarioTree(parent, np.append(1.0, np.full(len(parent) - 1, 1 / 200)))


def large_lattice():
    source = np.concatenate([[0] * 4_000, np.arange(1, 36_001)])
    target = np.concatenate([np.arange(1, 4_001), np.arange(4_001, 40_001)])
    chance = np.concatenate([np.full(4_000, 1 / 4_000), np.ones(36_000)])
    return dp.ScenarioLattice(source, target, chance)


@pytest.mark.parametrize(
    ("draw", "shape"), [(plots.tree, large_tree()), (plots.lattice, large_lattice())]
)
def test_forty_thousand_nodes_are_drawn_within_two_seconds(draw, shape):
    assert shape.n_nodes > 40_000

    def seconds():
        start = time.process_time()
        ax = draw(shape, np.arange(shape.n_nodes))
        ax.figure.canvas.draw()
        assert len(ax.collections[0].get_paths()) == shape.n_nodes - 1
        return time.process_time() - start

    assert any(seconds() < 2 for _ in range(3))  # other work slows a try


# --- layers ---------------------------------------------------------------------------


def test_a_tower_shows_the_layers():
    layers = [dp.Layer(1, 3, (1, 0, 0)), dp.Layer(3, 7, (0, 0.5, 0.5))]
    ax = plots.tower(layers)
    boxes = [[b.get_bbox().extents.tolist() for b in bars] for bars in ax.containers]
    assert boxes == [[[0, 1, 1, 3]], [[0, 3, 0.5, 7]], [[0.5, 3, 1, 7]]]
    assert ax.get_xlabel() == "share of the layer"


@pytest.mark.parametrize("solution", [SOLVED, ARCS_SOLVED])
def test_towers_of_nodes_stand_side_by_side(solution):
    ax = plots.tower(solution, [0, 2, 1])
    area = sum(
        b.get_width() * b.get_height() for bars in ax.containers for b in bars.patches
    )
    widths = [layer.width for v in (0, 1, 2) for layer in solution.layers[v]]
    assert area == pytest.approx(sum(widths))
    assert [t.get_text() for t in ax.get_xticklabels()] == ["0", "2", "1"]
    for i, bars in enumerate(ax.containers):
        wanted = [
            (1.2 * j + sum(layer.shares[:i]), layer.attachment, layer.shares[i])
            for j, v in enumerate((0, 2, 1))
            for layer in solution.layers[v]
            if layer.shares[i]
        ]
        got = [(b.get_x(), b.get_y(), b.get_width()) for b in bars]
        assert np.array(got) == pytest.approx(np.array(wanted))


def test_a_tower_of_fixed_layers_is_that_of_the_time():
    solution = dp.solve(FOUR, retention="deterministic", law="marginal")
    ax = plots.tower(solution, 2)
    heights = sum(b.get_width() * b.get_height() for c in ax.containers for b in c)
    ends = [(layer.attachment, layer.exhaustion) for layer in solution.layers[2]]
    assert heights == pytest.approx(np.diff(ends, axis=1).sum())
    assert {b.get_y() for c in ax.containers for b in c} == {low for low, _ in ends}


def test_distorted_tails_and_the_area_of_the_lowest():
    x, weights = np.array([1.0, 2.0, 6.0, 2.0]), [0.1, 0.2, 0.4, 0.3]
    for given, level in ((weights, [0.9, 0.4, 0.0]), (None, [0.75, 0.25, 0.0])):
        ax = plots.tails(MEASURES, x, given)
        for k, xy in zip(MEASURES, line_data(ax)):
            assert xy[:, 0].tolist() == [1, 2, 6]
            assert xy[:, 1] == pytest.approx(k(level))
        assert {line.get_drawstyle() for line in ax.lines} == {"steps-post"}
        shared = dp.share_layers(x, MEASURES, given)
        assert 1 + shaded(ax) == pytest.approx(shared.value)


def shaded(ax):
    """Return the area of the one polygon."""
    (collection,) = ax.collections
    x, y = collection.get_paths()[0].vertices.T
    return abs(np.sum(x[:-1] * y[1:] - x[1:] * y[:-1])) / 2


def test_tails_of_a_law_and_distortions_alone():
    ax = plots.tails(MEASURES, stats.uniform(0, 10))
    for k, xy in zip(MEASURES, line_data(ax)):
        assert xy[[0, -1], 0] == pytest.approx([0.01, 9.99])
        assert xy[:, 1] == pytest.approx(k(1 - xy[:, 0] / 10))
    assert shaded(ax) == pytest.approx(
        dp.share_layers(stats.uniform(0, 10), MEASURES).value, abs=0.1
    )
    ax = plots.tails([dp.WorstCase(), dp.Expectation()])
    worst, mean = line_data(ax)
    assert (worst[:, 1] == 1).all()  # from the first level on
    assert np.array_equal(mean[:, 0], mean[:, 1])
    assert shaded(ax) == pytest.approx(0.5)
    assert ax.get_xlabel() == "tail probability"


def test_many_samples_are_thinned_to_their_ends():
    x = np.random.default_rng(0).exponential(size=20_000)
    (xy,) = line_data(plots.tails([dp.Expectation()], x))
    assert 1_000 < len(xy) <= 2_000
    assert xy[[0, -1], 0].tolist() == [x.min(), x.max()]
    assert all((x > a).mean() == pytest.approx(p) for a, p in xy[::200])


@pytest.mark.parametrize("solution", [SOLVED, ARCS_SOLVED])
@pytest.mark.parametrize("node", [0, 1, 2])
def test_retentions_are_what_is_paid(solution, node):
    lines = line_data(plots.retention(solution, node))
    bills = solution.bills(node)
    later = solution.risk_to_go[:, bills.target]
    total = (bills.payment + later).sum(axis=0)
    kept = bills.payment + later - solution.premium[:, [node]]
    for xy, row in zip(lines, kept, strict=True):
        assert np.interp(total, *xy.T) == pytest.approx(row, abs=1e-12)
    x = lines[0][:, 0]
    assert x[[0, -1]] == pytest.approx([total.min(), total.max()])
    assert sum(xy[:, 1] for xy in lines) == pytest.approx(x - x[0])


def test_retention_of_a_law_reaches_beyond_its_last_layer():
    agents = [dp.ExpectedShortfall(0.9), dp.ProportionalHazard(0.5)]
    shared = dp.share_layers(stats.expon(scale=10), agents)
    assert shared.layers[-1].exhaustion == np.inf
    lines = line_data(plots.retention(shared))
    x = lines[0][:, 0]
    assert x[0] == 0
    assert x[-1] == 2 * max(layer.attachment for layer in shared.layers)
    assert np.array([xy[:, 1] for xy in lines]) == pytest.approx(shared.retention(x))
    lines = line_data(plots.retention(shared, reach=(1, 100)))
    assert lines[0][[0, -1], 0].tolist() == [1, 100]
    whole = dp.share_layers(stats.norm(), agents[1:])
    (xy,) = line_data(plots.retention(whole))
    assert xy.tolist() == [[-1, -1], [1, 1]]


# --- payments -------------------------------------------------------------------------


@pytest.mark.parametrize("solution", [SOLVED, ARCS_SOLVED])
def test_bills_sum_to_payments(solution):
    ax = plots.bills(solution, 1)
    bills = solution.bills(1)
    order = np.argsort(bills.own.sum(axis=0), kind="stable")
    payments = bills.payment[:, order].T.ravel()
    assert numbers(ax).sum(axis=0) == pytest.approx(payments, abs=1e-12)
    for part, row in zip(
        ("layer", "price", "sure", "transfer", "reserve"), numbers(ax)
    ):
        assert row.tolist() == getattr(bills, part)[:, order].T.ravel().tolist()
    _, sums, own = line_data(ax)
    assert sums[:, 0] == pytest.approx(payments, abs=1e-12)
    assert own[:, 0].tolist() == bills.own[:, order].T.ravel().tolist()
    assert np.array_equal(sums[:, 1], own[:, 1])
    assert [t.get_text() for t in ax.get_yticklabels()] == ["agent 0", "agent 1"] * 2


def test_bars_are_stacked_without_overlap():
    ax = plots.bills(SOLVED, 0)
    for row in range(4):
        spans = [bars[row].get_bbox().intervalx for bars in ax.containers]
        spans = sorted(sorted(s.tolist()) for s in spans if np.ptp(s))
        assert all(a[1] == pytest.approx(b[0]) for a, b in pairwise(spans))
        assert any(0 in s for s in spans)


def test_of_many_ways_a_few_are_drawn_in_order():
    tree = dp.ScenarioTree([-1, *[0] * 9], [1, *[1 / 9] * 9])
    losses = [[0, 5, 1, 9, 2, 8, 3, 7, 4, 6], [0] * 10]
    solution = dp.solve(dp.Economy(tree, losses, MEASURES))
    texts = [t.get_text() for t in plots.bills(solution).texts]
    assert texts == [f"total {x}, probability 0.111" for x in (1, 4, 6, 9)]
    ax = plots.bills(solution, ways=[2, 0])
    assert [t.get_text()[:7] for t in ax.texts] == ["total 9", "total 5"]


@pytest.mark.parametrize("node", [0, 2])
def test_premia_at_a_node_lie_in_their_intervals(node):
    ax = plots.premia(SOLVED, node)
    ((low, high), (low2, high2)) = [
        path.vertices[:, 0] for path in ax.collections[0].get_paths()
    ]
    assert [[low, high], [low2, high2]] == SOLVED.premium_interval[:, node].tolist()
    (diamonds,) = line_data(ax)
    assert diamonds[:, 0].tolist() == SOLVED.premium[:, node].tolist()
    assert low <= diamonds[0, 0] <= high
    assert (low < high) == (node == 0)  # no surplus at node 2


@pytest.mark.parametrize("solution", [SOLVED, ARCS_SOLVED])
def test_premia_over_time_are_expected_ones(solution):
    ax = plots.premia(solution)
    shape = solution.economy.scenarios
    for i, xy in enumerate(line_data(ax)):
        for t in range(shape.horizon):
            nodes = shape.nodes(t)
            premium, chance = solution.premium[i, nodes], shape.unconditional[nodes]
            assert xy[t, 1] == pytest.approx(chance @ premium)
            assert abs(xy[t, 0] - t) < 0.2
            stroke = ax.collections[i].get_paths()[t].vertices[:, 1]
            assert stroke.tolist() == [premium.min(), premium.max()]


# --- risks ----------------------------------------------------------------------------


@pytest.mark.parametrize("agent", [None, 0, 1])
@pytest.mark.parametrize("solution", [SOLVED, ARCS_SOLVED])
def test_the_fan_holds_the_quantiles_of_each_time(solution, agent):
    ax = plots.risk_over_time(solution, agent)
    risk, alone = solution.risk_to_go, solution.risk_without_trade
    risk, alone = (x.sum(axis=0) if agent is None else x[agent] for x in (risk, alone))
    shape = solution.economy.scenarios
    median, without = line_data(ax)
    for t in range(shape.horizon + 1):
        nodes = shape.nodes(t)
        chance = shape.unconditional[nodes]
        look = {"method": "inverted_cdf", "weights": chance}
        assert median[t].tolist() == [t, np.quantile(risk[nodes], 0.5, **look)]
        assert without[t, 1] == np.quantile(alone[nodes], 0.5, **look)
        for band, p in zip(ax.collections, (0, 0.05, 0.25), strict=True):
            vertices = band.get_paths()[0].vertices
            here = vertices[vertices[:, 0] == t, 1]
            wanted = np.quantile(risk[nodes], [p, 1 - p], **look)
            assert [here.min(), here.max()] == wanted.tolist()


def test_quantiles_of_many_nodes():
    rng = np.random.default_rng(3)
    tree = dp.ScenarioTree(
        [-1, *[0] * 400, *range(1, 401)], [1, *rng.dirichlet(np.ones(400)), *[1] * 400]
    )
    losses = [[0] * 401 + rng.random(400).tolist()]
    ax = plots.risk_over_time(dp.solve(dp.Economy(tree, losses, [dp.Expectation()])))
    chance = tree.unconditional[1:401]
    for band, p in zip(ax.collections, (0, 0.05, 0.25), strict=True):
        vertices = band.get_paths()[0].vertices
        here = np.unique(vertices[vertices[:, 0] == 1, 1])
        order = np.argsort(losses[0][401:])
        x, reached = np.array(losses[0][401:])[order], np.cumsum(chance[order])
        assert here == pytest.approx(
            [x[np.argmax(reached >= q - 1e-12)] for q in (p, 1 - p)]
        )


def test_arrangements_are_compared():
    found = dp.baselines(FOUR)
    ax = plots.comparison(found, currency="EUR")
    risks = np.array([each.risk_to_go[:, 0] for each in found.values()])
    assert numbers(ax) == pytest.approx(risks.T)
    _, totals = line_data(ax)
    assert totals[:, 0] == pytest.approx([each.total for each in found.values()])
    texts = [t.get_text() for t in ax.texts]
    assert texts[0] == "no trade: 9.5; nobody would leave"
    assert texts[-1] == "dynamic optimum: 7.5; nobody would leave"
    for text, each in zip(texts, found.values(), strict=True):
        k = len(each.leaving)
        assert (f"leave at {k} node" in text) == (k > 0)
        assert text.endswith("nodes") == (k > 1)
    assert max(len(each.leaving) for each in found.values()) > 1


def test_replications_show_every_answer_and_two_standard_errors():
    ax = plots.replications(REPEATED)
    drawn = [
        line.get_xdata().tolist() for line in ax.lines if len(line.get_xdata()) == 3
    ]
    assert drawn == [*REPEATED.value.tolist(), *REPEATED.surplus.tolist()]
    for bar, (_, mean, error, _) in zip(
        ax.containers[1::2], REPEATED.table(), strict=False
    ):
        assert bar.lines[0].get_xdata() == pytest.approx([mean])
        (ends,) = bar.lines[2][0].get_segments()
        assert ends[:, 0] == pytest.approx([mean - 2 * error, mean + 2 * error])
    names = [label.get_text() for label in ax.get_yticklabels()]
    assert names == ["total, 10", "total, 20", "saved, 10", "saved, 20"]
    once = plots.replications(dp.replicate(lambda seed: FOUR, range(3)))
    assert [label.get_text() for label in once.get_yticklabels()] == ["total", "saved"]
