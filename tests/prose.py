"""Numbers in prose, and whether something on their page supports them.

A number counts if it has a decimal point, is at least 10, or is a fraction with such a
part; formulas count as well.  Smaller integers are words of a sentence or of a formula
("two agents", 1/2).  Left out are the numbers of sections, statements and equations,
code, roles such as glue, addresses and labels: those are read by others.
"""

import ast
import json
import re
from fractions import Fraction

KINDS = (
    *("section", "definition", "lemma", "theorem", "proposition", "corollary"),
    *("assumption", "property", "relation", "figure", "exercise", "step", "part"),
    *("problem", "document", "equation", "python", "version", "chapter", "debian"),
)
ITEM = r"\(?\d+(?:\.\d+)*\)?"
REFERENCE = (
    rf"(?i:\b(?:{'|'.join(KINDS)})s?)\s+{ITEM}(?:(?:,? (?:and|to|or) |, ){ITEM})*"
)
NO_PROSE = re.compile(
    "|".join(
        [
            r"(?ms:^```.*?^```$)|(?s:<!--.*?-->)",  # code, comments
            r"(?m:^\s*:{3,}.*$)|(?m:^\s*:[\w-]+:(?: \S+)?$)|(?m:^\([\w-]+\)=$)",
            r"\{[\w:]+\}`[^`]*`|`[^`]*`",  # roles, code
            r"\]\([^)]*\)|<?https?://\S+|arXiv:\S+|CC BY \d\.\d",  # addresses, names
            REFERENCE + r"|\(\d+(?:\.\d+)?\)",  # (46), an equation
        ]
    )
)
NUMBER = re.compile(r"(?<![\w.])(?<!\w-)\d+(?:,\d{3})*(?:\.\d+)?(?![\d.]*\d)")
FRACTION = re.compile(
    r"\\[td]?frac\s*(?:\{(\d+)\}\s*\{(\d+)\}|(\d)\s*(\d))"
    r"|(?<![\w.])(\d+)/(\d+)(?![.\d])"
)


def numbers(text):
    """Return the numbers of a text that count, as they are written; fractions as a/b.

    >>> numbers("At 776.6, by Lemma 3.11 and (46), two agents share $51/55$ or 0.9.")
    ['51/55', '776.6', '0.9']
    """
    text = NO_PROSE.sub(" ", text.replace("{,}", ","))
    found = []
    for fraction in FRACTION.finditer(text):
        above, below = (part for part in fraction.groups() if part)
        if max(int(above), int(below)) >= 10:
            found.append(f"{above}/{below}")
    for number in NUMBER.findall(FRACTION.sub(" ", text)):
        if "." in number or float(number.replace(",", "")) >= 10:
            found.append(number)
    return found


def digits(number):
    """Return how many digits a number has that say something.

    >>> [digits(number) for number in ("0.90", "776.6", "4,000")]
    [2, 4, 4]
    """
    return len(re.sub(r"\D", "", number).lstrip("0"))


def supports(known, number):
    """Tell whether a known value is the number, rounded as the number is.

    A number of one or two digits has to be a known value itself, as almost any value
    rounds to it; a fraction has to be one to six decimals.

    >>> supports([776.613476], "776.6"), supports([776.613476], "776.7")
    (True, False)
    >>> supports([0.927273], "51/55"), supports([0.93], "0.9"), supports([0.7], "70")
    (True, False, True)
    """
    if "/" in number:
        above, below = map(int, number.split("/"))
        return below > 0 and any(abs(x - above / below) < 5e-7 for x in known)
    value, decimals = float(number.replace(",", "")), len(number.partition(".")[2])
    near = 0.5000001 * 10.0**-decimals if digits(number) > 2 else 1e-9 * value
    percent = 1e-9 if "." not in number and value < 100 else -1
    return any(abs(x - value) <= near or abs(100 * x - value) <= percent for x in known)


# --- what is known --------------------------------------------------------------------


def literals(source):
    """Return the numbers in code, with quotients of two.

    >>> literals("x = [1 / 4, 0.9]; y = 'at 7'")
    [0.25, 0.9, 1.0, 4.0]
    """
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and type(node.value) in (int, float):
            found.append(float(node.value))
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
            above, below = (getattr(x, "value", None) for x in (node.left, node.right))
            if {type(above), type(below)} <= {int, float} and below:
                found.append(above / below)
    return sorted(found)


def printed(text):
    """Return the numbers in an output.

    >>> printed("V = 1,128.19 at 1e-3, 8/13")
    [1128.19, 0.001, 8.0, 13.0, 0.6153846153846154]
    """
    text = re.sub(r"(?<=\d),(?=\d{3}\b)", "", text)
    found = [float(x) for x in re.findall(r"\d+(?:\.\d+)?(?:e[+-]?\d+)?", text)]
    pairs = re.findall(r"(\d+)/(\d+)", text)
    return found + [int(a) / int(b) for a, b in pairs if int(b)]


def values(cell):
    """Return all numbers in the code and the outputs of a cell."""
    found = literals(cell.source)
    for output in cell.outputs:
        found += printed(output.get("text", ""))
        for mime, data in output.get("data", {}).items():
            if not mime.startswith("image/"):
                found += printed(data if isinstance(data, str) else json.dumps(data))
    return found


def proved(text):
    """Return the numbers that stand in equations of numbers, and check these.

    Such an equation speaks for itself: one of its numbers changed, it is false.

    >>> sorted(proved("so $a = 0.06/3.12 = 1/52$"))
    ['0.06', '1/52', '3.12']
    >>> proved("so $a = 0.06/3.12 = 1/25$")
    Traceback (most recent call last):
    ...
    ValueError: 0.06/3.12 is not 1/25
    """
    found = set()
    for formula in re.findall(r"(?s)\$\$.*?\$\$|\$[^$]+\$", text):
        parts = re.split(r"=|(\\approx)", re.sub(r"\\[,;]|[&$]", "", formula))
        parts = [part and part.strip(" \n.,") for part in parts]
        for left, rough, right in zip(parts[::2], parts[1::2], parts[2::2]):
            first, second = _value(left), _value(right)
            if first is None or second is None:
                continue
            decimals = len(right.partition(".")[2])
            if abs(first - second) > (10.0**-decimals if rough else 0):
                raise ValueError(f"{left} is not {right}")
            found |= {*numbers(f"${left}$"), *numbers(f"${right}$")}
    return found


def _value(formula):
    """Return the value of a formula of numbers, None if there is more to it."""
    code = FRACTION.sub(lambda m: "({}/{})".format(*filter(None, m.groups())), formula)
    code = re.sub(r"\\cdot|\\times", "*", code).strip()
    if not re.fullmatch(r"[\d.+\-*/() ]*\d[\d.+\-*/() ]*", code):
        return None
    try:
        tree = ast.parse(code, mode="eval").body
    except SyntaxError:
        return None
    return _exact(code, tree)


def _exact(code, node):
    """Return the value of a syntax tree of numbers in fractions, None if it is none."""
    if isinstance(node, ast.Constant):
        return Fraction(ast.get_source_segment(code, node))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        value = _exact(code, node.operand)
        return None if value is None else -value
    if not isinstance(node, ast.BinOp):
        return None
    a, b = _exact(code, node.left), _exact(code, node.right)
    if a is None or b is None or (isinstance(node.op, ast.Div) and b == 0):
        return None
    sign = type(node.op)
    if sign is ast.Add:
        return a + b
    if sign is ast.Sub:
        return a - b
    return {ast.Mult: lambda: a * b, ast.Div: lambda: a / b}.get(sign, lambda: None)()
