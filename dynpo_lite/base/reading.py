"""What "at time t" means: which law the agents look at, and what contracts may see."""

from dynpo_lite.base import validate

LAWS = ("conditional", "marginal")
RETENTIONS = ("state-dependent", "deterministic")


def reading(law: str, retention: str | None = None) -> tuple[str, str]:
    """Return the law and the retention, checked together.

    Parameters
    ----------
    law : {"conditional", "marginal"}
        The law given the node, or the unconditional one (as Section 6.2 of the paper
        computes).
    retention : {"state-dependent", "deterministic"}, optional
        Whether contracts may depend on the node; by default state-dependent for
        conditional laws, else deterministic.

    Returns
    -------
    (law, retention) : tuple of str

    Raises
    ------
    ValueError
        If one is unknown, or for the marginal law with state-dependent retention.

    Examples
    --------
    >>> reading("conditional"), reading("marginal")
    (('conditional', 'state-dependent'), ('marginal', 'deterministic'))
    """
    validate.choice("law", law, LAWS)
    if retention is None:
        retention = "state-dependent" if law == "conditional" else "deterministic"
    validate.choice("retention", retention, RETENTIONS)
    if (law, retention) == ("marginal", "state-dependent"):
        raise ValueError(
            "retention = 'state-dependent' does not go with law = 'marginal': choose "
            "'deterministic', or law = 'conditional'"
        )
    return law, retention
