"""What every test run says first: how to get the same random cases again."""

import os


def pytest_report_header():
    seed, triples = os.environ.get("FEATLIB_SEED", "0"), os.environ.get("FEATLIB_TRIPLES", "2000")
    return f"random cases: FEATLIB_SEED={seed} FEATLIB_TRIPLES={triples}"
