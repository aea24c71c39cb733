"""What every test run says first: how to get the same random cases again."""

import os


def pytest_report_header():
    return f"random cases: FEATLIB_SEED={os.environ.get('FEATLIB_SEED', 0)} FEATLIB_TRIPLES={os.environ.get('FEATLIB_TRIPLES', 2000)}"
