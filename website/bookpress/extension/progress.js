
// A reader's progress, kept only in this browser: answers, and chapters read to the end.
// { seed, rounds: { chapter: how often it was started over }, chapters: { chapter: { read, of, right, answers: { question: [choices, the first one first] } } } }
{
  const KEY = "ab-progress";
  const read = () => {
    try {
      return JSON.parse(localStorage.getItem(KEY)) ?? {};
    } catch {
      return {};
    }
  };
  let record = { seed: String(Math.random()), rounds: {}, chapters: {}, ...read() };
  const change = (edit) => {
    record = { ...record, ...read() }; // another tab may have changed it
    edit(record);
    try {
      localStorage.setItem(KEY, JSON.stringify(record));
    } catch {
      // Then it lasts as long as the page.
    }
  };
  const keep = (name, entry) => change(({ chapters }) => (chapters[name] = entry));

  // The order of answers: by a hash (FNV-1a) that differs from reader to reader.
  const hash = (text) => [...text].reduce((sum, letter) => Math.imul(sum ^ letter.charCodeAt(0), 16777619) >>> 0, 2166136261);

  const start = (quiz) => {
    const name = quiz.dataset.chapter;
    const questions = [...quiz.querySelectorAll("fieldset")];
    const [score, again] = [quiz.querySelector(".ab-score"), quiz.querySelector(".ab-again")];
    const entry = () => ({ answers: {}, ...record.chapters[name] });
    const button = (id) => quiz.querySelector(`input[id="${id}"]`);
    const isRight = (id) => button(id).parentElement.dataset.right !== undefined;

    const shuffle = () => {
      const place = ({ firstElementChild: { id } }) => hash(id + record.seed + (record.rounds[name] ?? 0));
      for (const question of questions) {
        question.append(...[...question.querySelectorAll(".ab-choice")].sort((one, other) => place(one) - place(other)));
      }
    };
    const show = () => {
      const { answers, right } = entry();
      let left = questions.length;
      for (const question of questions) {
        const buttons = [...question.querySelectorAll("input")];
        const tried = (answers[buttons[0].name] ?? []).filter((id) => button(id));
        for (const one of buttons) {
          one.checked = one.id === tried.at(-1);
          if (one.checked) one.setAttribute("aria-describedby", `${one.id}-why`);
          else one.removeAttribute("aria-describedby");
        }
        left -= tried.length > 0;
      }
      again.hidden = left === questions.length;
      const rest = left ? ` ${left} to go.` : "";
      score.textContent = again.hidden ? "" : `${right} of ${questions.length} right at the first try.${rest}`;
    };

    quiz.addEventListener("change", ({ target: { id, name: question } }) => {
      const { answers, ...rest } = entry();
      answers[question] = [...new Set([...(answers[question] ?? []).filter((one) => one !== id), id])];
      keep(name, counted({ ...rest, answers }));
      show();
    });
    const counted = (one) => {
      const first = Object.values(one.answers).map((ids) => ids.find((id) => button(id))).filter(Boolean);
      return { ...one, of: questions.length, right: first.filter(isRight).length };
    };
    // Arrows lead from answer to answer without choosing one, or they would tell the solution on the way. Space chooses.
    quiz.addEventListener("keydown", (event) => {
      const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
      const question = event.target.type === "radio" && event.target.closest("fieldset");
      if (!question || event.altKey || event.ctrlKey || event.metaKey) return;
      const buttons = [...question.querySelectorAll("input")];
      if (step) buttons.at((buttons.indexOf(event.target) + step) % buttons.length).focus();
      else if (event.key === "Enter") event.target.click();
      else return;
      event.preventDefault();
    });
    again.addEventListener("click", () => {
      change(({ rounds, chapters }) => {
        rounds[name] = (rounds[name] ?? 0) + 1;
        if (chapters[name]?.read) chapters[name] = { read: true };
        else delete chapters[name];
      });
      shuffle();
      show();
      questions[0].querySelector("input").focus();
    });

    if (!matchMedia("print").matches) shuffle(); // the printed book has the order of the notebook
    change(() => {}); // keeps the order of answers
    show();
    addEventListener("pageshow", ({ persisted }) => {
      if (persisted) record = { ...record, ...read() };
      show();
    });
    const end = document.querySelector(".prev-next-footer");
    const seen = new IntersectionObserver((entries) => {
      if (!entries.some(({ isIntersecting }) => isIntersecting)) return;
      keep(name, { ...entry(), read: true });
      seen.disconnect();
    });
    if (end) seen.observe(end);
  };
  document.querySelectorAll(".ab-quiz").forEach(start);

  // The home page lists what there is; first.js has made room for it.
  const list = document.querySelector(".ab-progress");
  const tell = () => {
    const { chapters = {} } = read();
    document.documentElement.toggleAttribute("data-progress", Object.keys(chapters).length > 0);
    for (const link of list.querySelectorAll("[data-chapter]")) {
      const { of, right, read: done } = chapters[link.dataset.chapter] ?? {};
      link.querySelector("b").textContent = right !== undefined ? `${right} of ${of}` : done ? "read" : "–";
    }
  };
  if (list) {
    tell();
    addEventListener("pageshow", tell);
    addEventListener("storage", tell);
    list.querySelector("button").addEventListener("click", () => {
      localStorage.removeItem(KEY);
      tell();
      document.querySelector("#main-content")?.focus();
    });
  }
}
