"""Hands assignments out, collects and grades them, and reports: `python -m coursework --help`."""
