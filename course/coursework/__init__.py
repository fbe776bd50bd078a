"""Release, collect and grade assignments, and report the results: `python -m coursework --help`."""
