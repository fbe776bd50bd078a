"""Settings of nbgrader and of the grading tool in coursework/."""

c = get_config()  # noqa: F821  traitlets provides it

c.CourseDirectory.course_id = "self-attention-step-by-step"
c.ClearSolutions.code_stub = {"python": 'raise NotImplementedError("Replace this line with your code.")'}
c.ClearSolutions.text_stub = "*Write your answer here, in place of this line.*"

# Which variant of each assignment is released and graded. A new year changes some tasks, so that last year's
# answers don't fit. Set the year before you release, and keep it until everything is graded.
# c.Variants.year = 2027
# Each student on the class list gets a variant, and `make release` writes one notebook for each of them.
# c.Variants.per_student = True

# Limits per submission: time for one cell and for all, memory, processes and threads, output of one cell
# and of all, size and number of files, cells added by the student.
c.Limits.cell_seconds = 20
c.Limits.submission_seconds = 180
c.Limits.memory_mb = 1500
c.Limits.processes = 64
c.Limits.output_kb = 500
c.Limits.all_output_kb = 2000
c.Limits.disk_mb = 64
c.Limits.files = 5000
c.Limits.own_cells = 200

# Deadlines, in this machine's time zone. Each day begun after a deadline costs this percentage of the points.
# c.Late.due = {"ch04": "2026-03-01 23:59"}
# c.Late.grace_minutes = 15
# c.Late.percent_per_day = 10
