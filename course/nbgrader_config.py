"""The course, for nbgrader and for coursework (this folder's package)."""

c = get_config()  # noqa: F821  traitlets hands it to this file

c.CourseDirectory.course_id = "self-attention-step-by-step"
c.ClearSolutions.code_stub = {"python": 'raise NotImplementedError("Nothing is written here yet.")'}
c.ClearSolutions.text_stub = "*Write your answer here, in place of this line.*"

# What a submission may take: seconds a cell and in all, memory, processes, output a cell
# and in all, files, cells of the student's own.
c.Limits.cell_seconds = 20
c.Limits.submission_seconds = 180
c.Limits.memory_mb = 1500
c.Limits.processes = 64
c.Limits.output_kb = 500
c.Limits.all_output_kb = 2000
c.Limits.disk_mb = 64
c.Limits.files = 5000
c.Limits.own_cells = 200

# When assignments are due, in this machine's time, and what each day that has begun costs, in percent.
# c.Late.due = {"ch04": "2026-03-01 23:59"}
# c.Late.grace_minutes = 15
# c.Late.percent_per_day = 10
