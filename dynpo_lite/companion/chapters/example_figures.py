"""The figures of the book: one function a figure, returning what it drew.

Each function draws with matplotlib and returns a dict of the arrays on the page, so
that a notebook can print and check what the reader sees.  Agents keep their colour and
line style throughout (the Okabe-Ito palette; solid and dashed), on opaque white.
"""

from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np

from dynpo_lite import plots
from dynpo_lite.companion.chapters import layer_programme
from dynpo_lite.plots import style as look
from dynpo_lite.plots.style import INK, STYLE
from dynpo_lite.sharing import layers as sharing

COLOURS = look.COLOURS[:2]
STYLES = look.LINES[:2]
THIRD = look.COLOURS[2]
WIDE = (7.2, 3.2)  # of two panels side by side, in inches


def show():
    """Display the current figure in a notebook and close it.

    The picture is a PNG with 64 colours: a third of the usual size, and enough for
    lines and letters.
    """
    import io

    from IPython.display import Image, display
    from PIL import Image as Pixels

    figure, full, small = plt.gcf(), io.BytesIO(), io.BytesIO()
    figure.savefig(full, dpi=STYLE["figure.dpi"])
    picture = Pixels.open(full).convert("RGB")
    picture.quantize(64, dither=Pixels.Dither.NONE).save(small, "png", optimize=True)
    plt.close(figure)
    display(Image(small.getvalue()))


def _both(x, values, labels=("agent 1", "agent 2"), axes=None, **names):
    """Draw a line for each agent and name the axes; return them."""
    axes = axes or plt.subplots()[1]
    for y, colour, style, label in zip(values, COLOURS, STYLES, labels):
        axes.plot(x, y, style, color=colour, label=label)
    axes.legend()
    axes.set(**names)
    return axes


def _mark(axes, places, text, height=0.04):
    """A thin vertical line at each place with a word beside it, inside the axes."""
    where = {"xycoords": ("data", "axes fraction"), "textcoords": "offset points"}
    for x in places:
        axes.axvline(x, color=INK, linewidth=1, linestyle=":")
        words = text.format(x)
        axes.annotate(words, (x, height), (3, 0), **where, fontsize=10, color=INK)


def _distorted(example, u):
    return np.array([distortion(u) for distortion in example.distortions])


@plt.rc_context(STYLE)
def distortions(example):
    """Figure 1: the distortions of the expected time-1 risks, against probability."""
    u = np.linspace(0.0, 1.0, 1001)
    k = _distorted(example, u)
    crossings = example.losses.s2_tail(example.attachments())
    axes = _both(u, k, xlabel="survival probability u")
    axes.set_ylabel("distorted probability k(u)")
    _mark(axes, crossings, "u* = {:.4f}")
    return {"u": u, "k": k, "crossings": crossings}


@plt.rc_context(STYLE)
def tails_time2(example, n_points=400):
    """Figure 2: each agent's distorted tail of S2, the area below both shaded."""
    x = np.linspace(0.0, _far(example), n_points)
    k = _distorted(example, example.losses.s2_tail(x))
    attachments = example.attachments()
    axes = _both(x, k, xlabel="x (units of loss)", ylabel="distorted P(S2 > x)")
    axes.fill_between(x, k.min(axis=0), color=look.GREY, alpha=0.3, linewidth=0)
    _mark(axes, attachments, "d* = {:.1f}")
    return {"x": x, "k": k, "attachments": attachments}


@plt.rc_context(STYLE)
def retention_time2(example, n_points=401):
    """Figure 3: what each agent keeps of S2; ours: the same layers as a tower."""
    x = np.linspace(0.0, _far(example), n_points)
    layers, far = example.layers(), float(x[-1])
    kept = retained(layers, x)
    _, (left, right) = plt.subplots(1, 2, figsize=WIDE, width_ratios=[3, 2])
    _both(x, kept, axes=left, xlabel="S2 (units of loss)")
    left.set_ylabel("kept (units of loss)")
    _mark(left, example.attachments(), "d* = {:.1f}", 0.55)
    drawn = [replace(layer, exhaustion=min(layer.exhaustion, far)) for layer in layers]
    drawn = [layer for layer in drawn if layer.attachment < far]
    plots.tower(drawn, names=["agent 1", "agent 2"], ax=right)
    return {"x": x, "kept": kept}


@plt.rc_context(STYLE)
def tails_time1(example, n_points=600):
    """Figure 4: each agent's distorted tail of S1 + total risk-to-go."""
    start = example.losses.s1_quantile(max(example.regimes[-1].low, 0.6))
    far = float(start + example.total_risk_to_go(start * (1 + 1e-9)))
    x = np.linspace(0.0, 1.6 * far, n_points)
    tail = example.tail(x)
    k = np.array([np.minimum(tail / (1 - a), 1.0) for a in example.levels_time0])
    _both(x, k, xlabel="x (units of loss)", ylabel="distorted P(S1 + risk-to-go > x)")
    return {"x": x, "tail": tail, "k": k}


@plt.rc_context(STYLE)
def retention_time1(example, n_points=200):
    """Figure 5: what each agent keeps at time 1, with and without its risk-to-go.

    The agent with the lower level at time 0 keeps S1 + risk-to-go; equal levels tie
    and each keeps half.  S1 + risk-to-go jumps where S1 passes a threshold: no value
    in between occurs, and none is drawn.
    """
    to_go = np.repeat(example.agent_risk_to_go(), n_points + 1, axis=1)
    s1 = []
    for regime in example.regimes:
        low, high, top = example.losses.s1_quantile([regime.low, regime.high, 0.99])
        high = min(high, max(top, 1.01 * low))
        # the lower end belongs to the regime before; nan breaks the line
        s1 = [*s1, *np.linspace(low, high, n_points + 1)[1:], np.nan]
    x = s1 + to_go.sum(axis=0)
    kept = time1_shares(example)[:, None] * x
    paid = kept - to_go
    _, (left, right) = plt.subplots(1, 2, figsize=WIDE)
    _both(x, kept, axes=left, title="with the risk-to-go")
    left.set_ylabel("kept (units of loss)")
    _both(x, paid, axes=right, title="less the agent's own risk-to-go")
    right.axhline(0.0, color=INK, linewidth=0.8)
    right.set_ylabel("paid at time 1 (units of loss)")
    for axes in (left, right):
        axes.set_xlabel("S1 + risk-to-go (units of loss)")
    return {"x": x, "s1": np.array(s1), "kept": kept, "paid": paid}


@plt.rc_context(STYLE)
def readings(example, n_points=121):
    """Ours: the cost of a layer contract against its attachment, in three readings."""
    total, laws = example.expected_total_risk_to_go, ("marginal", "conditional")
    best = {law: example.attachments(law, "deterministic") for law in laws}
    d = np.linspace(0.0, 1.25 * _far(example), n_points)
    d = np.unique(np.hstack([d, *best.values()]))
    cost = {law: np.array([total(law, "deterministic", x) for x in d]) for law in laws}
    floor = total("conditional", "state-dependent")
    _, axes = plt.subplots()
    for law, colour, style in zip(laws, COLOURS, STYLES):
        axes.plot(d, cost[law], style, color=colour, label=f"{law} law")
        axes.plot(best[law], cost[law][np.isin(d, best[law])], "o", color=colour)
    axes.axhline(floor, color=THIRD, linestyle="-.", label="state-dependent contract")
    axes.set_xlabel("attachment of the contract (units of loss)")
    axes.set_ylabel("expected total risk-to-go")
    axes.set_ylim(top=floor + 2.2 * (min(cost["marginal"]) - floor) + 0.4 * floor)
    axes.legend()
    return {"attachment": d, "cost": cost, "state_dependent": floor, "best": best}


@plt.rc_context(STYLE)
def premium_bounds(example, w1, n_points=201):
    """Ours: the lowest and highest deterministic premium, against agent 1's share."""
    w = np.unique(np.append(np.linspace(0.0, 1.0, n_points), w1))
    low, high = np.array([example.premium_interval(x) for x in w]).T
    window = example.endowment_range()
    labels = ("most that agent 1 accepts", "least that agent 2 needs")
    axes = _both(w, (high, low), labels, xlabel="agent 1's part w1 of the losses")
    axes.set_ylabel("premium agent 1 pays (units of loss)")
    if np.isfinite(window).all():
        axes.axvspan(*window, color=THIRD, alpha=0.2, linewidth=0)
    _mark(axes, [w1], "w1 = {:g}")
    return {"w1": w, "low": low, "high": high, "window": window}


@plt.rc_context(STYLE)
def conditional_intervals(example, w1, n_points=300):
    """Ours: agent 1's individually rational risks, at time 1 and at time 0."""
    s1 = np.linspace(0.0, 2.5 * example.mean, n_points)
    low, high = example.risk_interval(s1, w1)
    _, (left, right) = plt.subplots(1, 2, figsize=WIDE)
    labels = ("no trade: agent 1", "agent 2 gains nothing")
    _both(s1, (high, low), labels, left, title="time 1")
    left.fill_between(s1, low, high, color=COLOURS[0], alpha=0.25, linewidth=0)
    left.set(xlabel="S1 (units of loss)", ylabel="agent 1's risk (units of loss)")
    w, (first, second) = np.linspace(0, 1, 3), example.stand_alone_risk("conditional")
    least = example.time0_total_risk("conditional") - (1 - w) * second
    _both(w, (w * first, least), labels, right, title="time 0")
    right.fill_between(w, least, w * first, color=COLOURS[0], alpha=0.25, linewidth=0)
    _mark(right, [w1], "w1 = {:g}")
    right.set_xlabel("agent 1's part w1 of the losses")
    right.set_ylabel("agent 1's risk (units of loss)")
    return {"s1": s1, "low": low, "high": high}


@plt.rc_context(STYLE)
def cloud(example, s1, s2, n_points=1500):
    """Ours: samples of both losses on log scales, and the regimes of the first."""
    low, high = example.mean / 100, example.mean * 10
    _, axes = plt.subplots()
    axes.plot(s1[:n_points], s2[:n_points], ".", color=INK, markersize=2, alpha=0.5)
    ends = []
    for j, regime in enumerate(example.regimes):
        start, end = example.losses.s1_quantile([regime.low, regime.high])
        band = np.clip([start, end], low, high)
        look_of_band = {"color": look.COLOURS[(2, 5, 4)[j]], "alpha": 0.3}
        axes.axvspan(*band, label=_who(regime), linewidth=0, **look_of_band)
        ends.append((start, end))
    axes.set(xscale="log", yscale="log", xlim=(low, high), ylim=(low, 20 * high))
    axes.set(xlabel="S1 (units of loss)", ylabel="S2 (units of loss)")
    shape = {"ncols": len(ends), "columnspacing": 1, "handlelength": 1}
    axes.legend(loc="upper left", fontsize=9, **shape)
    return {"s1": s1[:n_points], "s2": s2[:n_points], "ends": ends}


def _who(regime):
    """Say which agents are alarmed in a regime."""
    who = [i + 1 for i, level in enumerate(regime.levels) if level > 0]
    if len(who) == 2:
        return "both alarmed"
    return f"agent {who[0]} alarmed" if who else "both calm"


@plt.rc_context(STYLE)
def totals_by_reading(example, n_points=300):
    """Ours: the total risk-to-go of each reading's optimum, against S1."""
    s1 = np.linspace(0.0, 2.5 * example.mean, n_points)
    cuts = example.losses.s1_quantile([r.low for r in example.regimes[1:]])
    s1 = np.unique([*s1, *cuts, *np.nextafter(cuts, np.inf)])
    s1 = s1[s1 <= 2.5 * example.mean]
    contracts = {
        "marginal": ("marginal", "deterministic"),
        "conditional, deterministic": ("conditional", "deterministic"),
        "conditional, state-dependent": ("conditional", "state-dependent"),
    }
    _, axes = plt.subplots()
    totals = {}
    for j, (name, contract) in enumerate(contracts.items()):
        totals[name] = example.total_risk_to_go(s1, *contract)
        axes.plot(s1, totals[name], label=name, **look.line(j))
    axes.legend()
    axes.set(xlabel="S1 (units of loss)", ylabel="total risk-to-go (units of loss)")
    return {"s1": s1, "totals": totals}


@plt.rc_context(STYLE)
def sampled_attachments(example, n_samples, seed, n_seeds=1000, printed=None):
    """Ours: the attachment as samples find it, seed by seed.

    Each sample yields its own quantile of S2 at the level where the distortions meet.
    Without an attachment nothing is drawn.
    """
    exact = example.attachments()
    if not len(exact):
        return {"exact": exact, "found": np.empty(0)}
    u = float(example.losses.s2_tail(exact[0]))
    place = max(n_samples - 1 - int(np.floor(u * n_samples + 1e-9)), 0)
    samples = (example.losses.sample(n_samples, seed + j)[1] for j in range(n_seeds))
    found = np.array([np.partition(s2, place)[place] for s2 in samples])
    _, axes = plt.subplots()
    heights, *_ = axes.hist(found, bins=25, color=COLOURS[0], alpha=0.5)
    axes.set_ylim(top=1.3 * heights.max())
    _mark(axes, exact, "exact {:.1f}", 0.93)
    if printed is not None:
        axes.axvline(printed, color=COLOURS[1], linestyle="--")
        where = {"xycoords": ("data", "axes fraction"), "textcoords": "offset points"}
        axes.annotate(f"printed {printed:g}", (printed, 0.83), (3, 0), **where)
    axes.set_xlabel("attachment of a sample (units of loss)")
    axes.set_ylabel("samples")
    return {"exact": exact, "found": found}


@plt.rc_context(STYLE)
def regime_totals(example, marks=(), n_points=200):
    """Ours: the total of each regime against the attachment; marked ones stand out."""
    edge = max([1.4 * _far(example), *(1.2 * x for x in marks)])
    d = np.unique([*np.linspace(0.0, edge, n_points), *marks])
    totals = np.array([example.agent_risk_to_go(x).sum(axis=0) for x in d])
    chance = [regime.probability for regime in example.regimes]
    _, axes = plt.subplots()
    for j, regime in enumerate(example.regimes):
        axes.plot(d, totals[:, j], label=_who(regime), **look.line(j))
    axes.plot(d, totals @ chance, color=INK, linewidth=1, label="expected")
    for x in marks:
        here = d == x
        axes.plot(np.full(len(chance), x), totals[here][0], "o", color=INK)
        axes.plot(x, totals[here] @ chance, "D", color=INK, markersize=5)
    _mark(axes, marks, "{:.1f}", 0.02)
    axes.set_ylim(bottom=0)
    axes.legend()
    axes.set_xlabel("attachment of the contract (units of loss)")
    axes.set_ylabel("total risk-to-go (units of loss)")
    return {"attachment": d, "totals": totals, "expected": totals @ chance}


@plt.rc_context(STYLE)
def rational_totals(example, w1, n_points=61):
    """Ours: the least expected total that leaves nobody worse off, against w1."""
    w = np.unique([*np.linspace(0.0, 1.0, n_points), w1])
    least = layer_programme.least_rational_totals(example, w)
    free, window = example.expected_total_risk_to_go(), example.endowment_range()
    _, axes = plt.subplots()
    axes.plot(w, least, color=COLOURS[0], label="best rational contract")
    axes.axhline(free, color=COLOURS[1], linestyle="--", label="best contract")
    if np.isfinite(window).all():
        axes.axvspan(*window, color=THIRD, alpha=0.2, linewidth=0)
    _mark(axes, [w1], "w1 = {:g}", 0.7)
    axes.legend()
    axes.set_xlabel("agent 1's part w1 of the losses")
    axes.set_ylabel("expected total (units of loss)")
    return {"w1": w, "least": least, "free": free}


@plt.rc_context(STYLE)
def swapped_bills(payments, cash):
    """Ours: what an agent pays at each node of a tree, with and without swapped cash.

    ``payments`` has a row for each amount in ``cash`` and a column for each node but
    the root.
    """
    payments = np.asarray(payments)
    nodes = np.arange(1, payments.shape[1] + 1)
    _, axes = plt.subplots()
    for j, (row, c) in enumerate(zip(payments, cash)):
        place = nodes + 0.4 * (j - (len(cash) - 1) / 2)
        axes.bar(place, row, 0.36, label=f"c = {c:g}", **look.area(j))
    axes.axhline(0.0, color=INK, linewidth=0.8)
    axes.set_xticks(nodes)
    axes.legend()
    axes.set(xlabel="node", ylabel="agent 1 pays (units of loss)")
    return {"nodes": nodes, "payments": payments}


def retained(layers, x):
    """Return what each agent keeps of losses ``x`` of at least 0, (n_agents, N)."""
    return sharing.retained(layers, np.asarray(x), 0.0, len(layers[0].shares))


def time1_shares(example):
    """Return who keeps S1 + risk-to-go at time 1: the lower level, or half each."""
    a, b = example.levels_time0
    return np.array([0.5, 0.5]) if a == b else np.array([a < b, a > b], dtype=float)


def _far(example):
    """A level of S2 beyond what the panels need to show."""
    return 1.5 * max([4 * example.mean, *example.attachments()])
