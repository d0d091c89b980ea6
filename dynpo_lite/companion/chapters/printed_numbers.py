"""The numbers that Section 6.2 of the paper prints; the ledger holds the same."""

PRINTED = {
    "attachment": 780.0,
    "total_low": 200.0,
    "total_middle": 464.7,
    "total_high": 1074.1,
}

# of 100,000 samples: when the attachment is estimated too, and when it is given
STANDARD_ERROR = {
    "attachment": 5.9237,
    "total_middle": 5.1178,
    "total_high": 8.2752,
}
STANDARD_ERROR_AT_780 = {"total_middle": 6.5216, "total_high": 6.2092}
