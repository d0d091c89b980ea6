"""Lattices in files: arcs, chains and paths; what is read, and what is refused how."""

import numpy as np
import pytest
import random_economies

import dynpo_lite as dp
from dynpo_lite.companion.chapters import weather
from dynpo_lite.companion.files.economy_file import (
    EXAMPLES,
    example_path,
    load_economy,
)
from dynpo_lite.companion.files.solution_files import solution_files

AGENTS = """
[[agent]]
name = "Ann"
measure = {kind = "expectation"}

[[agent]]
name = "Bob"
measure = {kind = "expected_shortfall", level = 0.5}
"""
HEAD = 'title = "Two farmers"\ncurrency = "EUR"\n'
ARCS = """\
source,target,probability,Ann,Bob
now,dry,0.25,1,0
now,wet,0.25,3,4
now,wet,0.5,2,2
dry,end,1,0,1
wet,end,0.5,1,2
wet,end,0.5,5,2
"""
CHAIN = """
[chain]
states = ["calm", "bad"]
start = "calm"
horizon = 3
transition = [[0.75, 0.25], [0.5, 0.5]]
losses = {calm = [1, 2], bad = [4, 9]}
"""
PATHS = "path,time,Ann,Bob\n" + "".join(
    f"p{p},{t},{p + t},{p * t}\n" for t in (2, 1) for p in range(1, 9)
)


@pytest.fixture
def files(tmp_path):
    """Return a function: text of the TOML, and CSVs -> the path of the TOML."""

    def write(toml, **tables):
        for name, text in tables.items():
            (tmp_path / f"{name}.csv").write_text(text, encoding="utf-8")
        path = tmp_path / "economy.toml"
        path.write_text(HEAD + toml, encoding="utf-8")
        return path

    return write


def changed(text, old, new):
    assert text.count(old) == 1, (old, text.count(old))
    return text.replace(old, new)


def refusal(path):
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        load_economy(path)
    message = str(caught.value)
    assert message.isprintable()
    return message


# --- arcs -----------------------------------------------------------------------------


def test_arcs_are_read(files):
    file = load_economy(files("arcs = 'arcs.csv'" + AGENTS, arcs=ARCS))
    assert file.node_names == ("now", "dry", "wet", "end")
    lattice = file.economy.scenarios
    assert lattice.source.tolist() == [0, 0, 0, 1, 2, 2]
    assert lattice.target.tolist() == [1, 2, 2, 3, 3, 3]
    assert file.economy.endowments.tolist() == [[1, 3, 2, 0, 1, 5], [0, 4, 2, 1, 2, 2]]
    # Bob alone: 1 and 2 later, so 1, 6, 4 now, of which the worst half weighs 6 and 4
    assert file.solve().risk_without_trade[1].tolist() == [5.0, 1.0, 2.0, 0.0]


def test_the_order_of_arcs_does_not_matter(files):
    top, *rows = ARCS.splitlines()
    mixed = "\n".join([top, *reversed(rows)])
    usual = load_economy(files("arcs = 'arcs.csv'" + AGENTS, arcs=ARCS)).solve()
    other = load_economy(files("arcs = 'arcs.csv'" + AGENTS, arcs=mixed)).solve()
    assert other.total_risk_to_go[0] == pytest.approx(usual.total_risk_to_go[0])


COLUMNS = "source,target,probability,Ann,Bob"
BAD_ARCS = {
    (ARCS, COLUMNS): "arcs.csv holds no arc: add rows below line 1",
    ("now,dry,0.25", "now,,0.25"): "arcs.csv, line 2, column target = '' is no name: "
    "give the node one, in one line",
    ("now,dry,0.25", "now,=dry,0.25"): "arcs.csv, line 2, column target = '=dry' is a "
    "formula for a spreadsheet: begin with another letter",
    (
        "now,dry,0.25",
        "now,dry,0",
    ): "arcs.csv, line 2, column probability = 0 is outside "
    "(0, 1]: give the probability of the arc given its source, leave out those of 0",
    ("now,dry,0.25", "now,dry,0.5"): "arcs.csv, line 2, column probability: the arcs "
    "from 'now' sum to 1.25: divide them by their sum (they are conditional on the "
    "source)",
    ("now,dry,0.25,1,0", "now,dry,0.25,1,x"): "arcs.csv, line 2, column Bob = 'x' is "
    "not a number: write a number such as 12.5",
    ("dry,end,1,0,1", "dry,now,1,0,1"): "arcs.csv has no root: let exactly one node "
    "have no arc that leads to it",
    ("dry,end,1,0,1", "dry,wet,1,0,1"): "arcs.csv, line 5, column target = 'wet' is at "
    "time 1, and 'dry' at 1: an arc leads to the next time: give the node of each time "
    "a name of its own",
    ("dry,end,1,0,1\n", ""): "arcs.csv, line 2, column target = 'dry' ends at time 1 "
    "but the horizon is 2: let an arc of probability 1 lead on from it",
    (
        "dry,end,1,0,1",
        "dry,end,1,0,1\nday,end,1,0,1",
    ): "arcs.csv, line 6, column source "
    "= 'day' is a second root beside 'now': add an arc to it",
    (
        "dry,end,1,0,1",
        "dry,end,1,0,1\na,b,1,0,1\nb,a,1,0,1",
    ): "arcs.csv, line 6, column "
    "source = 'a' is its own ancestor: an arc leads to a later time",
    ("now,dry,0.25,1,0", "now,dry,0.25,1e308,0"): "arcs.csv: the largest loss, 1e+308, "
    "is outside [1e-300, 1e+300]: choose another unit",
}


@pytest.mark.parametrize("change", BAD_ARCS, ids=lambda change: change[1][:40])
def test_bad_arcs(files, change):
    path = files("arcs = 'arcs.csv'" + AGENTS, arcs=changed(ARCS, *change))
    assert refusal(path) == BAD_ARCS[change]


# --- chains ---------------------------------------------------------------------------


def test_a_chain_is_read(files):
    file = load_economy(files(CHAIN + AGENTS))
    assert file.node_names[:4] == ("start", "1:calm", "1:bad", "2:calm")
    lattice = file.economy.scenarios
    assert (lattice.n_nodes, lattice.n_arcs, lattice.horizon) == (7, 10, 3)
    assert lattice.unconditional[1:3].tolist() == [0.75, 0.25]
    # Ann looks at means: 1 + 3 * 1/4 at each time in turn, from the law of the state
    law, mean = np.array([0.75, 0.25]), 0.0
    for _ in range(3):
        mean += law @ [1, 4]
        law = law @ [[0.75, 0.25], [0.5, 0.5]]
    assert file.solve().risk_without_trade[0, 0] == pytest.approx(mean)


def test_a_chain_in_tables_by_time(files):
    moves = "from,to,probability,time\ncalm,calm,1,0\ncalm,bad,0.5,1\ncalm,calm,0.5,1\n"
    moves += "bad,bad,1,2\ncalm,bad,1,2\nbad,bad,1,0\nbad,bad,1,1\n"
    losses = "state,time,Ann,Bob\ncalm,,1,2\nbad,1,3,4\nbad,2,5,6\nbad,3,7,8\n"
    toml = changed(CHAIN, "[[0.75, 0.25], [0.5, 0.5]]", "'moves.csv'")
    toml = changed(toml, "{calm = [1, 2], bad = [4, 9]}", "'losses.csv'")
    file = load_economy(files(toml + AGENTS, moves=moves, losses=losses))
    # what is never visited has no node: calm, then either, then bad
    assert file.node_names == ("start", "1:calm", "2:calm", "2:bad", "3:bad")
    lattice = file.economy.scenarios
    assert lattice.entries(file.economy.endowments).tolist() == [
        [1, 1, 5, 7, 7],
        [2, 2, 6, 8, 8],
    ]
    assert [path.name for path in file.sources[1:]] == ["moves.csv", "losses.csv"]


def test_a_law_of_the_first_time_and_matrices_by_time(files):
    toml = changed(CHAIN, 'start = "calm"', "start = [0.5, 0.5]")
    swap = "[[[0, 1], [1, 0]], [[0.75, 0.25], [0.5, 0.5]]]"
    toml = changed(toml, "[[0.75, 0.25], [0.5, 0.5]]", swap)
    lattice = load_economy(files(toml + AGENTS)).economy.scenarios
    assert lattice.unconditional.tolist() == [1, 0.5, 0.5, 0.5, 0.5, 0.625, 0.375]


def test_preferences_by_state(files):
    where = "\n[[agent.where]]\nstates = ['bad']\nmeasure = {kind = 'worst_case'}\n"
    file = load_economy(files(CHAIN + AGENTS + where))
    agent = dict(zip(file.node_names, file.economy.agents[1]))
    worst = {name for name, k in agent.items() if k == dp.WorstCase()}
    assert worst == {"1:bad", "2:bad"}
    path = files(CHAIN + AGENTS + where.replace("'bad'", "'bat'"))
    assert refusal(path) == (
        "economy.toml, agent 'Bob', where 1: states: 'bat' is none: did you mean bad? "
        "allowed: calm, bad"
    )


def test_quantiles_on_a_lattice_are_those_of_mean_losses_on_arrival(files):
    where = "\n[[agent.where]]\nabove_quantile = 0.2\nmeasure = {kind = 'worst_case'}\n"
    file = load_economy(files("arcs = 'arcs.csv'" + AGENTS + where, arcs=ARCS))
    # dry costs 1; wet 7 or 4, five in the mean: above the quantile, which is 1
    names = ["expected", "expected", "worst"]
    kinds = [type(k).__name__.lower() for k in file.economy.agents[1]]
    assert [kind.startswith(name) for kind, name in zip(kinds, names)] == [True] * 3


BAD_CHAIN = {
    ("horizon = 3\n", ""): "economy.toml, chain: horizon is missing: add horizon = ...",
    ("horizon = 3", "horizon = 0"): "economy.toml, chain: horizon = 0 is too small: "
    "choose an integer of at least 1",
    ("horizon", "horizn"): "economy.toml, chain: key 'horizn' is unknown: did you mean "
    "horizon? allowed: states, start, horizon, transition, losses",
    ('"bad"]', '"calm"]'): "economy.toml, chain: state 'calm' comes twice",
    ('"bad"]', "3]"): "economy.toml, chain: states 2 = 3 is no name: write a text in "
    "quotes",
    ('start = "calm"', 'start = "clam"'): "economy.toml, chain: start = 'clam' is no "
    "state: did you mean calm? allowed: calm, bad",
    ('start = "calm"', "start = [0.5, 0.6]"): "economy.toml, chain: start sum to 1.1: "
    "divide them by their sum",
    (
        "[0.5, 0.5]]",
        "[0.5, 0.6]]",
    ): "economy.toml, chain: transition: row 2 sum to 1.1: divide them by their sum",
    (
        "[0.5, 0.5]]",
        "[0.5]]",
    ): "economy.toml, chain: transition is neither a matrix nor "
    "a list of matrices: write 2 rows of 2 probabilities, or a list of 3 such matrices",
    ("[[0.75, 0.25], [0.5, 0.5]]", "[[[0.75, 0.25], [0.5, 0.5]]]"): "economy.toml, "
    "chain: transition has shape (1, 2, 2): write 2 rows of 2 probabilities, or a list "
    "of 3 such matrices",
    ("[[0.75, 0.25], [0.5, 0.5]]", "'no.csv'"): "economy.toml: chain, transition = "
    "'no.csv' does not exist: put the CSV beside the TOML, or name it from there",
    ("bad = [4, 9]", "bed = [4, 9]"): "economy.toml, chain, losses: key 'bed' is "
    "unknown: did you mean bad? allowed: calm, bad",
    ("bad = [4, 9]", "bad = [4]"): "economy.toml, chain, losses: bad has shape (1,): "
    "give an array with shape (2,)",
}


@pytest.mark.parametrize("change", BAD_CHAIN, ids=lambda change: change[1][:40])
def test_a_bad_chain(files, change):
    assert refusal(files(changed(CHAIN, *change) + AGENTS)) == BAD_CHAIN[change]


MOVES = (
    "from,to,probability\ncalm,calm,0.75\ncalm,bad,0.25\nbad,calm,0.5\nbad,bad,0.5\n"
)
LOSSES = "state,Ann,Bob\ncalm,1,2\nbad,4,9\n"
BAD_TABLES = {
    ("bad,bad,0.5", "bad,bed,0.5"): "moves.csv, line 5, column to = 'bed' is no state: "
    "did you mean bad? allowed: calm, bad",
    ("bad,bad,0.5", "bad,bad,1.5"): "moves.csv, line 5, column probability = 1.5 is "
    "outside [0, 1]: correct it",
    ("bad,bad,0.5", "bad,calm,0.5"): "moves.csv, line 5, column to = 'calm' comes "
    "twice: keep one row",
    ("bad,bad,0.5", "bad,bad,0.4"): "moves.csv: probabilities from 'bad' at time 0 sum "
    "to 0.9: divide them by their sum",
    ("bad,4,9", "bed,4,9"): "losses.csv, line 3, column state = 'bed' is no state: did "
    "you mean bad? allowed: calm, bad",
    ("bad,4,9\n", ""): "losses.csv holds no losses of state 'bad' at time 1: add a row",
    ("bad,4,9\n", "calm,4,9\n"): "losses.csv, line 3, column state = 'calm' comes "
    "twice: keep one row",
}


@pytest.mark.parametrize("change", BAD_TABLES, ids=lambda change: change[1][:40])
def test_bad_tables_of_a_chain(files, change):
    toml = changed(CHAIN, "[[0.75, 0.25], [0.5, 0.5]]", "'moves.csv'")
    toml = changed(toml, "{calm = [1, 2], bad = [4, 9]}", "'losses.csv'")
    old, new = change
    tables = {"moves": MOVES, "losses": LOSSES}
    tables = {name: text.replace(old, new) for name, text in tables.items()}
    assert tables != {"moves": MOVES, "losses": LOSSES}
    assert refusal(files(toml + AGENTS, **tables)) == BAD_TABLES[change]


def test_a_time_that_is_none(files):
    moves = MOVES.replace("\n", ",\n").replace("probability,", "probability,time")
    toml = changed(CHAIN, "[[0.75, 0.25], [0.5, 0.5]]", "'moves.csv'")
    assert (
        load_economy(files(toml + AGENTS, moves=moves)).economy.scenarios.horizon == 3
    )
    message = refusal(files(toml + AGENTS, moves=moves.replace("0.25,", "0.25,3")))
    assert message == (
        "moves.csv, line 3, column time = '3' is no time: write one from 0 to 2, or "
        "nothing"
    )


# --- paths ----------------------------------------------------------------------------


def test_paths_keep_their_own_losses(files):
    toml = "paths = 'paths.csv'\ngroups = 2"
    file = load_economy(files(toml + AGENTS, paths=PATHS))
    losses = [[[p + t, p * t] for t in (1, 2)] for p in range(1, 9)]
    with pytest.warns(UserWarning, match="fewer than 20"):
        made = dp.lattice_from_paths(losses, groups=2)
    assert (file.economy.endowments == made.endowments).all()
    assert file.node_names == ("start", "1", "2", "end")
    assert file.arc_names == tuple(f"p{p}" for p in range(1, 9)) * 2
    assert file.notes == (
        "3 of 3 nodes are known by fewer than 20 paths, node '1' by 4: noise there "
        "looks like risk; give more paths or fewer groups",
    )
    bills = solution_files(file, file.solve())["bills.csv"].splitlines()
    assert bills[0].startswith("path,node,target,probability,agent,own,layer,price,")
    assert len(bills) == 1 + 8 * 2


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (str, ("start", "1:0", "1:1", "end")),  # states
        (lambda x: f"{x}.5", ("start", "1:1", "1:2", "end")),  # groups of numbers
    ],
)
def test_states_of_paths(files, text, names):
    rows = PATHS.splitlines()
    states = [text(int(row.split(",")[0][1:]) % 2) for row in rows[1:]]
    table = "\n".join(
        [rows[0] + ",state", *(f"{r},{s}" for r, s in zip(rows[1:], states))]
    )
    toml = "paths = 'paths.csv'\ngroups = [2]"
    file = load_economy(files(toml + AGENTS, paths=table))
    assert file.node_names == names
    assert file.economy.scenarios.unconditional[1] == 0.5
    bad = table.replace(f"p1,1,2,1,{text(1)}", "p1,1,2,1,one")
    assert refusal(files(toml + AGENTS, paths=bad)) == (
        "paths.csv, line 10, column state = 'one' is not a number: write a number such "
        "as 12.5"
    )


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("groups = 0", "groups = 0 is too small: choose an integer of at least 1"),
        (
            "groups = [2, 2]",
            "groups = [2, 2] has 2 entries: give one number, or one for",
        ),
        ("groups = ['a']", "groups = 'a' is not an integer: give an integer"),
        (
            "groups = 2\nbins = 2",
            "groups = 2 go with a lattice, bins with a tree: leave one of them out",
        ),
        (
            "law = 'marginal'",
            "law = 'marginal' with retention = 'deterministic' needs a tree: give "
            "nodes, or paths and bins; or leave law and retention out",
        ),
    ],
)
def test_bad_settings_of_paths(files, line, message):
    path = files(f"paths = 'paths.csv'\n{line}" + AGENTS, paths=PATHS)
    assert refusal(path).startswith(f"economy.toml: {message}")


def test_the_same_agents_on_a_lattice_made_in_python():
    made = dp.lattice_from_paths(weather.simulate(400, seed=5), groups=[3, 2])
    file = load_economy(example_path(), scenarios=made)
    assert file.economy.scenarios is made.lattice
    assert file.node_names == (
        *("start", "1", "2", "3", "1.1", "1.2", "2.1", "2.2", "3.1", "3.2", "end"),
    )


# --- shipped data ---------------------------------------------------------------------


def test_shipped_tables_are_what_their_recipes_give():
    for name, made in (
        ("paths", random_economies.paths_csv()),
        ("arcs", random_economies.arcs_csv()),
    ):
        shipped = example_path(name).with_name(f"{name}.csv").read_text("utf-8")
        assert shipped == made


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_are_solved_and_certified(name):
    file = load_economy(example_path(name))
    solution = file.solve()
    report = dp.check_allocation(file.economy, solution.allocation, file.law)
    assert report.pareto_optimal
    assert report.individually_rational
    assert solution.surplus[0] > 0
    assert file.notes == ()


@pytest.mark.parametrize("name", EXAMPLES)
def test_bills_say_what_is_paid(name):
    file = load_economy(example_path(name))
    solution = file.solve()
    rows = solution_files(file, solution, False, True)["bills.csv"].splitlines()
    header = rows[0].split(",")
    numbers = np.array([row.split(",")[-7:] for row in rows[1:]], dtype=float)
    layer_to_reserve = numbers[:, 1:6].sum(axis=1)
    assert header[-7:] == [
        *("own", "layer", "price", "sure", "transfer", "reserve", "payment")
    ]
    assert layer_to_reserve == pytest.approx(numbers[:, 6], abs=1e-7)
    scenarios = file.economy.scenarios
    assert len(numbers) == file.economy.n_agents * (
        scenarios.n_nodes - 1 if scenarios.kind == "tree" else scenarios.n_arcs
    )
    own = scenarios.entries(file.economy.endowments).sum()
    assert numbers[:, 0].sum() == pytest.approx(own)
    assert numbers[:, 6].sum() == pytest.approx(own)
