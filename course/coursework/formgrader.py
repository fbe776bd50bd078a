"""nbgrader's own pages, where answers are marked by hand."""

import os
import subprocess
import sys
from pathlib import Path

from coursework.course import Course


def formgrader(course: Course, options: list[str]) -> int:
    """Starts them in the course's folder and opens them in the browser; ends with Ctrl-C."""
    command = [sys.executable, "-m", "jupyter", "server", f"--ServerApp.root_dir={course.folder}"]
    command += [f"--config={Path(__file__).with_name('formgrader_config.py')}"]
    command += ["--allow-root"] if os.getuid() == 0 else []
    print(
        "nbgrader's pages open in the browser: Manual Grading, then the chapter. Ctrl-C here ends them.",
        flush=True,
    )
    try:
        return subprocess.run([*command, *options], cwd=course.folder).returncode
    except KeyboardInterrupt:
        return 0
