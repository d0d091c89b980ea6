"""The numbers that Section 6.2 of the paper prints; the ledger holds the same."""

PRINTED = {
    "attachment": 780.0,
    "total_low": 200.0,
    "total_middle": 464.7,
    "total_high": 1074.1,
}
