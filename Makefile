# Self-Attention, Step by Step: everything a reader, a teacher or a contributor runs.
#
#   make book     install what is pinned, execute every chapter, build the site strictly
#   make serve    build what changed and read it in the browser
#   make lab      open the chapters in JupyterLab, with everything installed
#   make zip      build, and pack the site into one file to hand on
#   make pdf      build, and print the whole book into one PDF (in Chromium)
#   make slides CH=04   build, and make slides of a chapter (CH=all: of each)
#   make test     build, lint, and run every test (some in Chromium)
#   make lint     ruff, on everything
#   make bench    the package's speed beside its peers
#   make bench-widgets  the explorer's speed and size beside its peers (installs them into _build/peers)
#   make bench-translator  the translator's speed in the page beside PyTorch's
#   make bench-chapters  what each chapter costs to run: seconds and memory
#   make bench-grading  how fast a class of 200 is graded, and in how much memory
#   make bench-training how long the trainings of the shipped models take
#   make audit    build, and measure every page: Lighthouse (installed into _build/lighthouse), axe-core, links, weight
#   make lock     write requirements.txt anew (UPGRADE=--upgrade: with the newest versions)
#   make drawings write the book's drawings anew from website/bookpress/drawings
#   make address  carry the address on GitHub from _config.yml to where it is needed (URL=https://…: set it there, too)
#   make hub-links HUB=https://…  links that open each chapter on a JupyterHub
#   make release CH=04    the students' version of a chapter's assignment, in course/release
#   make collect CH=04 FROM=folder-or-zip   take in what students handed in
#   make grade CH=04      grade what is new or changed (JOBS=2 at a time; STUDENT=… that one, again)
#   make formgrader       open nbgrader's pages, to mark written answers
#   make feedback CH=04   a page for each student, in course/feedback
#   make grades           the points as CSV, for Moodle, Canvas and plain, in course/grades
#   make clean    remove what was built (the installed .venv stays)

BOOK ?= .
BIN := $(CURDIR)/.venv/bin
STAMP := .venv/installed
COURSE = "$(BIN)/python" -m coursework

.PHONY: book serve lab zip pdf slides test lint bench bench-widgets bench-translator bench-chapters bench-grading bench-training audit lock drawings address hub-links release collect grade formgrader feedback grades clean

book: $(STAMP)
	@cd "$(BOOK)" && if [ ! -e _build/complete ]; then rm -rf _build/html _build/.doctrees; fi && rm -f _build/complete
	cd "$(BOOK)" && TQDM_DISABLE=1 "$(BIN)/jupyter-book" build . -W -n --keep-going
	@cd "$(BOOK)" && touch _build/complete && echo "The book is built. Read it with 'make serve', or open $$PWD/_build/html/index.html"

serve: book
	@"$(BIN)/python" -m bookpress.serve "$(BOOK)/_build/html"

lab: $(STAMP)
	@"$(BIN)/jupyter" lab chapters $(LAB)

zip: book
	@"$(BIN)/python" -m bookpress.pack "$(BOOK)/_build/html" "$(BOOK)/_build/self-attention-step-by-step.zip"

pdf: book
	@"$(BIN)/python" -m bookpress.pdf "$(BOOK)/_build/html" "$(BOOK)/_build/self-attention-step-by-step.pdf"

slides: $(STAMP)
	@"$(BIN)/python" -m bookpress.slides "$(CH)"
	@$(MAKE) --no-print-directory book
	@"$(BIN)/python" -m bookpress.slides "$(CH)" "$(BOOK)/_build/html" "$(BOOK)/_build/slides"

test: lint book
	"$(BIN)/python" -m pytest

lint: $(STAMP)
	"$(BIN)/ruff" check . && "$(BIN)/ruff" format --check .

bench: $(STAMP)
	"$(BIN)/python" -m benchmarks.package

bench-widgets: $(STAMP)
	"$(BIN)/python" -m benchmarks.widgets

bench-translator: book
	"$(BIN)/python" -m benchmarks.translator

bench-chapters: $(STAMP)
	"$(BIN)/python" -m benchmarks.chapters

bench-grading: $(STAMP)
	"$(BIN)/python" -m benchmarks.grading

bench-training: $(STAMP)
	"$(BIN)/python" -m benchmarks.training

audit: book
	"$(BIN)/python" -m benchmarks.audit $(AUDIT)

lock: $(STAMP)
	sh .ci/lock.sh $(UPGRADE)

drawings: $(STAMP)
	@"$(BIN)/python" -m bookpress.drawings

address: $(STAMP)
	@"$(BIN)/python" -m bookpress.address $(URL)

hub-links: $(STAMP)
	@"$(BIN)/python" -m bookpress.hub_links "$(HUB)"

release: $(STAMP)
	@$(COURSE) release "$(CH)"

collect: $(STAMP)
	@$(COURSE) collect "$(CH)" "$(FROM)"

grade: $(STAMP)
	@$(COURSE) grade "$(CH)" --student "$(STUDENT)" $(if $(JOBS),--jobs "$(JOBS)") $(if $(filter yes,$(UNSAFE)),--unsafe)

formgrader: $(STAMP)
	@$(COURSE) formgrader $(LAB)

feedback: $(STAMP)
	@$(COURSE) feedback "$(CH)" --student "$(STUDENT)"

grades: $(STAMP)
	@$(COURSE) grades

clean:
	rm -rf "$(BOOK)/_build" .pytest_cache .ruff_cache .hypothesis

$(STAMP): requirements.txt pyproject.toml course/pyproject.toml website/pyproject.toml .ci/install.sh
	@sh .ci/install.sh && touch $(STAMP)
