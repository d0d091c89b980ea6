"""Economies in files: what is read, what is refused in which words, what is written."""

import csv
import io
import itertools
import json
import re
import time
from dataclasses import FrozenInstanceError, replace
from pathlib import Path

import numpy as np
import pytest
import random_economies
from scipy import stats

import dynpo_lite as dp
from dynpo_lite.companion.chapters import weather
from dynpo_lite.companion.files.csv_tables import nodes_csv
from dynpo_lite.companion.files.economy_file import example_path, load_economy
from dynpo_lite.companion.files.joint_law import joint_law_economy
from dynpo_lite.companion.files.solution_files import (
    SOLUTION_FILES,
    solution_files,
    summarise,
)

TOML = """\
title = "Two farmers"
currency = "EUR"
nodes = "nodes.csv"

[[agent]]
name = "Ann"
measure = {kind = "expectation"}

[[agent]]
name = "Bob"
measure = {kind = "expected_shortfall", level = 0.5}
"""
NODES = """\
node,parent,probability,Ann,Bob
now,,1,,
dry,now,0.25,1,0
wet,now,0.75,3,4
dry-dry,dry,0.5,1,2
dry-wet,dry,0.5,5,2
wet-dry,wet,0.4,0,3
wet-wet,wet,0.6,7,-1
"""
PATHS = "path,time,Ann,Bob\n" + "".join(
    f"p{p},{t},{p + t},{p * t}\n" for t in (2, 1) for p in range(1, 5)
)
WHERE = "\n[[agent.where]]\n{}\nmeasure = {{kind = 'worst_case'}}\n"


@pytest.fixture
def files(tmp_path):
    """Return a function: texts of both files -> the path of the TOML."""

    def write(toml=TOML, table=NODES, name="nodes.csv"):
        (tmp_path / name).write_text(table, encoding="utf-8")
        path = tmp_path / "economy.toml"
        path.write_text(toml, encoding="utf-8")
        return path

    return write


def changed(text, old, new):
    """Replace one passage, which must be there."""
    assert text.count(old) == 1, (old, text.count(old))
    return text.replace(old, new)


# --- reading --------------------------------------------------------------------------


def test_an_economy_is_read(files):
    file = load_economy(files())
    assert (file.title, file.currency) == ("Two farmers", "EUR")
    assert file.names == ("Ann", "Bob")
    assert file.node_names == (
        *("now", "dry", "wet"),
        *("dry-dry", "dry-wet", "wet-dry", "wet-wet"),
    )
    assert (file.law, file.retention) == ("conditional", "state-dependent")
    assert (file.individually_rational, file.surplus_split) == (True, None)
    tree = file.economy.tree
    assert tree.parent.tolist() == [-1, 0, 0, 1, 1, 2, 2]
    assert tree.probability.tolist() == [1, 0.25, 0.75, 0.5, 0.5, 0.4, 0.6]
    assert file.economy.endowments.tolist() == [
        [0, 1, 3, 1, 5, 0, 7],
        [0, 0, 4, 2, 2, 3, -1],
    ]
    assert file.economy.agents == (dp.Expectation(), dp.ExpectedShortfall(0.5))
    assert [path.name for path in file.sources] == ["economy.toml", "nodes.csv"]
    with pytest.raises(FrozenInstanceError):
        file.title = "another"


def test_letters_are_names_of_agents(files):
    for name in "aest":
        toml, table = (text.replace("Ann", name) for text in (TOML, NODES))
        assert load_economy(files(toml, table)).names == (name, "Bob")


def test_solving_uses_the_settings(files):
    settings = 'retention = "deterministic"\nindividually_rational = false\n'
    file = load_economy(files(settings + TOML))
    economy = file.economy
    direct = dp.solve(economy, retention="deterministic", individually_rational=False)
    assert (file.solve().allocation == direct.allocation).all()
    file = load_economy(files("surplus_split = [0.25, 0.75]\n" + TOML))
    direct = dp.solve(file.economy, surplus_split=[0.25, 0.75])
    assert (file.solve().allocation == direct.allocation).all()
    file = load_economy(files('law = "marginal"\n' + TOML))
    assert file.retention == "deterministic"
    direct = dp.solve(file.economy, law="marginal")
    assert (file.solve().allocation == direct.allocation).all()
    settings = 'law = "marginal"\nsurplus_split = [0.25, 0.75]\n'
    file = load_economy(files(settings + TOML))
    direct = dp.solve(file.economy, law="marginal", surplus_split=[0.25, 0.75])
    assert (file.solve().allocation == direct.allocation).all()


def test_the_order_of_rows_and_columns_does_not_matter(files):
    rows = list(csv.reader(io.StringIO(NODES)))
    order = [4, 2, 0, 3, 1]
    shuffled = [rows[j] for j in (0, 7, 3, 5, 2, 4, 1, 6)]
    table = "".join(",".join(row[j] for j in order) + "\n" for row in shuffled)
    file, usual = load_economy(files(table=table)), load_economy(files())
    assert file.node_names[:3] == ("now", "wet", "dry")
    values, expected = (
        dict(zip(f.node_names, f.solve().total_risk_to_go)) for f in (file, usual)
    )
    assert values == pytest.approx(expected, rel=1e-14)


def test_what_spreadsheets_do_to_a_csv_is_understood(files):
    quoted = NODES.replace("dry", '"dry, so far"').replace("\n", "\r\n")
    rows = quoted.replace('"dry, so far"-', "dry-").replace('-"dry, so far"', "-dry")
    file = load_economy(files(table="\ufeff" + rows.replace(",", " ,", 3) + ",,,,\r\n"))
    assert file.node_names[1] == "dry, so far"
    assert load_economy(files("\ufeff" + TOML)).names == ("Ann", "Bob")


def test_rounded_thirds_become_thirds(files):
    third = "0.333333333333"
    rows = [f"{name},now,{third},1,1\n" for name in "abc"]
    table = "node,parent,probability,Ann,Bob\nnow,,1,,\n" + "".join(rows)
    tree = load_economy(files(table=table)).economy.tree
    assert tree.probability[1:].tolist() == [1 / 3] * 3
    assert tree.branches[0][0].equal


def test_paths_become_a_tree(files):
    toml = TOML.replace('nodes = "nodes.csv"', 'paths = "paths.csv"\nbins = [2, 2]')
    file = load_economy(files(toml, PATHS, "paths.csv"))
    assert file.node_names == ("start", "1", "2", "1.1", "1.2", "2.1", "2.2")
    losses = [[[p + t, p * t] for t in (1, 2)] for p in range(1, 5)]
    with pytest.warns(UserWarning, match="the tree hides"):
        made = dp.tree_from_paths(losses, [2, 2])
    assert (file.economy.endowments == made.endowments).all()
    assert file.economy.endowments[:, 1:3].tolist() == [[3, 5], [2, 4]]
    assert file.notes == (
        "the tree hides 11% of the standard deviation of Ann: leave bins out, and "
        "every path keeps its own losses",
    )
    assert file.paths is None


def test_the_same_agents_on_other_scenarios():
    with pytest.warns(UserWarning, match="the tree hides"):
        made = dp.tree_from_paths(weather.simulate(300, seed=5), bins=[3, 2, 2])
    file = load_economy(example_path(), scenarios=made)
    assert file.economy.tree is made.tree
    assert file.node_names[:6] == ("start", "1", "2", "3", "1.1", "1.2")
    coast = file.economy.agents[0]
    assert [measure.level for measure in coast[:4]] == [0.3, 0.3, 0.3, 0.3]
    assert sum(measure.level == 0.6 for measure in coast) == 1  # of six, the worst


MEASURES = {
    "{kind = 'worst_case'}": dp.WorstCase(),
    "{kind = 'proportional_hazard', exponent = 0.6}": dp.ProportionalHazard(0.6),
    "{kind = 'dual_power', power = 2}": dp.DualPower(2),
    "{kind = 'wang', shift = 0.3}": dp.Wang(0.3),
    "{kind = 'piecewise_linear', s = [0, 0.1, 1], k = [0, 0.5, 1]}": (
        dp.PiecewiseLinear([0, 0.1, 1], [0, 0.5, 1])
    ),
    "{kind = 'mixture', weights = [0.3, 0.7], of = [{kind = 'expectation'}, "
    "{kind = 'minimum', of = [{kind = 'wang', shift = 1}, {kind = 'worst_case'}]}]}": (
        dp.Mixture(
            [dp.Expectation(), dp.Minimum([dp.Wang(1), dp.WorstCase()])], [0.3, 0.7]
        )
    ),
    "{kind = 'supremum', of = [{kind = 'wang', shift = 0.5}, "
    "{kind = 'expected_shortfall', level = 0.3}]}": (
        dp.Supremum([dp.Wang(0.5), dp.ExpectedShortfall(0.3)])
    ),
}


@pytest.mark.parametrize("text", MEASURES)
def test_every_kind_of_measure(files, text):
    toml = changed(TOML, "{kind = 'expectation'}".replace("'", '"'), text)
    measure = load_economy(files(toml)).economy.agents[0]
    x = [0.0, 1.0, 4.0, 9.0, 10.0, 30.0]
    assert dp.choquet(x, measure) == dp.choquet(x, MEASURES[text])


@pytest.mark.parametrize(
    ("where", "nodes"),
    [
        ("nodes = ['wet']", {"wet"}),
        ("nodes = ['now', 'dry']", {"now", "dry"}),
        ("stage = 0", {"now"}),
        ("stage = 1", {"dry", "wet"}),
        ("above_quantile = 0.25", {"wet"}),  # its quantile is what dry loses
        ("above_quantile = 0.26", set()),  # what wet loses is not above itself
        ("above_quantile = 0", {"dry", "wet"}),
        ("stage = 1\nnodes = ['now', 'dry']", {"dry"}),
    ],
)
def test_exceptions_by_state(files, where, nodes):
    file = load_economy(files(TOML + WHERE.format(where)))
    measures = dict(zip(file.node_names, file.economy.agents[1]))
    assert {n for n, k in measures.items() if k == dp.WorstCase()} == nodes


def test_the_last_exception_counts(files):
    more = WHERE.format("stage = 1") + WHERE.format("nodes = ['dry']").replace(
        "worst_case", "expectation"
    )
    agent = load_economy(files(TOML + more)).economy.agents[1]
    assert list(agent) == [dp.ExpectedShortfall(0.5), dp.Expectation(), dp.WorstCase()]


# --- what is refused ------------------------------------------------------------------

KINDS = (
    "expectation, expected_shortfall, worst_case, proportional_hazard, dual_power, "
    "wang, piecewise_linear, mixture, minimum, supremum"
)
ES = '{kind = "expected_shortfall", level = 0.5}'
DEEP = "economy.toml is nested too deeply: write at most 40 levels"
BAD_TOML = {
    ('"EUR"', '"EUR'): "economy.toml is no TOML: Illegal character '\\n' (at line 2, "
    "column 16): correct it there",
    ('title = "Two farmers"\n', ""): "economy.toml: title is missing: add title = ...",
    ("currency", "currrency"): "economy.toml: key 'currrency' is unknown: did you mean "
    "currency? allowed: title, currency, law, retention, individually_rational, "
    "surplus_split, nodes, arcs, paths, chain, groups, bins, agent",
    ('"EUR"', "3"): "economy.toml: currency = 3 is no text: write it in quotes",
    ('"EUR"', '" "'): "economy.toml: currency = ' ' is no text: write it in quotes",
    ("title", 'law = "joint"\ntitle'): "economy.toml: law = 'joint' is unknown: choose "
    "'conditional' or 'marginal'",
    ("title", "retention = 1\ntitle"): "economy.toml: retention = 1 is unknown: choose "
    "'state-dependent' or 'deterministic'",
    (
        "title",
        'law = "marginal"\nretention = "state-dependent"\ntitle',
    ): "economy.toml: retention = 'state-dependent' does not go with law = 'marginal': "
    "choose 'deterministic', or law = 'conditional'",
    ("title", "individually_rational = 1\ntitle"): "economy.toml: "
    "individually_rational = 1 is no bool: write true or false",
    ("title", "surplus_split = [0.5, 0.6]\ntitle"): "economy.toml: surplus_split sum "
    "to 1.1: divide them by their sum",
    ("title", "surplus_split = [1]\ntitle"): "economy.toml: surplus_split has shape "
    "(1,): give an array with shape (2,)",
    ("title", "individually_rational = false\nsurplus_split = [0.5, 0.5]\ntitle"): (
        "economy.toml: surplus_split = [0.5, 0.5] goes with individually_rational = "
        "true: leave it out"
    ),
    ('nodes = "nodes.csv"\n', ""): "economy.toml: no scenarios: write nodes = "
    "'nodes.csv', arcs = 'arcs.csv', paths = 'paths.csv' or [chain]",
    ("title", 'paths = "p.csv"\ntitle'): "economy.toml: nodes and paths are "
    "given: keep one",
    ("title", "bins = 2\ntitle"): "economy.toml: bins = 2 goes with paths, not with "
    "nodes: leave it out",
    ("title", "groups = 2\ntitle"): "economy.toml: groups = 2 goes with paths, not "
    "with nodes: leave it out",
    ("nodes.csv", "nods.csv"): "economy.toml: nodes = 'nods.csv' does not exist: put "
    "the CSV beside the TOML, or name it from there",
    ('name = "Ann"\n', ""): "economy.toml, agent 1: name is missing: add name = ...",
    ("Ann", "Bob"): "economy.toml, agent 2: name = 'Bob' comes twice: choose another",
    ("Ann", "parent"): "economy.toml, agent 1: name = 'parent' is a column of its own: "
    "choose another name",
    ('"Ann"', '"Ann"\nmesure = 1'): "economy.toml, agent 1: key 'mesure' is unknown: "
    "did you mean measure? allowed: name, measure, where",
    (ES, "0.5"): "economy.toml, agent 'Bob', measure = 0.5 is no table: write {kind = "
    "'expected_shortfall', level = 0.9} or the like",
    (ES, "{}"): "economy.toml, agent 'Bob', measure: kind is missing: allowed: "
    + KINDS,
    (ES, "{kind = 'wangs', shift = 1}"): "economy.toml, agent 'Bob', measure: kind = "
    f"'wangs' is unknown: did you mean wang? allowed: {KINDS}",
    (ES, "{kind = ['wang']}"): "economy.toml, agent 'Bob', measure: kind = ['wang'] is "
    f"unknown: did you mean wang? allowed: {KINDS}",
    (ES, "{kind = 'expected_shortfall'}"): "economy.toml, agent 'Bob', measure: level "
    "is missing: add level = ...",
    (ES, "{kind = 'wang', shift = 1, level = 0.9}"): "economy.toml, agent 'Bob', "
    "measure: key 'level' is unknown: allowed: kind, shift",
    ("level = 0.5", "level = 1.2"): "economy.toml, agent 'Bob', measure: level = 1.2 "
    "is outside [0, 1): choose a confidence level, such as 0.95 for the worst 5 %",
    ("level = 0.5", "level = nan"): "economy.toml, agent 'Bob', measure: level = nan "
    "is outside [0, 1): choose a confidence level, such as 0.95 for the worst 5 %",
    ("level = 0.5", f"level = {10**400}"): "economy.toml, agent 2, measure, level = 1"
    f"{'0' * 55} ... is too large: write a smaller one",
    ("level = 0.5", f"level = 1{'0' * 5000}"): "economy.toml holds a number of "
    "thousands of digits: write a shorter one",
    ("level = 0.5", f"level = 0x{'f' * 5000}"): "economy.toml, agent 2, measure, level "
    "= (a number of thousands of digits) is too large: write a smaller one",
    ("level = 0.5", "level = 1"): "economy.toml, agent 'Bob', measure: level = 1 is "
    "outside [0, 1): use kind = 'worst_case' for level 1",
    ('"EUR"', "2026-01-31"): "economy.toml, currency = 2026-01-31 is a date: write it "
    "in quotes",
    (
        '"EUR"',
        '"\\u001B[31m"',
    ): "economy.toml: currency = '\\x1b[31m' holds a character "
    "that cannot be shown: leave it out",
    ('"EUR"', "[" * 900 + "]" * 900): DEEP,
    ('"EUR"', "[" * 2000 + "]" * 2000): DEEP,
    ('"EUR"', "[" * 50 + "]" * 50): DEEP,
    ('"EUR"', '"EUR"\na' + ".a" * 50_000 + "= 1"): DEEP,
    (ES, "{kind = 'minimum', of = [" * 200 + ES + "]}" * 200): DEEP,
    ('"EUR"', '["' + "x" * 10**6 + '"]'): f"economy.toml: currency = ['{'x' * 573} ... "
    f"{'x' * 117}'] is no text: write it in quotes",
    ("Ann", "=HYPERLINK(1)"): "economy.toml, agent 1: name = '=HYPERLINK(1)' is a "
    "formula for a spreadsheet: begin with another letter",
    (ES, "{kind = 'piecewise_linear', s = [0, 0.5, 1], k = [0, 0.1, 1]}"): (
        "economy.toml, agent 'Bob', measure: k = [0.0, 0.1, 1.0] is no concave "
        "distortion: let it increase with falling slopes and end in 1"
    ),
    (ES, "{kind = 'minimum', of = []}"): "economy.toml, agent 'Bob', measure: of = [] "
    "is no list of measures: write of = [{kind = ...}, {kind = ...}]",
    (ES, f"{{kind = 'minimum', of = [{ES}, {{kind = 'wang'}}]}}"): "economy.toml, "
    "agent 'Bob', measure, part 2: shift is missing: add shift = ...",
    (ES, f"{{kind = 'minimum', of = [{{kind = 'supremum', of = [{ES}]}}]}}"): (
        "economy.toml, agent 'Bob', measure, part 1: kind = 'supremum' is no "
        "distortion: use it outside 'of' only"
    ),
    (ES, f"{{kind = 'mixture', weights = [0.5], of = [{ES}, {ES}]}}"): "economy.toml, "
    "agent 'Bob', measure: weights has shape (1,): give an array with shape (2,)",
    (ES, f"{ES}\nwhere = 3"): "economy.toml, agent 'Bob': where = 3 is no list of "
    "tables: write [[agent.where]] above each",
    (ES, f"{ES}\nwhere = [3]"): "economy.toml, agent 'Bob', where 1 = 3 is no table: "
    "write [[agent.where]] above it",
    (ES, ES + WHERE.format("")): "economy.toml, agent 'Bob', where 1 selects no node: "
    "add nodes or stage or states or above_quantile = ...",
    (ES, ES + WHERE.format("node = 'wet'")): "economy.toml, agent 'Bob', where 1: key "
    "'node' is unknown: did you mean nodes? allowed: nodes, stage, states, "
    "above_quantile, measure",
    (ES, ES + WHERE.format("states = ['wet']")): "economy.toml, agent 'Bob', where 1: "
    "states = ['wet'] goes with [chain], or with paths and a column of whole states: "
    "select nodes or stage",
    (ES, ES + WHERE.format("nodes = 'wet'")): "economy.toml, agent 'Bob', where 1: "
    "nodes = 'wet' is no list: write nodes = ['a', 'b']",
    (ES, ES + WHERE.format("nodes = ['wett']")): "economy.toml, agent 'Bob', where 1: "
    "nodes: 'wett' is no node: did you mean wet? give names of the tree's nodes",
    (ES, ES + WHERE.format("nodes = [['wet']]")): "economy.toml, agent 'Bob', where 1: "
    "nodes: ['wet'] is no node: did you mean wet? give names of the tree's nodes",
    (ES, ES + WHERE.format("nodes = ['wet-wet']")): "economy.toml, agent 'Bob', where "
    "1: nodes: 'wet-wet' lies at the horizon, where no risk is left: give nodes before "
    "it",
    (ES, ES + WHERE.format("stage = 2")): "economy.toml, agent 'Bob', where 1: stage = "
    "2 is not before the horizon 2: choose 0 to 1",
    (ES, ES + WHERE.format("stage = 0.5")): "economy.toml, agent 'Bob', where 1: stage "
    "= 0.5 is not an integer: give an integer",
    (ES, ES + WHERE.format("above_quantile = 1")): "economy.toml, agent 'Bob', where "
    "1: above_quantile = 1 is outside [0, 1): choose a value inside",
    (TOML[TOML.index("[[agent]]") :], ""): "economy.toml: agent is missing: add agent "
    "= ...",
    (TOML[TOML.index("[[agent]]") :], "agent = 3"): "economy.toml: agent = 3 is no "
    "list of tables: write [[agent]] above each agent",
    (TOML[TOML.index("[[agent]]") :], "agent = [3]"): "economy.toml, agent 1 = 3 is no "
    "table: write [[agent]] above it",
}


@pytest.mark.parametrize("change", BAD_TOML, ids=lambda change: change[1][:40])
def test_a_bad_toml(files, change):
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        load_economy(files(changed(TOML, *change)))
    assert str(caught.value) == BAD_TOML[change]


COLUMNS = "node,parent,probability,Ann,Bob"
BAD_NODES = {
    (NODES, ""): f"nodes.csv is empty: begin with the line {COLUMNS}",
    (NODES, "\n,,\n"): f"nodes.csv is empty: begin with the line {COLUMNS}",
    (NODES, COLUMNS): "nodes.csv has no root: leave the parent of one node empty",
    (NODES, NODES[: NODES.index("dry")]): "nodes.csv holds only the root 'now': add "
    "the nodes of time 1",
    (COLUMNS, COLUMNS.replace(",", ";")): "nodes.csv, line 1 has no column 'node': "
    f"write {COLUMNS}, separated by commas",
    (",Ann,Bob", ",Ann,Bobby"): f"nodes.csv, line 1 has no column 'Bob': write "
    f"{COLUMNS}, separated by commas",
    (NODES, NODES.replace("\n", ",9\n").replace("Bob,9", "Bob,Bobby")): "nodes.csv, "
    "line 1, column 'Bobby' is unknown: did you mean Bob? allowed: node, parent, "
    "probability, Ann, Bob",
    (NODES, NODES.replace("\n", ",9\n").replace("Bob,9", "Bob,Bob")): "nodes.csv, line "
    "1, column 'Bob' comes twice: keep one",
    ("dry,now,0.25,1,0", "dry,now,0.25,1"): "nodes.csv, line 3 has 4 cells: give 5, "
    "one for each column of line 1",
    ("dry,now,0.25,1,0", "dry,now,0.25,1,5,0"): "nodes.csv, line 3 has 6 cells: give "
    "5, one for each column of line 1",
    ("now,,1,,", 'now,,1,,"'): "nodes.csv, line 8 is no CSV (unexpected end of data): "
    "correct it",
    ("dry,now,0.25", ",now,0.25"): "nodes.csv, line 3, column node = '' is no name: "
    "give the node one, in one line",
    ("dry,now,0.25", '"a\nb",now,0.25'): "nodes.csv, line 4, column node = 'a\\nb' is "
    "no name: give the node one, in one line",
    ("wet,now,0.75", "dry,now,0.75"): "nodes.csv, line 4: node 'dry' repeats line 3: "
    "give every node a name of its own",
    ("now,,1,,", "now,wet,1,,"): "nodes.csv has no root: leave the parent of one node "
    "empty",
    ("wet,now,0.75", "wet,,0.75"): "nodes.csv, line 4: node 'wet' is a second root "
    "beside 'now': give it a parent",
    ("dry-dry,dry,", "dry-dry,dri,"): "nodes.csv, line 5, column parent = 'dri' is no "
    "node: did you mean dry? correct it or add its row",
    ("dry,now,0.25", "dry,dry-wet,0.25"): "nodes.csv, line 3, column parent = "
    "'dry-wet': node 'dry' is its own ancestor: give it a parent that leads to the "
    "root",
    ("dry,now,0.25", "dry,dry,0.25"): "nodes.csv, line 3, column parent = 'dry': node "
    "'dry' is its own ancestor: give it a parent that leads to the root",
    ("now,,1,,", "now,,0.9,,"): "nodes.csv, line 2, column probability = 0.9: the root "
    "has probability 1",
    ("now,,1,,", "now,,,,"): "nodes.csv, line 2, column probability is empty: write a "
    "number such as 12.5",
    ("dry,now,0.25", "dry,now,0"): "nodes.csv, line 3, column probability = 0.0 is "
    "outside (0, 1]: give conditional probabilities and leave out children of "
    "probability 0",
    ("wet-dry,wet,0.4", "wet-dry,wet,0.3"): "nodes.csv, line 4, column probability: "
    "the children of node 'wet' sum to 0.9: divide them by their sum (they are "
    "conditional on the parent)",
    (NODES, NODES[: NODES.index("wet-dry")]): "nodes.csv, line 4, column parent: node "
    "'wet' ends at stage 1 but the horizon is 2: give it a child (of probability 1) at "
    "each later stage",
    ("dry,now,0.25,1,0", "dry,now,0.25,1e308,1e308"): "nodes.csv: the largest loss, "
    "1e+308, is outside [1e-300, 1e+300]: choose another unit",
    ("dry,now,0.25,1,0", "dry,now,0.25,1e308,-1e308"): "nodes.csv: the largest loss, "
    "1e+308, is outside [1e-300, 1e+300]: choose another unit",
    (NODES, "node,parent,probability,Ann,Bob\na,,1,,\nb,a,1,5e-324,0\n"): "nodes.csv: "
    "the largest loss, 4.94066e-324, is outside [1e-300, 1e+300]: choose another unit",
    ("wet-wet,wet,0.6,7,-1", "wet-wet,wet,0.6,\u0667,-1"): "nodes.csv, line 8, column "
    "Ann = '\u0667' is not a number: write a number such as 12.5",
    ("wet-wet,wet", "@SUM(1),wet"): "nodes.csv, line 8, column node = '@SUM(1)' is a "
    "formula for a spreadsheet: begin with another letter",
    (
        "wet-wet,wet",
        "\uff1d1+1,wet",
    ): "nodes.csv, line 8, column node = '\uff1d1+1' is a "
    "formula for a spreadsheet: begin with another letter",
    ("wet-wet,wet,0.6,7,-1", "wet-wet,wet,0.6,7,x"): "nodes.csv, line 8, column Bob = "
    "'x' is not a number: write a number such as 12.5",
    ("wet-wet,wet,0.6,7,-1", "wet-wet,wet,0.6,1_0,-1"): "nodes.csv, line 8, column Ann "
    "= '1_0' is not a number: write a number such as 12.5",
    ("wet-wet,wet,0.6,7,-1", "wet-wet,wet,0.6,,-1"): "nodes.csv, line 8, column Ann is "
    "empty: write a number such as 12.5",
    ("wet-wet,wet,0.6,7,-1", "wet-wet,wet,0.6,NaN,-1"): "nodes.csv, line 8, column Ann "
    "= 'NaN' is not finite: write a finite number",
    ("wet-wet,wet,0.6,7,-1", "wet-wet,wet,0.6,7,-1e999"): "nodes.csv, line 8, column "
    "Bob = '-1e999' is not finite: write a finite number",
}


@pytest.mark.parametrize("change", BAD_NODES, ids=lambda change: change[1][:40])
def test_a_bad_tree(files, change):
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        load_economy(files(table=changed(NODES, *change)))
    assert str(caught.value) == BAD_NODES[change]


BAD_PATHS = {
    ("p1,2,3,2\n", ""): "paths.csv: path 'p1' has no time 2: give every path the times "
    "1 to 2",
    ("p1,2,3,2", "p2,2,3,2"): "paths.csv, line 3: path 'p2' at time 2 repeats line 2: "
    "keep one",
    ("p1,2,3,2", ",2,3,2"): "paths.csv, line 2, column path is empty: give the path a "
    "name",
    ("p1,2,3,2", "p1,0,3,2"): "paths.csv, line 2, column time = '0' is no time: write "
    "1, 2, ...",
    ("p1,2,3,2", f"p1,{'9' * 5000},3,2"): "paths.csv, line 2, column time = "
    f"'{'9' * 566} ... {'9' * 121}' is no time: write 1, 2, ...",
    ("p1,2,3,2", "p1,2,1e308,1e308"): "paths.csv: the largest loss, 1e+308, is outside "
    "[1e-300, 1e+300]: choose another unit",
    ("p1,2,3,2", "p1,2,3,inf"): "paths.csv, line 2, column Bob = 'inf' is not finite: "
    "write a finite number",
    (PATHS, "path,time,Ann,Bob\n"): "paths.csv holds no path: add rows below line 1",
}


@pytest.mark.parametrize("change", BAD_PATHS, ids=lambda change: change[1][:40])
def test_bad_paths(files, change):
    toml = TOML.replace('nodes = "nodes.csv"', 'paths = "paths.csv"\nbins = 2')
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        load_economy(files(toml, changed(PATHS, *change), "paths.csv"))
    assert str(caught.value) == BAD_PATHS[change]


@pytest.mark.parametrize(
    ("bins", "message"),
    [
        ("[2]", "bins = [2] has 1 entries: give one number, or one for each of the 2"),
        ("0", "bins = 0 is too small: choose an integer of at least 1"),
        ("'a'", "bins = 'a' is not an integer: give an integer"),
        ("[[1], [2, 3]]", "bins = [1] is not an integer: give an integer"),
        ("[2, 0.5]", "bins = 0.5 is not an integer: give an integer"),
    ],
)
def test_bad_bins(files, bins, message):
    toml = TOML.replace('nodes = "nodes.csv"', f'paths = "paths.csv"\nbins = {bins}')
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        load_economy(files(toml, PATHS, "paths.csv"))
    assert str(caught.value).startswith(f"economy.toml: {message}")


def test_files_that_cannot_be_read(tmp_path, files):
    with pytest.raises(ValueError, match=r"no\.toml does not exist: give the path of"):
        load_economy(tmp_path / "no.toml")
    with pytest.raises(ValueError, match=r"cannot be read \(Is a directory\)"):
        load_economy(tmp_path)
    path = files()
    (tmp_path / "nodes.csv").write_bytes(NODES.replace("dry", "d\xfc").encode("latin1"))
    with pytest.raises(ValueError, match=r"csv cannot be read \(it is not UTF-8\): "):
        load_economy(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match=r"toml cannot be read \(it is not UTF-8\): "):
        load_economy(path)


def test_a_long_cycle_is_found_at_once(files):
    rows = [f"n{i},n{(i + 1) % 20_000},1,0,0\n" for i in range(20_000)]
    table = "node,parent,probability,Ann,Bob\nroot,,1,,\n" + "".join(rows)
    start = time.perf_counter()
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        load_economy(files(table=table))
    assert time.perf_counter() - start < 5  # linear: a twentieth of that
    assert str(caught.value) == (
        "nodes.csv, line 3, column parent = 'n1': node 'n0' is its own ancestor: give "
        "it a parent that leads to the root"
    )


def test_every_error_of_the_tree_is_said_in_words_of_the_file(files):
    """The rows come in another order than the nodes, so numbers would mislead."""
    rows = NODES.splitlines()
    table = "\n".join([rows[0], *reversed(rows[1:])]) + "\n"
    for old, new, place in (
        ("wet-dry,wet,0.4", "wet-dry,wet,1.4", "line 3, column probability = 1.4"),
        ("dry-wet,dry,0.5", "dry-wet,dry,0.6", "line 7, column probability: the chil"),
        ("now,,1,", "now,,2,", "line 8, column probability = 2.0: the root has"),
    ):
        with pytest.raises(ValueError, match=f"^nodes.csv, {re.escape(place)}"):
            load_economy(files(table=changed(table, old, new)))


def test_names_of_numbers_are_no_formulas(files):
    table = NODES.replace("wet-wet", "-1.5").replace("wet-dry", "+2")
    assert load_economy(files(table=table)).node_names[-2:] == ("+2", "-1.5")


def test_whatever_stands_in_a_cell_is_read_or_refused_in_one_line(files):
    rows = list(csv.reader(io.StringIO(NODES)))
    junk = ["", "now", "wet", "1", "-1", "nan", "\u0665", "a\nb", "\x00", "1e308", '"']
    messages = []
    for row in rows:
        for i, cell in enumerate(row):
            for row[i] in junk:
                text = io.StringIO()
                csv.writer(text).writerows(rows)
                try:
                    load_economy(files(table=text.getvalue())).solve()
                except ValueError as error:
                    messages.append(str(error))
            row[i] = cell
    assert len(messages) > 200
    assert all(m.startswith("nodes.csv") and m.isprintable() for m in messages)


# --- shipped data ---------------------------------------------------------------------


def test_the_weather_is_what_its_model_and_seed_give():
    shipped = example_path("weather").with_name("nodes.csv").read_text("utf-8")
    assert shipped == random_economies.weather_csv()


def test_the_weather_is_what_its_model_says():
    x = np.log(weather.simulate(200_000, seed=3) / weather.EXPOSURE)
    variance = weather.STORM_LOADING**2 + weather.OWN_SPREAD**2
    assert x.mean(axis=0) == pytest.approx(np.tile(-variance / 2, (3, 1)), abs=0.01)
    assert x.var(axis=0) == pytest.approx(np.tile(variance, (3, 1)), rel=0.02)
    b = weather.STORM_LOADING
    for years, index in ((1, 0.6), (2, 0.36), (0, 1.0)):
        between = np.cov(x[:, 2 - years, 0], x[:, 2, 1])[0, 1]
        assert between == pytest.approx(b[0] * b[1] * index, abs=0.01)
    with pytest.raises(ValueError, match=r"persistence = 1\.2 is outside \[0, 1\]"):
        weather.simulate(10, seed=1, persistence=1.2)


def test_the_shipped_weather_is_solved_and_everybody_carries_layers():
    file = load_economy(example_path("weather"))
    solution = file.solve()
    assert dp.check_allocation(file.economy, solution.allocation).pareto_optimal
    assert {layer.shares for layer in solution.layers[0]} == {
        *((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
    }
    cautious = [
        name
        for name, k in zip(file.node_names, file.economy.agents[0])
        if k == dp.ExpectedShortfall(0.6)
    ]
    assert cautious == ["stormy", *(n for n in cautious if n.count("-") == 1)]
    assert len(cautious) == 7  # 30 % of twenty nodes, and the worst of five
    root = solution.layers[0]
    assert [layer.shares.index(1.0) for layer in root] == [2, 1, 0]
    stormy = solution.layers[file.node_names.index("stormy")]
    assert stormy[-1].shares == (0.0, 1.0, 0.0)  # Coast does not want it any more


def paper_law(n1, n2, **options):
    return joint_law_economy(
        stats.expon(scale=200), lambda s: stats.expon(scale=s), n1, n2, **options
    )


def test_the_two_period_tree_is_what_its_law_gives():
    path = example_path("two_period")
    made = paper_law(6, 12)
    text = nodes_csv(
        made.names, made.node_names, made.economy.tree, made.economy.endowments.round(4)
    )
    assert path.with_name("nodes.csv").read_text("utf-8") == text
    file = load_economy(path)
    assert (file.law, file.retention) == (made.law, made.retention)
    for shipped, direct in zip(file.economy.agents, made.economy.agents):
        assert [shortfall(k) for k in shipped] == [shortfall(k) for k in direct]


def shortfall(measure):
    """Return the level; the mean is Expected Shortfall at level 0."""
    return getattr(measure, "level", 0.0)


def test_the_samples_are_a_design_with_weights():
    u1 = (np.arange(300) + 0.5) / 300
    u2 = (np.arange(300) * (5**0.5 - 1) / 2 + 0.5) % 1
    s1 = -300 * np.log1p(-u1)  # drawn with mean 300, weighted back to 200
    columns = s1, -s1 * np.log1p(-u2), np.exp(-s1 * (1 / 200 - 1 / 300))
    design = np.column_stack([np.round(c, d) for c, d in zip(columns, (2, 2, 4))])
    path = example_path("two_period").with_name("samples.csv")
    shipped = np.loadtxt(path, delimiter=",", skiprows=1)
    assert shipped == pytest.approx(design, abs=1e-9)
    assert path.read_text("utf-8").startswith("s1,s2,weight\n")


# --- a joint law of two losses --------------------------------------------------------


def expected_risk_at_time1(file):
    tree, solution = file.economy.tree, file.solve()
    at1 = tree.nodes(1)
    return tree.unconditional[at1] @ solution.total_risk_to_go[at1]


def means(file):
    """Return the means of both losses."""
    tree, total = file.economy.tree, file.economy.aggregate
    return [tree.unconditional[n] @ total[n] for n in (tree.nodes(1), tree.nodes(2))]


@pytest.mark.parametrize(
    ("law", "limit"), [("marginal", 651.358969087), ("conditional", 552.9938)]
)
def test_finer_bins_tend_to_the_numbers_of_the_paper(law, limit):
    values = [expected_risk_at_time1(paper_law(n, 2 * n, law=law)) for n in (6, 12, 24)]
    errors = 1 - np.array(values) / limit
    assert (errors > 0).all()  # bins hide risk
    assert (np.diff(errors) < 0).all()
    assert errors[1] < 0.01
    assert errors[2] < 0.001


def test_the_page_quotes_measured_numbers():
    page = (Path(__file__).parents[1] / "book" / "economy_file.md").read_text("utf-8")
    shipped = load_economy(example_path("two_period"))
    assert f"tree of {shipped.economy.tree.n_nodes} nodes" in page
    for file in (shipped, paper_law(12, 24)):
        assert f"{expected_risk_at_time1(file):.1f}" in page
    assert f"{651.358969087:.2f}" in page  # the limit of the test above


def test_bins_keep_means():
    assert means(paper_law(5, 7)) == pytest.approx([200, 200], rel=1e-9)
    file = joint_law_economy(
        stats.gamma(2, scale=100), lambda s: stats.lognorm(0.8, scale=s), 5, 7
    )
    assert means(file) == pytest.approx([200, 200 * np.exp(0.32)], rel=1e-9)


def test_regimes_have_their_probabilities():
    file = paper_law(5, 4, thresholds=(0.3, 0.7), levels=(0.8, 0.95), w1=0.25)
    tree, (first, second) = file.economy.tree, file.economy.agents
    at1 = tree.nodes(1)
    assert (shortfall(first[0]), shortfall(second[0])) == (0.9, 0.0)
    for agent, level, threshold in ((first, 0.8, 0.3), (second, 0.95, 0.7)):
        alarmed = np.array([shortfall(agent[v]) == level for v in at1])
        assert tree.probability[at1][alarmed].sum() == pytest.approx(1 - threshold)
    assert (file.economy.endowments[1] == 3 * file.economy.endowments[0]).all()


def test_samples_with_weights(tmp_path):
    path = tmp_path / "law.csv"
    # two values of S1 with probabilities 1/4 and 3/4; equal losses stay together
    path.write_text("s1,weight,s2\n1,2,10\n1,0,99\n5,1,0\n5,2,20\n5,1,40\n5,2,20\n")
    file = joint_law_economy(path, n1=9, n2=12, thresholds=(0.25, 0.5), currency="EUR")
    tree = file.economy.tree
    assert tree.parent.tolist() == [-1, 0, 0, 1, 2, 2, 2]
    assert tree.probability == pytest.approx([1, 0.25, 0.75, 1, 1 / 6, 4 / 6, 1 / 6])
    assert file.economy.aggregate == pytest.approx([0, 1, 5, 10, 0, 20, 40])
    assert [shortfall(k) for k in file.economy.agents[0]] == [0.9, 0.0, 0.9]
    # the median of S1 is 5: it is never above
    assert [shortfall(k) for k in file.economy.agents[1]] == [0.0, 0.0, 0.0]
    assert file.currency == "EUR"
    path.write_text("s1,s2\n1,10\n5,20\n")
    file = joint_law_economy(str(path), n1=2, n2=1)
    assert file.economy.tree.probability.tolist() == [1, 0.5, 0.5, 1, 1]


def test_shipped_samples_give_the_order_of_the_number():
    path = example_path("two_period").with_name("samples.csv")
    file = joint_law_economy(path, n1=8, n2=12)
    assert means(file) == pytest.approx([200, 200], rel=0.01)
    assert expected_risk_at_time1(file) == pytest.approx(651.36, rel=0.05)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n1": 0}, "n1 = 0 is too small: choose an integer of at least 1"),
        ({"w1": 1.5}, r"w1 = 1.5 is outside \[0, 1\]: choose a value inside"),
        ({"law": "joint"}, "law = 'joint' is unknown"),
        ({"thresholds": (0.2, 1.6)}, r"thresholds = 1.6 is outside \[0, 1\]"),
        ({"levels": (0.9,)}, r"levels has shape \(1,\): give an array with shape"),
        ({"levels": (0.9, 1)}, r"level = 1.0 is outside \[0, 1\): use WorstCase"),
        ({"s1": 3}, "s1 = 3 is no law: give a frozen scipy.stats one"),
        ({"s2_given_s1": None}, "s2_given_s1 = None is no function: give one from"),
        ({"s1": stats.pareto(0.9)}, "s1: the mean beyond a quantile does not converge"),
        ({"s1": stats.cauchy()}, "s1: the mean beyond a quantile does not converge"),
        ({"s1": "no.csv"}, "s2_given_s1 goes with a distribution: leave it out"),
        ({"s1": "no.csv", "s2_given_s1": None}, "no.csv does not exist: give a CSV"),
    ],
)
def test_a_bad_law(change, message):
    good = {"s1": stats.expon(), "s2_given_s1": lambda s: stats.expon(scale=s)}
    with pytest.raises((TypeError, ValueError), match=message):
        joint_law_economy(**good | change)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "law.csv is empty: begin with the line s1,s2"),
        ("s1,s2,s3\n1,2,3\n", "column 's3' is unknown: allowed: s1, s2, weight"),
        ("s1,s2,weight\n1,2,-1\n", "line 2, column weight = -1 is negative"),
        ("s1,s2,weight\n1,2,0\n", "law.csv holds no sample: add rows with a weight"),
        ("s1,s2\n", "law.csv holds no sample: add rows with a weight above 0"),
        ("s1,s2\n1,b\n", "law.csv, line 2, column s2 = 'b' is not a number"),
    ],
)
def test_bad_samples(tmp_path, text, message):
    (tmp_path / "law.csv").write_text(text)
    with pytest.raises(ValueError, match=message):
        joint_law_economy(tmp_path / "law.csv")


# --- writing --------------------------------------------------------------------------


def tables(texts):
    """Return the CSVs as lists of dicts, numbers read."""
    return {
        name: list(csv.DictReader(io.StringIO(text)))
        for name, text in texts.items()
        if name.endswith(".csv")
    }


@pytest.fixture(scope="module")
def solved():
    file = load_economy(example_path("weather"))
    solution = file.solve()
    return file, solution, solution_files(file, solution)


def columns(rows, names):
    return np.array([[float(row[name]) for row in rows] for name in names])


def test_the_allocation_reproduces_the_risks(solved):
    file, _, texts = solved
    written, economy = tables(texts), file.economy
    allocation = columns(written["allocation.csv"], file.names)
    assert allocation.sum(axis=0) == pytest.approx(economy.aggregate, abs=1e-8)
    risks = written["risks.csv"]
    risk = economy.risk_to_go(allocation)
    for row in risks:
        v, i = file.node_names.index(row["node"]), file.names.index(row["agent"])
        assert float(row["risk_with_trade"]) == pytest.approx(risk[i, v], abs=1e-8)
        low, high = float(row["risk_low"]), float(row["risk_high"])
        assert high == float(row["risk_without_trade"])
        share = float(row["risk_with_trade"]) - float(row["premium"])
        assert float(row["premium_low"]) == pytest.approx(low - share, abs=1e-8)
        assert float(row["premium_high"]) == pytest.approx(high - share, abs=1e-8)
    assert len(risks) == 3 * 26  # leaves have no risk
    totals = written["totals.csv"]
    assert [row["node"] for row in totals] == list(file.node_names)
    saved = columns(totals, ["surplus"])[0]
    both = columns(totals, ["total_risk_without_trade", "total_risk_with_trade"])
    assert both[0] - both[1] == pytest.approx(saved, abs=1e-8)
    chance = columns(totals, ["unconditional_probability"])[0]
    assert chance == pytest.approx(economy.tree.unconditional)


def test_layers_lie_above_each_other(solved):
    file, _, texts = solved
    rows = tables(texts)["layers.csv"]
    assert columns(rows, file.names).sum(axis=0) == pytest.approx(np.ones(len(rows)))
    for row, following in itertools.pairwise(rows):
        if row["node"] == following["node"]:
            assert row["exhaustion"] == following["attachment"]
    assert {row["node"] for row in rows} == set(file.node_names[:26])


def test_the_summary_is_strict_and_complete(solved):
    file, _, texts = solved
    summary = json.loads(texts["solution.json"], parse_constant=pytest.fail)
    assert list(summary) == sorted(summary)
    gains = [agent["gain"] for agent in summary["agents"]]
    saved = summary["total_risk_without_trade"] - summary["total_risk_with_trade"]
    assert sum(gains) == pytest.approx(saved)
    assert summary["myopic_value"] == summary["total_risk_with_trade"]
    assert summary["currency"] == "EUR million"
    certificate = summary["certificate"]
    report = dp.check_allocation(file.economy, file.solve().allocation)
    assert set(vars(report)) - {"risk_to_go"} == set(certificate) - {
        *("available", "risk_to_go_agrees")
    }
    for name in ("available", "risk_to_go_agrees", "pareto_optimal"):
        assert certificate[name] is True
    assert set(summary["versions"]) == {"dynpo-lite", "numpy", "scipy", "python"}


def test_texts_are_stable(solved):
    file, _, texts = solved
    again = load_economy(example_path("weather"))
    assert solution_files(again, again.solve()) == texts
    assert tuple(texts) == SOLUTION_FILES
    for row in tables(texts)["allocation.csv"]:
        for name in file.names:
            assert row[name] == f"{float(row[name]):.12g}"
            assert row[name] != "-0"


def test_a_deterministic_contract_is_written_by_time(files):
    settings = 'retention = "deterministic"\nindividually_rational = false\n'
    file = load_economy(files(settings + TOML))
    solution = file.solve()
    written = tables(solution_files(file, solution))
    assert {row["time"] for row in written["layers.csv"]} == {"1", "2"}
    for row in written["risks.csv"]:
        t = 1 + (row["node"] != "now")
        i = file.names.index(row["agent"])
        assert float(row["premium"]) == pytest.approx(solution.constants[t][i])


def test_a_better_trade_is_named(files):
    file = load_economy(files("individually_rational = false\n" + TOML))
    solution = replace(file, individually_rational=True).solve()
    solution.__dict__["allocation"] = file.economy.endowments  # no trade
    found = summarise(file, solution)["certificate"]
    assert not found["pareto_optimal"]
    trade = found["improving_trade"]
    assert trade["node"] == found["worst_node"]
    assert set(trade["payments"]) == set(trade["gains"]) == {"Ann", "Bob"}
    assert all(file.node_names.index(name) for name in trade["children"])
    assert np.sum(list(trade["payments"].values()), axis=0) == pytest.approx(
        np.zeros(2), abs=1e-9
    )
    assert not found["risk_to_go_agrees"]


def test_who_is_worse_off_is_named(files):
    toml = 'individually_rational = false\nretention = "deterministic"\n' + TOML
    file = load_economy(files(toml))
    found = summarise(file, file.solve())["certificate"]
    assert not found["individually_rational"]
    assert found["irrational_node"] in file.node_names
    assert set(found["irrational_agents"]) <= {"Ann", "Bob"}


def test_no_certificate_where_there_is_none(files):
    smooth = changed(TOML, ES, "{kind = 'wang', shift = 0.5}")
    file = load_economy(files('law = "marginal"\n' + smooth))
    summary = summarise(file, file.solve())
    assert summary["myopic_value"] is None
    found = summary["certificate"]
    assert found["available"] is False
    assert found["reason"].startswith("Wang(shift=0.5) is not piecewise linear: ")
    found = summarise(file, file.solve(), certify=False)["certificate"]
    assert found == {"available": False, "reason": "it was not asked for"}


def test_nodes_written_are_nodes_read(files, tmp_path):
    file = load_economy(files())
    economy = file.economy
    text = nodes_csv(file.names, file.node_names, economy.tree, economy.endowments)
    assert text == NODES
