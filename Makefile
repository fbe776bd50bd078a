# Self-Attention, Step by Step: everything a reader, an instructor or a contributor runs.
#
#   make book     install the pinned versions, run every chapter, build the site (any warning is an error)
#   make models   fetch the published models of chapters 9 and 10 once, into the user's cache (or ATTNBOOK_CACHE)
#   make serve    rebuild what changed and open the book in the browser
#   make lab      open the chapters in JupyterLab (LAB="--port 8899": options for JupyterLab)
#   make zip      pack the built site into one file (MODELS=yes: also the models that two widgets run; they need a web server)
#   make pdf      print the whole book as one PDF (needs Chromium)
#   make slides CH=04   turn a chapter into slides (CH=all: every chapter)
#   make test     build, lint, and run every test on three workers (WORKERS=4: on four; some tests need Chromium)
#   make test-fast  lint, and run the package's quick tests: no build, no browser
#   make test-hub  start a JupyterHub on this machine and use it as a student does (needs npm and git)
#   make lint     run ruff on everything
#   make bench    measure the package's speed, compared with torch.nn
#   make bench-widgets     measure the attention explorer, compared with other libraries (installed into _build/peers)
#   make bench-translator  measure the in-page translator, compared with PyTorch
#   make bench-sentences   measure the in-page encoder, compared with onnxruntime-web, bertviz and inspectus (installed into _build/peers)
#   make bench-language-model  measure the in-page language model, compared with wllama (installed into _build/language-model)
#   make bench-decoding    measure the language model's cached decoding, compared with the transformers library
#   make bench-chapters    measure each chapter's running time and memory
#   make bench-build       measure how long the book takes to build from scratch, and again without changes
#   make bench-grading     measure how long it takes to grade a class of 200
#   make bench-training    measure how long it takes to train the shipped models
#   make mutants  break the package in one small way at a time and check that a test fails (ONLY=attention: one module)
#   make audit    measure every page: Lighthouse (installed into _build/lighthouse), axe, links, size (AUDIT=--help: its options)
#   make lock     update requirements.txt from pyproject.toml (UPGRADE=--upgrade: to the newest versions)
#   make drawings redraw the SVG files in chapters/images
#   make address  copy the repository's address from _config.yml to all files that repeat it
#                 (URL=https://…: first write this address into _config.yml)
#   make students-edition TO=folder-or-url   write a copy of the repository for students, without solutions and history
#                 (ASSIGNMENTS="04 05": with these released assignments; URL=https://…: its address on GitHub, if TO isn't that)
#   make hub-links HUB=https://…   print a link for each chapter that opens it on a JupyterHub
#                 (URL=https://…: from the students' edition at this address; ASSIGNMENTS="04 05": links for its assignments, too)
#   make release CH=04    write the students' version of an assignment to course/release
#   make rehearse CH=04   try an assignment out: grade a model solution, an empty notebook and three wrong ones (JOBS=2, UNSAFE=yes: as below)
#   make collect CH=04 FROM=folder-or-zip   import what students submitted
#   make grade CH=04      grade new and changed submissions (STUDENT=ada: regrade only hers; QUESTION=grouped-mask: regrade only this question)
#                 (JOBS=2: two at a time, instead of one per two cores; UNSAFE=yes: without a sandbox, for code that you trust)
#   make formgrader       mark written answers in nbgrader's pages (LAB="--no-browser --port 8899": options)
#   make feedback CH=04   write a feedback page for each student to course/feedback (STUDENT=ada: only hers)
#   make stats CH=04      write a page on how the class did, question by question, to course/grades
#   make similar CH=04    write a page with the pairs of students whose code is most alike, to course/grades (needs copydetect)
#   make grades           write the points as CSV (Moodle, Canvas, plain) to course/grades
#   make clean    delete all build output (keeps .venv)
#
# The first command that needs .venv creates it (PYTHON=/path/to/python3: with this Python). With BOOK=folder, the commands book, serve,
# zip, pdf, slides and clean work on the book in that folder; the packages are still those in this .venv.

BOOK ?= .
BIN := $(CURDIR)/.venv/bin
STAMP := .venv/installed
COURSE = "$(BIN)/python" -m coursework
# Tests often wait for a browser or a kernel, so a machine with two cores has time for three workers.
WORKERS ?= 3
# Python keeps what it has compiled, so that the hundreds of processes of a build and its tests start fast.
export PYTHONDONTWRITEBYTECODE =
PYTEST = "$(BIN)/python" -m pytest -n "$(WORKERS)" --dist loadfile --no-loadscope-reorder
# A busy machine can make a browser or a server too slow for a test's limit. Such a test runs once more, and the run's end names it.
RERUN = --reruns 1 --only-rerun "TimeoutError|Timeout .*exceeded|URLError|ConnectionRefusedError|Locator expected" -r R

.PHONY: book models serve lab zip pdf slides test test-fast test-hub lint bench bench-widgets bench-translator bench-sentences bench-language-model bench-decoding bench-chapters bench-build bench-grading bench-training mutants audit lock drawings address students-edition hub-links release rehearse collect grade formgrader feedback stats similar grades clean

book: $(STAMP) .venv/models
	@cd "$(BOOK)" && if [ ! -e _build/complete ]; then rm -rf _build/html _build/.doctrees; fi && rm -f _build/complete
	cd "$(BOOK)" && TQDM_DISABLE=1 "$(BIN)/jupyter-book" build . -W -n --keep-going
	@cd "$(BOOK)" && touch _build/complete && echo "The book is built. Read it with 'make serve', or open $$PWD/_build/html/index.html"

serve: book
	@"$(BIN)/python" -m bookpress.serve "$(BOOK)/_build/html"

lab: $(STAMP)
	@"$(BIN)/jupyter" lab chapters $(LAB)

zip: book
	@"$(BIN)/python" -m bookpress.pack "$(BOOK)/_build/html" "$(BOOK)/_build/self-attention-step-by-step.zip" $(if $(filter yes,$(MODELS)),--models)

pdf: book
	@"$(BIN)/python" -m bookpress.pdf "$(BOOK)/_build/html" "$(BOOK)/_build/self-attention-step-by-step.pdf"

slides: $(STAMP)
	@"$(BIN)/python" -m bookpress.slides "$(CH)"
	@$(MAKE) --no-print-directory book
	@"$(BIN)/python" -m bookpress.slides "$(CH)" "$(BOOK)/_build/html" "$(BOOK)/_build/slides"

test: lint book
	$(PYTEST) --durations=20 $(RERUN)

# These tests never wait, so two cores have no time for a third worker, which would also have to collect all tests first.
test-fast: WORKERS = 2
test-fast: lint
	$(PYTEST) -m "not slow" --ignore-glob="*_page.py" tests/package tests/chapters/test_notebooks.py

test-hub: $(STAMP)
	ATTNBOOK_TEST_HUB=yes "$(BIN)/python" -m pytest tests/website/test_hub.py

lint: $(STAMP)
	"$(BIN)/ruff" check . && "$(BIN)/ruff" format --check .

bench: $(STAMP)
	"$(BIN)/python" -m benchmarks.package

bench-widgets: $(STAMP)
	"$(BIN)/python" -m benchmarks.widgets

bench-translator: book
	"$(BIN)/python" -m benchmarks.translator

bench-sentences: $(STAMP) .venv/models
	"$(BIN)/python" -m benchmarks.sentences

bench-language-model: $(STAMP) .venv/models
	"$(BIN)/python" -m benchmarks.language_model

bench-decoding: $(STAMP)
	"$(BIN)/python" -m benchmarks.decoding

bench-chapters: $(STAMP)
	"$(BIN)/python" -m benchmarks.chapters

bench-build: $(STAMP)
	"$(BIN)/python" -m benchmarks.build

bench-grading: $(STAMP)
	"$(BIN)/python" -m benchmarks.grading

bench-training: $(STAMP)
	"$(BIN)/python" -m benchmarks.training

mutants: $(STAMP)
	"$(BIN)/python" -m benchmarks.mutants $(ONLY)

audit: book
	"$(BIN)/python" -m benchmarks.audit $(AUDIT)

lock: $(STAMP)
	sh .ci/lock.sh $(UPGRADE)

drawings: $(STAMP)
	@"$(BIN)/python" -m bookpress.drawings

address: $(STAMP)
	@"$(BIN)/python" -m bookpress.address $(URL)

hub-links: $(STAMP)
	@"$(BIN)/python" -m bookpress.hub_links "$(HUB)" "$(URL)" $(ASSIGNMENTS)

students-edition: $(STAMP)
	@$(COURSE) students-edition "$(TO)" $(if $(URL),--url "$(URL)") $(if $(ASSIGNMENTS),--assignments $(ASSIGNMENTS))

release: $(STAMP)
	@$(COURSE) release "$(CH)"

rehearse: $(STAMP)
	@$(COURSE) rehearse "$(CH)" $(if $(JOBS),--jobs "$(JOBS)") $(if $(filter yes,$(UNSAFE)),--unsafe)

collect: $(STAMP)
	@$(COURSE) collect "$(CH)" "$(FROM)"

grade: $(STAMP)
	@$(COURSE) grade "$(CH)" --student "$(STUDENT)" --question "$(QUESTION)" $(if $(JOBS),--jobs "$(JOBS)") $(if $(filter yes,$(UNSAFE)),--unsafe)

formgrader: $(STAMP)
	@$(COURSE) formgrader $(LAB)

feedback: $(STAMP)
	@$(COURSE) feedback "$(CH)" --student "$(STUDENT)"

stats: $(STAMP)
	@$(COURSE) stats "$(CH)"

similar: $(STAMP)
	@$(COURSE) similar "$(CH)"

grades: $(STAMP)
	@$(COURSE) grades

models .venv/models: $(STAMP) src/attnbook/pretrained/models.py
	@"$(BIN)/python" -m attnbook.pretrained && touch .venv/models

clean:
	rm -rf "$(BOOK)/_build" mutants .pytest_cache .ruff_cache .hypothesis

$(STAMP): requirements.txt pyproject.toml course/pyproject.toml website/pyproject.toml .ci/install.sh
	@sh .ci/install.sh && touch $(STAMP)
